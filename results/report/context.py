"""Values that a report is rendered from: numbers, authors, examples and provenance.

`loader.py` reads them from the database; a report is a pure function of `ReportContext`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.author_names import AuthorName
from agents.models.registry import EMULATED
from agents.types import ResponseSet
from results.analysis.contest_results import ContestResult
from results.analysis.judge_audit import AuditSummary
from results.report.author_descriptions import ReportAuthor, TrainedStudent
from results.report.cost import CostSummary
from results.report.examples import ExampleSelection
from results.report.judge_agreement import JudgeAgreements
from results.report.seed_summary import SeedSummary
from results.report.table1_grid import Table1Grid


@dataclass(frozen=True, eq=False)
class AuthorPair:
    """Two authors and their judges: models by name, then control judges."""

    a: ResponseSet
    b: ResponseSet
    judged: tuple[ContestResult, ...]
    examples: ExampleSelection

    @property
    def speaking(self) -> tuple[ContestResult, ...]:
        """Return the judges that count: the models, or the control judges if there are no models."""
        return (
            tuple(judged_contest for judged_contest in self.judged if not judged_contest.is_control)
            or self.judged
        )


@dataclass(frozen=True, slots=True)
class InvocationSummary:
    """One process that worked on the run.

    Attributes:
        command: its command line.
        context: versions and git state.
        started_at, ended_at: seconds since 1970; None if it has not ended.
        spent_usd: cost of its requests.
    """

    command: str
    context: Mapping[str, Any]
    started_at: float
    ended_at: float | None
    spent_usd: float


@dataclass(frozen=True, slots=True)
class PromptText:
    """Full text of a prompt.

    Attributes:
        version: content id of the text.
        name: name of the prompt.
        text: the text.
    """

    version: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Number of failed attempts of one model, of one kind.

    Attributes:
        model: `provider/model`.
        failure: kind of failure.
        count: number of attempts.
    """

    model: str
    failure: str
    count: int


@dataclass(frozen=True, eq=False)
class ReportContext:
    """Everything that a report shows.

    Attributes:
        run_id, spec, created_at: as recorded.
        seed: seed of the bootstrap and of the choice of examples.
        pairs: contests by pair of authors; empty if the run stopped before it recorded any.
        authors: response sets by id.
        trained: training of the students, as far as the database has it.
        seeds: results over several training seeds of one recipe.
        grid: Table 1's layout; None if no cell belongs in it.
        agreements: between judges that are models.
        audits: of the report's judges, one per split.
        looks: set id → test-set uses (`results.queries.test_set_uses`) in the whole database.
        spending: requests, tokens, cost, time.
        prompts, invocations, failures: how the completions were obtained.
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
    audits: tuple[AuditSummary, ...]
    looks: Mapping[str, int]
    spending: CostSummary
    prompts: tuple[PromptText, ...]
    invocations: tuple[InvocationSummary, ...]
    failures: tuple[FailureCount, ...]

    @property
    def study(self) -> str:
        """Return the study's title; "" if the run is none."""
        return str(self.spec.get("study", ""))

    @property
    def is_emulated(self) -> bool:
        """Return whether a verdict, a judged response or a teacher's response is emulated."""
        return any(model_cost.is_emulated for model_cost in self.spending.by_model) or any(
            judged.is_emulated or _author_is_emulated(pair.a) or _author_is_emulated(pair.b)
            for pair in self.pairs
            for judged in pair.judged
        )

    @property
    def is_tiny(self) -> bool:
        """Return whether any author is a tiny model built for a rehearsal."""
        return any(author.is_tiny for author in self.authors.values())


def _author_is_emulated(of: ResponseSet) -> bool:
    """Return whether a model made the responses and that model is emulated."""
    author = AuthorName.parse(of.author)
    if not author.kind.is_generated:
        return False
    return author.model.startswith(EMULATED) or f"/{EMULATED}" in of.made
