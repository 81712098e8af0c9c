"""The cells of the paper's Table 1: what each is about, what was published, and which contest is ours.

A cell is told from what sets of responses are called and how they were made; where that is not clear it is
none, and the user says so in a file. Knows nothing of databases.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from agents.types import Method, Strategy

LLAMA, MISTRAL = "LLaMA-3.1-8B", "Mistral-7B-v0.3"
GPT_4O, GEMINI = "GPT-4o", "Gemini-2.0-Flash"
SFT, SFT_DPO = "SFT", "SFT-DPO"
STAGES = (SFT, SFT_DPO)
METHODS = (Method.OVER_HUMAN, Method.OVER_LLM)
# the paper's own names of the strategies, in its order
NUMBERS = dict(zip(Strategy, ("N", "1.1", "1.2", "1.3", "2", "3", "4"), strict=True))
STUDIES = ((LLAMA, GPT_4O), (MISTRAL, GPT_4O), (LLAMA, GEMINI), (MISTRAL, GEMINI))
TEACHER = "GPT-4o"
_CUT = "base-cut:"
_BASES = {LLAMA: r"llama-?3\.1-8b", MISTRAL: r"mistral-7b(-v0\.3)?"}
_JUDGES = {GPT_4O: r"gpt-4o(-\d{4}-\d{2}-\d{2})?", GEMINI: r"gemini-2\.0-flash(-\d+)?"}
_SUCCESSORS = {GPT_4O: r"gpt-6-luna(-\d{4}-\d{2}-\d{2})?", GEMINI: r"gemini-3\.5-flash-lite(-\d+)?"}
_LLMS = {
    "GPT-4": r"gpt-4(?!o)",
    "LLaMA": r"llama-2",
    "Gemini": r"gemini",
    "Mixtral": r"mixtral",
    "Combined": "combined",
}


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One cell of Table 1; every part is written as `table1.csv` writes it."""

    student: str
    judge: str
    stage: str
    method: str
    strategy: str

    @property
    def study(self) -> str:
        """As the leftmost column says it."""
        return f"{TEACHER} teaches {self.student}, judged by {self.judge}"


@dataclass(frozen=True, slots=True)
class AuthorDescription:
    """What a set of responses says of itself; "" where it does not say.

    Attributes:
        base: LLaMA-3.1-8B or Mistral-7B-v0.3.  is_base: whether it is that base, untrained.
        stage, method, strategy: how a student was trained.  llm: whom direct distillation imitates.
        is_teacher: whether it is GPT-4o's own, or its successor's.
        teacher: who taught a student; GPT-4o, an emulated one and its successor too, as `TEACHER`.
    """

    base: str
    is_base: bool
    stage: str
    method: str
    strategy: str
    llm: str
    is_teacher: bool
    teacher: str = ""


@cache
def published() -> Mapping[Cell, float]:
    """Table 1: cell → win rate in [0, 1]."""
    text = resources.files("results.paper").joinpath("table1.csv").read_text(encoding="utf-8")
    return {
        Cell(row["student"], row["judge"], row["stage"], row["method"], row["strategy"]): float(
            row["win_rate_percent"]
        )
        / 100.0
        for row in csv.DictReader(io.StringIO(text))
    }


def described(author: str, made: str = "") -> AuthorDescription:
    """What an author's name, else how it was made, says.

    >>> described("student:llama-3.1-8b-gpt-4o-over-llm-all-dimensions-sft-dpo").strategy
    'all-dimensions'
    """
    told = f"{author} {made}".lower().replace("_", "-")
    is_student = author.startswith("student:")
    method = _only({name: re.escape(name) for name in Method}, told)
    strategies: dict[str, str] = {
        name: rf"(?<![\w-]){re.escape(name)}(?![\w])|-{re.escape(name)}(?![\w])" for name in Strategy
    }
    stage = (
        SFT_DPO
        if re.search(r"(?<![a-z])dpo(?![a-z])", told)
        else SFT
        if re.search(r"(?<![a-z])sft(?![a-z])", told)
        else ""
    )
    base = _only(_BASES, told)
    return AuthorDescription(
        base=base,
        is_base=bool(base) and not is_student and not stage and not author.startswith(_CUT),
        stage=stage if is_student else "",
        method=method if is_student else "",
        strategy=_only(strategies, told) if is_student else "",
        llm=_only(_LLMS, re.sub("|".join(_BASES.values()), "", told))
        if is_student and method == Method.DIRECT
        else "",
        is_teacher=judge_of(author.partition("@")[0].partition("/")[2]) == GPT_4O,
    )


def describe_student(base: str, stage: str, data: Mapping[str, Any]) -> AuthorDescription:
    """What a student's record says: its base, its stage ("sft" or "dpo") and what it was trained on.

    Args:
        data: `method`, `strategy` and `taught_by` (names) of its training set; what lacks is not known.
    """
    teachers = [str(name) for name in data.get("taught_by") or ()]
    is_gpt_4o = bool(teachers) and all(judge_of(name.rpartition("/")[2]) == GPT_4O for name in teachers)
    method = str(data.get("method", ""))
    imitated = _only(_LLMS, teachers[0]) if len(teachers) == 1 else "Combined" if teachers else ""
    return AuthorDescription(
        base=_only(_BASES, base.lower()),
        is_base=False,
        stage=SFT_DPO if stage == "dpo" else SFT,
        method=method if method in set(Method) else "",
        strategy=str(data.get("strategy", "")),
        llm=imitated if method == Method.DIRECT else "",
        is_teacher=False,
        teacher=TEACHER if is_gpt_4o else ", ".join(teachers),
    )


def _only(patterns: Mapping[str, str], told: str) -> str:
    """The one name whose pattern is found; "" where none is, or several are."""
    found = [name for name, pattern in patterns.items() if re.search(pattern, told)]
    return str(found[0]) if len(found) == 1 else ""


def judge_of(model: str) -> str:
    """The paper's name of a model (emulated or not), or of the one that a living model succeeds; else "".

    A cell with a successor is no replication, and `succeeds` says so.
    """
    bare = model.removeprefix("emulated-")
    own = next((name for name, pattern in _JUDGES.items() if re.fullmatch(pattern, bare)), "")
    return own or succeeds(model)


def succeeds(model: str) -> str:
    """The paper's name of the model that this one succeeds, as `agents/models/models.toml` states; else ""."""
    bare = model.removeprefix("emulated-")
    return next((name for name, pattern in _SUCCESSORS.items() if re.fullmatch(pattern, bare)), "")


def find_cell(student: AuthorDescription, opponent: AuthorDescription, judge: str) -> Cell | None:
    """The cell that a student of GPT-4o against its own base under a judge is; None where it is none."""
    parts = (student.base, judge, student.stage, student.method, student.strategy)
    if not all(parts) or not opponent.is_base or opponent.base != student.base:
        return None
    if student.teacher not in ("", TEACHER):
        return None
    cell = Cell(*parts)
    return cell if cell in published() else None
