"""Types of the report's JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import TypedDict

from results.analysis.response_profile import ResponseProfile
from results.paper.table1 import CellResult
from results.queries.responses import EndingCounts
from results.render.documents import ContestDocument
from results.render.estimable import Estimable
from results.render.judge_audit import SplitAuditDocument
from results.render.judge_panel import AgreementDocument
from results.report.author_roles import AuthorRole
from results.report.context import FailureCount, InvocationSummary, PromptText
from results.report.cost import CostSummary
from results.report.examples import ExampleKind
from results.report.verdict_texts import ShownVerdict
from results.statistics import StrategyEstimate
from results.statistics.replication import ReplicationResult


class AnswerDocument(TypedDict):
    """Answer to the report's question.

    Attributes:
        sentence: the answer.
        also: more sentences.
    """

    sentence: str
    also: list[str]


class Table1CellDocument(TypedDict):
    """Cell of Table 1's layout.

    Attributes:
        base, judge, step, method, strategy: the cell.
        ours: our result; null if it was not judged.
        published: published win rate, in [0, 1]; null if it is no cell of the paper.
        compared: ours compared with the published value; null without either.
    """

    base: str
    judge: str
    step: str
    method: str
    strategy: str
    ours: CellResult | None
    published: float | None
    compared: ReplicationResult | None


class Table1GridDocument(TypedDict):
    """Results in the layout of Table 1.

    Attributes:
        cells: all cells.
        notes: what limits the comparison.
    """

    cells: list[Table1CellDocument]
    notes: list[str]


class SeedSummaryDocument(Estimable[StrategyEstimate]):
    """Students of one recipe that differ only in their seed.

    Attributes:
        recipe: method, strategy and stage.
        opponent: the opponent.
        judge: display name of the judge.
    """

    recipe: str
    opponent: str
    judge: str


class ReportAgreementDocument(AgreementDocument):
    """Agreement of two judges.

    Attributes:
        judges: display names of both judges.
    """

    judges: list[str]


class ReportAuthorDocument(TypedDict):
    """Author of a report.

    Attributes:
        author: the author.
        response_set: id of its response set.
        role: its role in the experiment.
        tiny: whether its model is a tiny one built for a rehearsal.
        provenance: how the responses were made.
        test_set_uses: number of test-set uses in the whole database.
        endings: how its responses end.
        profile: profile of its responses; null without responses.
    """

    author: str
    response_set: str
    role: AuthorRole
    tiny: bool
    provenance: str
    test_set_uses: int
    endings: EndingCounts
    profile: ResponseProfile | None


class TrainingStepDocument(TypedDict):
    """Checkpoint of a student.

    Attributes:
        id: content id.
        stage: "sft" or "dpo".
        record: content of its checkpoint.json.
        metrics: one object per optimizer step.
    """

    id: str
    stage: str
    record: dict[str, Any]
    metrics: list[Mapping[str, Any]]


class StudentDocument(TypedDict):
    """Training of a student.

    Attributes:
        author: the student.
        steps: its checkpoints, oldest first.
    """

    author: str
    steps: list[TrainingStepDocument]


class ExampleVerdictsDocument(TypedDict):
    """Verdicts of one judge on an example.

    Attributes:
        judge: display name of the judge.
        score_a: score of A, in [0, 1]; null unless both orders have a verdict.
        a_first, b_first: verdicts in each order.
    """

    judge: str
    score_a: float | None
    a_first: list[ShownVerdict]
    b_first: list[ShownVerdict]


class ExampleDocument(TypedDict):
    """Dialogue with both responses and every judge's verdicts.

    Attributes:
        a, b: the authors.
        dialogue: id of the dialogue.
        emotion, situation, utterance: of the dialogue.
        response_a, response_b: texts of the responses.
        kind: reason for showing it.
        judges_disagree: whether the judges disagree.
        verdicts: verdicts by judge.
    """

    a: str
    b: str
    dialogue: str
    emotion: str
    situation: str
    utterance: str
    response_a: str
    response_b: str
    kind: ExampleKind
    judges_disagree: bool
    verdicts: list[ExampleVerdictsDocument]


class JudgeSettingsDocument(TypedDict):
    """Parameters of a judge.

    Attributes:
        judge: display name of the judge.
        sampling: its parameters, by name.
    """

    judge: str
    sampling: dict[str, Any]


class ManifestDocument(TypedDict):
    """Provenance of a report's results.

    Attributes:
        spec: inputs of the run.
        seed: seed of the bootstrap and of the choice of examples.
        created_at: time of the run, in seconds since 1970.
        invocations: processes that worked on the run.
        prompts: texts of the prompts.
        judges: parameters by judge id.
    """

    spec: dict[str, Any]
    seed: int
    created_at: float
    invocations: list[InvocationSummary]
    prompts: list[PromptText]
    judges: dict[str, JudgeSettingsDocument]


class ReportDocument(TypedDict):
    """Report of a run or a study.

    Attributes:
        title: title of the report.
        run: id of the run.
        emulated: whether any verdict or response is emulated.
        tiny: whether any author is a tiny model built for a rehearsal.
        notes: what limits the numbers.
        answer: the answer; null without contests.
        contests: one per pair of authors and judge.
        table_1: results in the layout of Table 1; null if no cell belongs in it.
        training_seeds: results over several training seeds.
        agreement: agreement of each pair of judges that are models.
        alpha: Krippendorff's alpha of these judges; null with fewer than two.
        audits: audits of the judges, one per split.
        authors: the authors.
        students: training of the students.
        spending: requests, tokens, cost and time.
        failures: number of failed attempts by model and kind.
        examples: dialogues, chosen by a hash of the seed.
        manifest: provenance.
    """

    document: Literal["report"]
    title: str
    run: str
    emulated: bool
    tiny: bool
    notes: list[str]
    answer: AnswerDocument | None
    contests: list[ContestDocument]
    table_1: Table1GridDocument | None
    training_seeds: list[SeedSummaryDocument]
    agreement: list[ReportAgreementDocument]
    alpha: Estimable[float] | None
    audits: list[SplitAuditDocument]
    authors: list[ReportAuthorDocument]
    students: list[StudentDocument]
    spending: CostSummary
    failures: list[FailureCount]
    examples: list[ExampleDocument]
    manifest: ManifestDocument
