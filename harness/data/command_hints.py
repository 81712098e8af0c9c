"""The command that makes an author's responses: the remedy of every error about missing ones."""

from __future__ import annotations

from agents.models.registry import EMULATED
from agents.types import DEFAULT_PRESET, Fidelity, Strategy

_NAMED = (Fidelity.OURS, Fidelity.RELEASED)  # the fidelities that a preset's name tells


def command(author: str, preset: str = DEFAULT_PRESET, split: str = "") -> str:
    """What makes the set `author@preset`; `split` is "" to leave it to the command."""
    strategy, over, base = preset.partition("-over-")
    if not over or strategy not in set(Strategy):
        return responding(author, preset, split)
    kind, _, rest = base.partition("-")
    if kind not in ("human", "llm"):
        return improving(author, strategy, base, split=split)
    fidelity, _, tag = rest.partition("-")
    if fidelity in _NAMED:
        return improving(author, strategy, kind, fidelity, tag, split)
    return improving(author, strategy, kind, tag=rest, split=split)


def responding(author: str, preset: str = DEFAULT_PRESET, split: str = "") -> str:
    """What makes an author's direct responses."""
    named = "" if preset == DEFAULT_PRESET else preset
    return _said(f"empathy respond {author}", author, split=split, preset=named)


def improving(
    teacher: str,
    strategy: str,
    over: str,
    fidelity: str = Fidelity.PAPER,
    tag: str = "",
    split: str = "",
) -> str:
    """What makes a teacher's improvements; `over` is "human", "llm" or the author of what is improved."""
    kind = over if over in ("human", "llm") else "llm"
    return _said(
        f"empathy improve --teacher {teacher} --rewrite {kind}",
        teacher,
        initial="" if over == kind else over,
        strategies=strategy,
        fidelity="" if fidelity == Fidelity.PAPER else fidelity,
        split=split,
        preset=tag,
    )


def _said(begin: str, author: str, **options: str) -> str:
    words = [begin, *(f"--{name} {value}" for name, value in options.items() if value)]
    emulated_set = author.partition("/")[2].startswith(EMULATED)
    return " ".join([*words, "--emulate"] if emulated_set else words)
