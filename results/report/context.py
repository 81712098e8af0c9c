"""What a page is made of: numbers, authors, examples and how it was all made, as values.

`gathering.py` reads it from the database; a page is a pure function of `ReportContext`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.models.registry import EMULATED
from agents.types import ResponseSet
from results.queries.contests import Contest
from results.report.audit_summary import SplitAudit
from results.report.author_descriptions import ReportAuthor, TrainedStudent
from results.report.cost import CostSummary
from results.report.examples import CONTROL, ExampleSelection
from results.report.judge_agreement import JudgeAgreements
from results.report.length_summary import LengthSummary
from results.report.seed_summary import SeedSummary
from results.report.table1_grid import Table1Grid
from results.statistics import WinRate

_NOT_AUTHORED_BY_A_MODEL = ("dataset:", "file:")


@dataclass(frozen=True, eq=False)
class JudgedContest:
    """One contest with its numbers.

    Attributes:
        contest: the judgments.
        hard: the win rate of hard verdicts.
        soft: of soft ones; None where the judge did not give probabilities with every verdict.
        sampling: the judge's parameters, by name.
        lengths: how length goes with its verdicts.
    """

    contest: Contest
    hard: WinRate
    soft: WinRate | None
    sampling: Mapping[str, Any]
    lengths: LengthSummary

    @property
    def is_control(self) -> bool:
        """Whether the judge is one of those that need no key."""
        return self.contest.judge_provider == CONTROL

    @property
    def is_emulated(self) -> bool:
        """Whether its answers come from the emulator."""
        return self.contest.judge_model.startswith(EMULATED)

    @property
    def unscored(self) -> dict[str, int]:
        """Judgments without a verdict, by reason; those never answered, or not asked yet, as "no answer"."""
        reasons = dict(self.hard.unscored)
        if self.hard.not_judged:
            reasons["no answer"] = reasons.get("no answer", 0) + self.hard.not_judged
        return reasons


@dataclass(frozen=True, eq=False)
class AuthorPair:
    """Two authors and every judge of them: the models by name, then the control judges."""

    a: ResponseSet
    b: ResponseSet
    judged: tuple[JudgedContest, ...]
    examples: ExampleSelection

    @property
    def speaking(self) -> tuple[JudgedContest, ...]:
        """The judges whose answer counts: the models; the controls where there are only they."""
        return tuple(one for one in self.judged if not one.is_control) or self.judged


@dataclass(frozen=True, slots=True)
class InvocationSummary:
    """One start of a process that worked on the run; times in seconds since 1970."""

    command: str
    context: Mapping[str, Any]
    started_at: float
    ended_at: float | None
    spent_usd: float


@dataclass(frozen=True, slots=True)
class PromptText:
    """A prompt in full, under its version."""

    version: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Tries of one model that got no answer, of one kind."""

    model: str
    failure: str
    count: int


@dataclass(frozen=True, eq=False)
class ReportContext:
    """All of a page.

    Attributes:
        run_id, spec, created_at: as recorded.
        seed: of the resampling and of the choice of examples.
        pairs: the contests, by their two authors; empty where the run was begun and never described.
        authors: every set of responses, by its id.
        trained: how its students were trained, as far as the database knows them.
        seeds: what several training seeds of one recipe say together.
        grid: Table 1's layout; None where nothing belongs in it.
        agreements: between the judges that are models.
        audits: of its judges, one a split.
        looks: set id → test-set uses (`results.queries.test_set_uses`), in the whole database.
        spending: calls, tokens, money, time.
        prompts, invocations, failures: how the answers were come by.
    """

    run_id: str
    spec: Mapping[str, Any]
    created_at: float
    seed: int
    pairs: tuple[AuthorPair, ...]
    authors: Mapping[str, ReportAuthor]
    trained: tuple[TrainedStudent, ...]
    seeds: tuple[SeedSummary, ...]
    grid: Table1Grid | None
    agreements: JudgeAgreements
    audits: tuple[SplitAudit, ...]
    looks: Mapping[str, int]
    spending: CostSummary
    prompts: tuple[PromptText, ...]
    invocations: tuple[InvocationSummary, ...]
    failures: tuple[FailureCount, ...]

    @property
    def study(self) -> str:
        """The study's title; "" where the run is none."""
        return str(self.spec.get("study", ""))

    @property
    def is_emulated(self) -> bool:
        """Whether any verdict, any response that was judged, or any teacher's, comes from the emulator."""
        return any(one.is_emulated for one in self.spending.by_model) or any(
            judged.is_emulated or _author_is_emulated(pair.a) or _author_is_emulated(pair.b)
            for pair in self.pairs
            for judged in pair.judged
        )

    @property
    def is_tiny(self) -> bool:
        """Whether any author is a model that was built on the spot to rehearse with."""
        return any(one.is_tiny for one in self.authors.values())


def _author_is_emulated(of: ResponseSet) -> bool:
    """Whether a model made the responses and that model is the emulator's."""
    if of.author.startswith(_NOT_AUTHORED_BY_A_MODEL):
        return False
    return of.author.partition("/")[2].startswith(EMULATED) or f"/{EMULATED}" in of.made
