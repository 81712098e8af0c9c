"""Asynchronous session: an open database, dataset and prompts, with a coroutine for every workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from typing_extensions import Unpack

from agents.function_judge import JudgeFunction
from agents.types import Fidelity, Split, Strategy
from finetune.checkpoint import Checkpoint
from finetune.config import parse_training_config
from harness.api.results import (
    ContestResults,
    Result,
    StudyResults,
    contest_frame,
    document_frame,
    stage_frame,
)
from harness.data.training_set_spec import TrainingSetSpec
from harness.interrupt import Interrupt, SignalInterrupt
from harness.serving.options import ServingOptions
from harness.study import FOLDER
from harness.study.estimate_tables import render_estimate
from harness.study.scheduler import StageStatus
from harness.study.session import StudySession, load_session
from harness.study.status_tables import render_status, report_path
from harness.workflows import contest, cost_tables, generation
from harness.workflows.audit import AuditOptions, audit_judges
from harness.workflows.bench import BenchOptions, bench_checkpoint
from harness.workflows.bench_tables import render_bench
from harness.workflows.comparison import DEFAULT_MIN_EFFECT, ComparisonOptions, compare
from harness.workflows.contest_design import foresee_design
from harness.workflows.doctor import ModelDiagnosis, diagnose_models
from harness.workflows.generation_tables import render_generation
from harness.workflows.interchange import response_rows
from harness.workflows.profile import profile_responses, render_profiles
from harness.workflows.ranking import RankingOptions, export_ranking, rank_at_equal_style, rank_authors
from harness.workflows.rejudge import RejudgeOptions, rejudge
from harness.workflows.reparse import reparse
from harness.workflows.request_options import RequestOptions
from harness.workflows.training import TwoStepOptions, train_student
from harness.workflows.training_sets import build_training_set
from harness.workflows.workspace import Workspace
from results.analysis.contest_results import summarize_judging
from results.db import DEFAULT_DB
from results.queries import dataframes
from results.render.cheap_gold import render_cheap_gold
from results.render.contest import contest_document
from results.render.judge_audit import render_judge_audit
from results.render.judge_panel import render_rejudged
from results.render.judging import render_judging
from results.render.leaderboard import render_leaderboard
from results.render.reparse import render_reparse
from results.report import find_run, render

if TYPE_CHECKING:
    from pandas import DataFrame

LAST = "last"  # the latest run; other values are the id of a run, or its beginning
SplitName = Literal["test", "train", "development", "all"]
FidelityName = Literal["paper", "released", "ours"]
Prices = Mapping[str, tuple[float, float]]
"""Model → price in US dollars per million input and output tokens."""


class RequestKeywords(TypedDict, total=False):
    """Keywords of every method that sends requests; see `RequestOptions`."""

    max_in_flight: int | None
    rpm: float | None
    tpm: float | None
    rpd: int | None
    tpd: int | None
    budget_usd: float | None
    prices: Prices
    emulate: bool
    client: Literal["http", "sdk"]
    timeout_seconds: float | None
    patience: str
    models_file: str | Path | None
    quiet: bool
    allow_retired: bool
    require_one_model: bool


class ContestKeywords(RequestKeywords, total=False):
    """Keywords of methods that judge two authors; see `ContestOptions`."""

    judge_prompt: str
    split: SplitName
    limit: int | None
    samples: int
    temperature: float | None
    seed: int
    fidelity: FidelityName
    retry_unscored: bool


class JudgeKeywords(ContestKeywords, total=False):
    """Keywords of `judge`; see `ContestOptions`."""

    stop_when: str | None
    estimand: Literal["population", "these-dialogues"]
    exclude_same_family: bool
    group_by: Literal["sentiment", "emotion"] | None
    length_control: bool
    snapshots: Sequence[str]


class CompareKeywords(TypedDict, total=False):
    """Keywords of comparisons; see `ComparisonOptions`."""

    judges: Sequence[str]
    split: SplitName
    soft: bool
    exclude_same_family: bool
    snapshots: Sequence[str]
    seed: int


class PairKeywords(CompareKeywords, total=False):
    """Keywords of `compare`; see `ComparisonOptions`."""

    min_effect: float | None
    margin: float | None
    group_by: Literal["sentiment", "emotion", "none"] | None
    single_orders: bool


class RankKeywords(TypedDict, total=False):
    """Keywords of `leaderboard`; see `RankingOptions`."""

    judges: Sequence[str]
    split: SplitName
    seed: int
    exclude_same_family: bool


class AuditKeywords(RequestKeywords, total=False):
    """Keywords of `audit`; see `AuditOptions`."""

    split: Literal["test", "train", "both"]
    judge_prompts: Sequence[str]
    limit: int | None
    samples: int
    seed: int
    exclude_same_family: bool
    retry_unscored: bool


class RejudgeKeywords(RequestKeywords, total=False):
    """Keywords of `rejudge`; see `RejudgeOptions`."""

    judge_prompts: Sequence[str]
    samples: int | None
    exclude_same_family: bool
    human_preferences: str | Path | None
    sensitivity: bool
    retry_unscored: bool


class RespondKeywords(RequestKeywords, total=False):
    """Keywords of `respond`; see `RespondOptions`."""

    split: SplitName
    limit: int | None
    seed: int
    preset: str
    fidelity: FidelityName
    temperature: float | None
    top_p: float | None
    max_tokens: int
    retry_unusable: bool
    serving: ServingOptions


class ImproveKeywords(RequestKeywords, total=False):
    """Keywords of `improve`; see `ImproveOptions`."""

    rewrite: Sequence[Literal["human", "llm"]]
    strategies: Sequence[str]
    initial_responses: str
    split: SplitName
    limit: int | None
    seed: int
    fidelity: FidelityName
    temperature: float | None
    preset: str
    retry_unusable: bool


class BenchKeywords(RequestKeywords, total=False):
    """Keywords of `bench`; see `BenchOptions`."""

    against: Sequence[str]
    requirements: Sequence[str]
    judge_prompt: str
    split: SplitName
    limit: int | None
    seed: int
    preset: str
    serving: ServingOptions


class TrainingSetKeywords(TypedDict, total=False):
    """Keywords of `build_training_set`; see `TrainingSetSpec`."""

    llm: str
    strategy: str | None
    teacher: str
    initial: str
    tag: str
    fidelity: FidelityName
    seed: int | None
    hold_out: bool
    partial: bool


class StudyKeywords(RequestKeywords, total=False):
    """Keywords of studies.

    Attributes:
        judges: judges instead of the study's.
        folder: folder of the studies' files.
    """

    judges: Sequence[str]
    folder: str | Path


class AsyncSession:
    """Open database, dataset and prompts; close it, or use `async with`.

    Answers are stored as they arrive; the same call requests only what is missing.

    Args:
        db: path of the database for SQLite, or `postgresql://USER@HOST/NAME`; created when first written.
        data: CSV file of the dataset, or "sample"; None for the default path.
        prompts: folder of prompts that replace the included ones of the same name.
        warn: called with each warning; None to ignore them.
    """

    def __init__(
        self,
        db: str | Path = DEFAULT_DB,
        *,
        data: str | Path | None = None,
        prompts: str | Path | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._data = None if data is None else str(data)
        self._prompts = None if prompts is None else Path(prompts)
        self._workspace = Workspace(str(db), self._data, self._prompts)
        self._warn = warn or (lambda _: None)
        self.interrupt: Callable[[], Interrupt] = SignalInterrupt

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the database. Idempotent."""
        await self._workspace.close()

    async def judge(
        self, a: str, b: str, *, judges: Iterable[str | JudgeFunction], **options: Unpack[JudgeKeywords]
    ) -> ContestResults:
        """Judge author A against author B, each pair in both orders (`empathy judge`).

        Args:
            a, b: authors: "dataset:human", "openai/gpt-6-luna", "student:NAME", "file:PATH".
            judges: names such as "openai/gpt-6-luna" and "control/ratings", and functions
                `(dialogue, first, second) -> "first" | "second" | "tie" | None`.
            options: see `ContestOptions` and `RequestOptions`.

        Raises:
            UserError: an author, a judge or a value is invalid.
            TypeError: an option does not exist.
        """
        requests, values = self._take_requests(options)
        chosen = contest.ContestOptions(a=a, b=b, judges=tuple(judges), **_enums(values))
        outcome = await contest.judge_authors(self._workspace, chosen, requests)
        return ContestResults.of(outcome.result, render_judging(outcome.result, outcome.breakdowns))

    async def estimate(
        self, a: str, b: str, *, judges: Iterable[str | JudgeFunction], **options: Unpack[JudgeKeywords]
    ) -> Result:
        """Return requests, tokens, time and cost of `judge`; send nothing (`empathy judge --dry-run`).

        Raises:
            UserError: as for `judge`.
        """
        requests, values = self._take_requests(options)
        chosen = contest.ContestOptions(a=a, b=b, judges=tuple(judges), **_enums(values))
        plan, estimates = await contest.estimate_contest(self._workspace, chosen, requests)
        cost = cost_tables.render_judging_cost(estimates)
        design = foresee_design((), DEFAULT_MIN_EFFECT, len(plan.dialogues), samples=plan.samples)
        return Result(cost + design)

    async def judge_cheap_gold(
        self,
        a: str,
        b: str,
        *,
        cheap: str,
        gold: str,
        share: float = contest.DEFAULT_GOLD_SHARE,
        stratified: bool = False,
        **options: Unpack[ContestKeywords],
    ) -> Result:
        """Estimate the gold judge's win rate from a cheap judge and a share of gold verdicts.

        Raises:
            UserError: as for `judge`.
        """
        requests, values = self._take_requests(options)
        chosen = contest.ContestOptions(a=a, b=b, judges=(), **_enums(values))
        both = contest.CheapGoldOptions(cheap=cheap, gold=gold, share=share, stratified=stratified)
        return Result(
            render_cheap_gold(await contest.judge_authors_cheap_gold(self._workspace, chosen, both, requests))
        )

    async def rejudge(
        self, run: str = LAST, *, judges: Iterable[str] = (), **options: Unpack[RejudgeKeywords]
    ) -> Result:
        """Judge a run's stored responses with other judges, and compare all its judges (`empathy rejudge`).

        Raises:
            UserError: the run, a judge or a value is invalid.
        """
        requests, values = self._take_requests(options)
        if values.get("human_preferences") is not None:
            values["human_preferences"] = Path(values["human_preferences"])
        chosen = RejudgeOptions(run=run, judges=tuple(judges), **_tuples(values))
        outcome = await rejudge(self._workspace, chosen, requests)
        return Result(render_rejudged(outcome.panel, outcome.corrected, outcome.result))

    async def reparse(self) -> Result:
        """Parse all stored answers of judges again with the current parser (`empathy rejudge --reparse`)."""
        return Result(render_reparse(await reparse(await self._workspace.store())))

    async def audit(self, *judges: str, **options: Unpack[AuditKeywords]) -> Result:
        """Measure the agreement of judges with human ratings, beside control judges (`empathy audit`).

        Raises:
            UserError: a judge or a value is invalid.
        """
        requests, values = self._take_requests(options)
        chosen = AuditOptions(judges=judges, **_tuples(values))
        return Result(render_judge_audit(await audit_judges(self._workspace, chosen, requests)))

    async def compare(
        self,
        a: str | Sequence[str],
        b: str | Sequence[str] | None = None,
        *,
        opponent: str,
        **options: Unpack[PairKeywords],
    ) -> Result:
        """Compare authors by their win rates against one opponent (`empathy compare`).

        Args:
            a, b: an author, or the training seeds of one strategy. Without `b`, the seeds of `a` are
                compared with the opponent.

        Raises:
            UserError: an author, a judge or a value is invalid, or a contest is missing.
        """
        sides = tuple(side if isinstance(side, str) else ",".join(side) for side in (a, b) if side)
        return await self._compare(sides=sides, opponent=opponent, **options)

    async def compare_all(
        self, *, opponent: str, pairwise: bool = False, **options: Unpack[CompareKeywords]
    ) -> Result:
        """Compare every author that was judged against an opponent (`empathy compare --all`).

        Raises:
            UserError: as for `compare`.
        """
        return await self._compare(everyone=True, opponent=opponent, pairwise=pairwise, **options)

    async def variance(
        self,
        authors: Sequence[str],
        *,
        opponent: str,
        generations: int = 1,
        **options: Unpack[CompareKeywords],
    ) -> Result:
        """Return the variance components of training seeds and generations (`empathy compare --variance`).

        Args:
            authors: `generations` authors of each training seed, seed by seed.

        Raises:
            UserError: as for `compare`.
        """
        sides = (",".join(authors),)
        return await self._compare(sides=sides, opponent=opponent, generations=generations, **options)

    async def _compare(self, **values: Any) -> Result:
        return Result(await compare(self._workspace, ComparisonOptions(**_tuples(_enums(values)))))

    async def leaderboard(self, *, controlled: bool = False, **options: Unpack[RankKeywords]) -> Result:
        """Rank all judged authors, per judge and pooled (`empathy leaderboard`).

        Args:
            controlled: rank at equal length and style, with the effects of both.

        Raises:
            UserError: a judge is unknown, or nothing was judged.
        """
        chosen = RankingOptions(**_tuples({**options}))
        if controlled:
            return Result(await rank_at_equal_style(self._workspace, chosen))
        return Result(render_leaderboard(await rank_authors(self._workspace, chosen)))

    async def export_leaderboard(
        self,
        form: Literal["md", "csv", "json", "alpaca-eval", "battles"],
        *,
        baseline: str | None = None,
        **options: Unpack[RankKeywords],
    ) -> str:
        """Return the leaderboard in a format (`empathy leaderboard --format`).

        Raises:
            UserError: as for `leaderboard`, or the baseline is unknown.
        """
        chosen = RankingOptions(**_tuples({**options}))
        files, _ = await export_ranking(self._workspace, chosen, (form,), baseline)
        return files[form].decode()

    async def respond(self, *authors: str, **options: Unpack[RespondKeywords]) -> Result:
        """Generate and store a direct response of each author to every dialogue (`empathy respond`).

        Args:
            authors: models, students and bases.
            options: see `RespondOptions` and `RequestOptions`; `serving` for students.

        Raises:
            UserError: an author or a value is invalid.
        """
        requests, values = self._take_requests(options)
        serving = values.pop("serving", None)
        chosen = generation.RespondOptions(authors=authors, **_enums(values))
        generated = await generation.respond(self._workspace, chosen, requests, serving)
        assert not isinstance(generated, list)
        return Result(render_generation(generated))

    async def improve(self, *teachers: str, **options: Unpack[ImproveKeywords]) -> Result:
        """Improve every response with each teacher and strategy, and store the results (`empathy improve`).

        Raises:
            UserError: a teacher or a value is invalid.
        """
        requests, values = self._take_requests(options)
        chosen = generation.ImproveOptions(teachers=teachers, **_tuples(_enums(values)))
        generated = await generation.improve(self._workspace, chosen, requests)
        assert not isinstance(generated, list)
        return Result(render_generation(generated))

    async def profile(self, *authors: str, split: SplitName = "test") -> Result:
        """Return word statistics of the authors' responses (`empathy profile`).

        Raises:
            UserError: an author has no responses, or they have no dialogue in common.
        """
        store = await self._workspace.store_or_empty()
        profiles = await profile_responses(authors, self._workspace.dataset, store, Split(split))
        return Result(render_profiles(profiles))

    async def build_training_set(
        self, out: str | Path, *, method: str, **options: Unpack[TrainingSetKeywords]
    ) -> dict[str, Any]:
        """Build a training set in a folder and return its manifest (`empathy data build`).

        Raises:
            UserError: a value is invalid, or responses are missing.
        """
        values: dict[str, Any] = {**options}
        strategy = values.pop("strategy", None)
        fidelity = Fidelity(values.pop("fidelity", "paper"))
        spec = TrainingSetSpec(
            method=method,
            strategy=Strategy(strategy) if strategy else None,
            fidelity=fidelity,
            **{"llm": "combined", **values},
        )
        return (await build_training_set(self._workspace, spec, Path(out))).manifest

    async def train(
        self,
        base: str,
        data: str | Path,
        out: str | Path,
        *,
        name: str = "",
        seeds: Sequence[int] = (),
        fidelity: FidelityName = "paper",
        settings: Mapping[str, Any] | None = None,
    ) -> list[Checkpoint]:
        """Train a student with SFT, then DPO, and return its checkpoint (`empathy train two-step`).

        Args:
            base: folder or Hub name of the base model.
            data: folder of the training set.
            out: folder of the checkpoint.
            seeds: seeds of several trainings, into `OUT-seed-N`.
            settings: settings that differ from the defaults of the fidelity; see `TrainingConfig`.

        Raises:
            UserError: the base, the training set or a setting is invalid.
        """
        options = TwoStepOptions(
            base=base,
            data=Path(data),
            out=Path(out),
            name=name,
            seeds=tuple(seeds),
            settings=parse_training_config(dict(settings or {}), Fidelity(fidelity)),
        )
        return await train_student(self._workspace, options)

    async def bench(
        self, checkpoint: str | Path, *, judges: Iterable[str], **options: Unpack[BenchKeywords]
    ) -> Result:
        """Serve a checkpoint with its base, generate, judge, and decide the gate (`empathy bench`).

        Raises:
            UserError: the checkpoint, an opponent, a judge or a value is invalid.
        """
        requests, values = self._take_requests(options)
        serving = values.pop("serving", None)
        chosen = BenchOptions(judges=tuple(judges), **_tuples(_enums(values)))
        benched = await bench_checkpoint(self._workspace, Path(checkpoint), chosen, requests, serving)
        return Result(render_bench(benched))

    async def diagnose(self, *models: str, **options: Unpack[RequestKeywords]) -> list[ModelDiagnosis]:
        """Send a few requests to each model and return what it accepts (`empathy doctor`).

        Raises:
            UserError: a model is unknown, or a key is missing.
        """
        requests, _ = self._take_requests(options)
        return await diagnose_models(models, requests)

    async def run_study(
        self,
        study: str | Path,
        *,
        only: str = "",
        since: str = "",
        tell: Callable[[str, str], None] | None = None,
        **options: Unpack[StudyKeywords],
    ) -> StudyResults:
        """Run a study; finished stages do not run again, a failed stage does not raise (`empathy run`).

        Args:
            study: path of a file, or name of an included study.
            only, since: selection of stages (`--only`, `--from`).
            tell: called with the name of a stage and its progress.

        Raises:
            UserError: the study cannot run.
        """
        session = self._study_session(study, options)
        result = await session.run(session.study(), only=only, since=since, tell=tell)
        return await _study_results(session, result.stage_statuses, interrupted=result.interrupted)

    async def plan_study(self, study: str | Path, **options: Unpack[StudyKeywords]) -> Result:
        """Return requests, tokens, time and cost of a study; send nothing (`empathy plan`).

        Raises:
            UserError: the study cannot be planned.
        """
        session = self._study_session(study, options)
        config = session.study()
        lines, dialogues = await session.estimate(config)
        size = {"samples": config.judging.samples, "seeds": len(config.training.seeds)}
        estimate = render_estimate(config, lines, session.options.budget_usd or config.budget_usd)
        return Result(estimate + foresee_design((), DEFAULT_MIN_EFFECT, dialogues, **size))

    async def study_status(self, name: str, *, folder: str | Path = FOLDER) -> StudyResults:
        """Return the stages of a study that was run in a folder (`empathy status`).

        Raises:
            UserError: it was not run there.
        """
        session = load_session(Path(folder), name)
        return await _study_results(session, await session.statuses(), interrupted=False)

    async def runs(self) -> DataFrame:
        """Return every run (columns: `results.queries.dataframes.runs`)."""
        return await dataframes.runs(await self._workspace.store())

    async def judgments(self, run: str = LAST) -> DataFrame:
        """Return every judgment of a run (columns: `results.queries.dataframes.judgments`).

        Raises:
            UserError: the run does not exist.
        """
        store = await self._workspace.store()
        return await dataframes.judgments(store, await find_run(store, run))

    async def responses(self, author: str = "") -> DataFrame:
        """Return all responses, or those of one author (columns: `results.queries.dataframes.responses`)."""
        return await dataframes.responses(await self._workspace.store(), author)

    async def export(self, author: str) -> list[dict[str, Any]]:
        """Return an author's responses as rows for `file:PATH` (`empathy export`).

        Raises:
            UserError: no responses of it exist.
        """
        resolved = await self._workspace.author(author)
        store = await self._workspace.store()
        return [dict(row) for row in await response_rows(store, resolved, self._workspace.dataset.dialogues)]

    async def win_rates(self, run: str = LAST) -> DataFrame:
        """Return the contests of a run, a row each: the columns of `empathy report --format csv`.

        Raises:
            UserError: the run does not exist.
        """
        store = await self._workspace.store()
        return contest_frame(await summarize_judging(store, await find_run(store, run)))

    async def report(
        self,
        run: str = LAST,
        *,
        form: Literal["html", "md", "csv", "json"] = "html",
        seed: int | None = None,
        snapshots: Sequence[str] = (),
    ) -> str:
        """Return the report of a run or study as the text of one file (`empathy report`).

        Raises:
            UserError: the run does not exist.
        """
        store = await self._workspace.store()
        return await render(store, await find_run(store, run), form=form, seed=seed, snapshots=snapshots)

    def _take_requests(self, options: Mapping[str, Any]) -> tuple[RequestOptions, dict[str, Any]]:
        """Return the options of requests, and the other options."""
        names = RequestKeywords.__annotations__
        values = {name: value for name, value in options.items() if name in names}
        if "prices" in values:
            prices = values["prices"].items()
            values["prices"] = tuple(f"{model}={price[0]},{price[1]}" for model, price in prices)
        if values.get("models_file") is not None:
            values["models_file"] = Path(values["models_file"])
        requests = RequestOptions(**values, warn=self._warn, interrupt=self.interrupt())
        return requests, {name: value for name, value in options.items() if name not in names}

    def _study_session(self, study: str | Path, options: Mapping[str, Any]) -> StudySession:
        requests, values = self._take_requests(options)
        judges, folder = tuple(values.pop("judges", ())), Path(values.pop("folder", FOLDER))
        if values:
            raise TypeError(f"unknown options: {', '.join(values)}")
        return StudySession(
            str(study), judges, self._data, self._workspace.db, self._prompts, folder, requests
        )


async def _study_results(
    session: StudySession, statuses: Sequence[StageStatus], *, interrupted: bool
) -> StudyResults:
    """Return the result of a study from its stages, with its contests from the database."""
    runs = [
        str(status.record.result["run"])
        for status in statuses
        if status.record is not None and status.record.kind == "judge"
    ]
    contests = []
    async with Workspace(session.db) as workspace:
        for run in runs:
            summary = await summarize_judging(await workspace.store(), run)
            contests += [contest_document(contest) for contest in summary.contests]
    return StudyResults(
        render_status(session.study(), statuses),
        document_frame(contests),
        stage_frame(statuses),
        report_path(statuses, session.folder),
        interrupted,
    )


def _enums(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with names of splits and fidelities as their enumerations."""
    kinds = {"split": Split, "fidelity": Fidelity}
    return {name: kinds[name](value) if name in kinds else value for name, value in values.items()}


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with lists as tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def open_async(
    db: str | Path = DEFAULT_DB,
    *,
    data: str | Path | None = None,
    prompts: str | Path | None = None,
    warn: Callable[[str], None] | None = None,
) -> AsyncSession:
    """Open a session for asynchronous code: `async with harness.open_async() as session`.

    Args:
        db, data, prompts, warn: see `AsyncSession`.
    """
    return AsyncSession(db, data=data, prompts=prompts, warn=warn)
