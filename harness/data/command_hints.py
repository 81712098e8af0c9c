"""Commands that generate missing responses, for the remedies of error messages."""

from __future__ import annotations

from agents.models.registry import EMULATED
from agents.types import DEFAULT_PRESET, Fidelity, Strategy

_NAMED = (Fidelity.OURS, Fidelity.RELEASED)  # the fidelities that appear in the names of presets


def command(author: str, preset: str = DEFAULT_PRESET, split: str = "") -> str:
    """Return the command that generates the response set `author@preset`.

    Args:
        split: value of `--split`; "" leaves the option out.
    """
    strategy, over, base = preset.partition("-over-")
    if not over or strategy not in set(Strategy):
        return respond_command(author, preset, split)
    kind, _, rest = base.partition("-")
    if kind not in ("human", "llm"):
        return improve_command(author, strategy, base, split=split)
    fidelity, _, tag = rest.partition("-")
    if fidelity in _NAMED:
        return improve_command(author, strategy, kind, fidelity, tag, split)
    return improve_command(author, strategy, kind, tag=rest, split=split)


def respond_command(author: str, preset: str = DEFAULT_PRESET, split: str = "") -> str:
    """Return the command that generates direct responses."""
    preset_option = "" if preset == DEFAULT_PRESET else preset
    return _format_command(f"empathy respond {author}", author, split=split, preset=preset_option)


def improve_command(
    teacher: str,
    strategy: str,
    over: str,
    fidelity: str = Fidelity.PAPER,
    tag: str = "",
    split: str = "",
) -> str:
    """Return the command with which a teacher improves responses.

    Args:
        over: "human", "llm", or the author of the initial responses.
        tag: value of `--preset`; "" leaves the option out.
    """
    kind = over if over in ("human", "llm") else "llm"
    return _format_command(
        f"empathy improve --teacher {teacher} --rewrite {kind}",
        teacher,
        initial_responses="" if over == kind else over,
        strategies=strategy,
        fidelity="" if fidelity == Fidelity.PAPER else fidelity,
        split=split,
        preset=tag,
    )


def _format_command(start: str, author: str, **options: str) -> str:
    flags = (f"--{name.replace('_', '-')} {value}" for name, value in options.items() if value)
    is_emulated = author.partition("/")[2].startswith(EMULATED)
    return " ".join([start, *flags, *(["--emulate"] if is_emulated else [])])
