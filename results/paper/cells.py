"""Cells of the paper's Table 1: their published values, and the match of our authors to them.

A cell is derived from the names and provenance of response sets. If that is ambiguous, no cell is assigned;
the user can assign it in a file.
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

from agents.author_names import AuthorKind, AuthorName
from agents.types import Method, Strategy

LLAMA, MISTRAL = "LLaMA-3.1-8B", "Mistral-7B-v0.3"
GPT_4O, GEMINI = "GPT-4o", "Gemini-2.0-Flash"
SFT, SFT_DPO = "SFT", "SFT-DPO"
STAGES = (SFT, SFT_DPO)
METHODS = (Method.OVER_HUMAN, Method.OVER_LLM)
# the paper's labels of the strategies, in its order
NUMBERS = dict(zip(Strategy, ("N", "1.1", "1.2", "1.3", "2", "3", "4"), strict=True))
STUDIES = ((LLAMA, GPT_4O), (MISTRAL, GPT_4O), (LLAMA, GEMINI), (MISTRAL, GEMINI))
TEACHER = "GPT-4o"
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
    """Cell of Table 1; every field is spelled as in `table1.csv`."""

    student: str
    judge: str
    stage: str
    method: str
    strategy: str

    @property
    def study(self) -> str:
        """Return the label of the table's leftmost column."""
        return f"{TEACHER} teaches {self.student}, judged by {self.judge}"


@dataclass(frozen=True, slots=True)
class AuthorDescription:
    """Known properties of an author; "" for an unknown field.

    Attributes:
        base: LLaMA-3.1-8B or Mistral-7B-v0.3.
        is_base: whether it is that base, untrained.
        stage, method, strategy: training of a student.
        llm: the LLM that direct distillation imitates.
        is_teacher: whether it is GPT-4o or its successor.
        teacher: teacher of a student; `TEACHER` also for an emulated GPT-4o and its successor.
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
    """Return Table 1 as cell → win rate in [0, 1]."""
    text = resources.files("results.paper").joinpath("table1.csv").read_text(encoding="utf-8")
    return {
        Cell(row["student"], row["judge"], row["stage"], row["method"], row["strategy"]): float(
            row["win_rate_percent"]
        )
        / 100.0
        for row in csv.DictReader(io.StringIO(text))
    }


def describe(author: str, provenance: str = "") -> AuthorDescription:
    """Describe an author from its name, else from its provenance.

    >>> describe("student:llama-3.1-8b-gpt-4o-over-llm-all-dimensions-sft-dpo").strategy
    'all-dimensions'
    """
    text = f"{author} {provenance}".lower().replace("_", "-")
    kind = AuthorName.parse(author).kind
    is_student = kind is AuthorKind.STUDENT
    method = _single_match({name: re.escape(name) for name in Method}, text)
    strategies: dict[str, str] = {
        name: rf"(?<![\w-]){re.escape(name)}(?![\w])|-{re.escape(name)}(?![\w])" for name in Strategy
    }
    stage = (
        SFT_DPO
        if re.search(r"(?<![a-z])dpo(?![a-z])", text)
        else SFT
        if re.search(r"(?<![a-z])sft(?![a-z])", text)
        else ""
    )
    base = _single_match(_BASES, text)
    return AuthorDescription(
        base=base,
        is_base=bool(base) and not stage and kind not in (AuthorKind.STUDENT, AuthorKind.TRUNCATED_BASE),
        stage=stage if is_student else "",
        method=method if is_student else "",
        strategy=_single_match(strategies, text) if is_student else "",
        llm=_single_match(_LLMS, re.sub("|".join(_BASES.values()), "", text))
        if is_student and method == Method.DIRECT
        else "",
        is_teacher=paper_judge(AuthorName.parse(author).model) == GPT_4O,
    )


def describe_student(base: str, stage: str, data: Mapping[str, Any]) -> AuthorDescription:
    """Describe a student from its record.

    Args:
        base: name of the base model.
        stage: "sft" or "dpo".
        data: `method`, `strategy` and `taught_by` (names) of its training set; missing keys are unknown.
    """
    teachers = [str(name) for name in data.get("taught_by") or ()]
    is_gpt_4o = bool(teachers) and all(paper_judge(name.rpartition("/")[2]) == GPT_4O for name in teachers)
    method = str(data.get("method", ""))
    imitated = _single_match(_LLMS, teachers[0]) if len(teachers) == 1 else "Combined" if teachers else ""
    return AuthorDescription(
        base=_single_match(_BASES, base.lower()),
        is_base=False,
        stage=SFT_DPO if stage == "dpo" else SFT,
        method=method if method in set(Method) else "",
        strategy=str(data.get("strategy", "")),
        llm=imitated if method == Method.DIRECT else "",
        is_teacher=False,
        teacher=TEACHER if is_gpt_4o else ", ".join(teachers),
    )


def _single_match(patterns: Mapping[str, str], text: str) -> str:
    """Return the single name whose pattern matches; "" if none or several match."""
    matches = [name for name, pattern in patterns.items() if re.search(pattern, text)]
    return str(matches[0]) if len(matches) == 1 else ""


def paper_judge(model: str) -> str:
    """Return the paper's name of a judge model, also if emulated or a successor of it; else "".

    `succeeded_model` states whether a cell has a successor, which is no replication.
    """
    bare = model.removeprefix("emulated-")
    own = next((name for name, pattern in _JUDGES.items() if re.fullmatch(pattern, bare)), "")
    return own or succeeded_model(model)


def succeeded_model(model: str) -> str:
    """Return the paper's name of the model that this one succeeds (`agents/models/models.toml`); else ""."""
    bare = model.removeprefix("emulated-")
    return next((name for name, pattern in _SUCCESSORS.items() if re.fullmatch(pattern, bare)), "")


def find_cell(student: AuthorDescription, opponent: AuthorDescription, judge: str) -> Cell | None:
    """Return the cell of a student of GPT-4o against its own base under a judge; None if there is none."""
    parts = (student.base, judge, student.stage, student.method, student.strategy)
    if not all(parts) or not opponent.is_base or opponent.base != student.base:
        return None
    if student.teacher not in ("", TEACHER):
        return None
    cell = Cell(*parts)
    return cell if cell in published() else None
