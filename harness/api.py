"""Asynchronous Python API for notebooks and scripts, with the functions of the command line.

    import harness

    rates = await harness.judge("dataset:gpt-4", "dataset:human", ["control/ratings"], data="sample")
    async with await harness.open_store() as store:
        judgments = await store.judgments()
    done = await harness.run_study("tiny")

Answers are stored as they arrive; the same call requests only what is missing. Mistakes of the user raise
`agents.errors.UserError`, with a code, what, where, found and remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.judge import DEFAULT_PROMPT, Judge
from agents.prompt_lookup import load_library
from agents.types import Split
from harness.data.author_resolver import resolve_author
from harness.data.dataset import load
from harness.study import FOLDER
from harness.study.session import StudySession
from harness.workflows.judge import judge_contest, plan_judging
from harness.workflows.request_options import RequestOptions
from results.analysis.contest_results import JudgingResult, summarize_judging
from results.db import DEFAULT_DB
from results.db.store import Store
from results.queries import dataframes
from results.render.contest import contest_document
from results.render.documents import ContestDocument, flatten
from results.report import find_run, render

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.study.scheduler import StudyResult

RATES = (
    "judge",
    "a",
    "b",
    "win_rate",
    "low",
    "high",
    "order_robust_low",
    "order_robust_high",
    "n",
    "incomplete",
    "unscored",
    "consistency",
    "first_position_rate",
    "cost_usd",
    "several_answering_models",
)
LAST = "last"  # the latest run; other values are the id of a run, or its beginning


class Results:
    """Open database whose content is returned as DataFrames; close it, or use `async with`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def __aenter__(self) -> Results:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the database."""
        await self.store.close()

    async def runs(self) -> DataFrame:
        """Return every run (columns: `results.queries.dataframes.runs`)."""
        return await dataframes.runs(self.store)

    async def judgments(self, run: str = LAST) -> DataFrame:
        """Return every judgment of a run (columns: `results.queries.dataframes.judgments`).

        Raises:
            UserError: if the run does not exist.
        """
        return await dataframes.judgments(self.store, await find_run(self.store, run))

    async def responses(self, author: str = "") -> DataFrame:
        """Return all responses, or those of one author (columns: `results.queries.dataframes.responses`)."""
        return await dataframes.responses(self.store, author)

    async def win_rates(self, run: str = LAST) -> DataFrame:
        """Return the contests of a run.

        Columns: the win rate of A in [0, 1], its 95 % interval over dialogues, its order-robust bounds, the
            number of
        dialogues n, and counts of unscored comparisons by reason.

        Raises:
            UserError: if the run does not exist.
        """
        return _rates(await summarize_judging(self.store, await find_run(self.store, run)))

    async def report(self, run: str = LAST) -> str:
        """Return the report of a run as a self-contained HTML page.

        Raises:
            UserError: if the run does not exist.
        """
        return await render(self.store, await find_run(self.store, run))


async def open_store(db: str = DEFAULT_DB) -> Results:
    """Open the database of a path or a `postgresql://…` address.

    Raises:
        UserError: if it does not exist.
    """
    return Results(await Store.open(db, create=False))


async def judge(
    a: str,
    b: str,
    judges: Iterable[str],
    *,
    db: str = DEFAULT_DB,
    data: str | None = None,
    split: str = "test",
    limit: int | None = None,
    samples: int = 1,
    seed: int = 0,
    prompt: str = DEFAULT_PROMPT,
    emulate: bool = False,
    **calls: Any,
) -> DataFrame:
    """Judge author A against author B, each pair in both orders, and return the win rates (`empathy judge`).

    Args:
        a, b: authors: "dataset:human", "openai/gpt-6-luna", "student:NAME", "file:PATH".
        judges: "openai/gpt-6-luna", "control/ratings", …
        data: the dataset's CSV file, or "sample"; None for the default path.
        limit: number of dialogues, a random subset by `seed`; None for all.
        emulate: whether to send all requests to the emulator.
        calls: options of requests as on the command line: rpm, tpm, max_in_flight, budget (US dollars), …

    Raises:
        UserError: if an author, a judge or a value is invalid.
        TypeError: if an option does not exist.
    """
    options = _call_options(emulate, calls)
    settings = replace(options.settings(), quiet=True)
    temperature = None if samples > 1 else 0.0
    dataset = load(data)
    with options.models(tuple(dict.fromkeys(judges))) as (registry, models):
        configured_judges = [Judge(model, load_library(None)[prompt], temperature) for model in models]
        async with await Store.open(db) as store:
            first, second = [await resolve_author(name, dataset, store) for name in (a, b)]
            plan = plan_judging(
                dataset,
                first,
                second,
                configured_judges,
                split=Split(split),
                limit=limit,
                samples=samples,
                seed=seed,
            )
            return _rates(await judge_contest(store, registry, plan, settings))


@dataclass(frozen=True)
class StudyDone:
    """Result of a study.

    Attributes:
        win_rates: a row for each contest; rates are in [0, 1].
        stages: a row for each stage: kind, name, state, why, seconds.
        report: path of the report; None if it was not written.
    """

    win_rates: DataFrame
    stages: DataFrame
    report: Path | None

    @property
    def failed(self) -> DataFrame:
        """The stages that failed or are blocked, with the reason."""
        return self.stages[self.stages["state"] != "done"]


async def run_study(
    study: str | Path,
    *,
    folder: str | Path = FOLDER,
    db: str = DEFAULT_DB,
    data: str | None = None,
    judges: Sequence[str] = (),
    only: str = "",
    since: str = "",
    emulate: bool = False,
    tell: Callable[[str, str], None] | None = None,
    **calls: Any,
) -> StudyDone:
    """Run a study (`empathy run`); finished stages do not run again, and a failed stage does not raise.

    Args:
        study: path of a file, or name of an included study.
        folder: folder for the studies' files.
        judges: judges instead of the study's.
        only, since: selection of stages (`--only`, `--from`).
        tell: called with the name of a stage and its progress.
        calls: as in `judge`.

    Raises:
        UserError: if the study cannot run.
        TypeError: if an option does not exist.
    """
    session = _make_session(study, folder, db, data, judges, _call_options(emulate, calls))
    return _study_done(await session.run(session.study(), only=only, since=since, tell=tell), session.folder)


async def plan_study(
    study: str | Path,
    *,
    folder: str | Path = FOLDER,
    db: str = DEFAULT_DB,
    data: str | None = None,
    judges: Sequence[str] = (),
    emulate: bool = False,
    **calls: Any,
) -> DataFrame:
    """Return the estimate of a study (`empathy plan`): a row for each line, and the total. No request is
    sent.

    Raises:
        UserError: if the study cannot be planned.
        TypeError: if an option does not exist.
    """
    import pandas

    from harness.study.estimate import plan_study as lines_of
    from harness.study.estimate import total
    from harness.study.graph import StudyGraph

    session = _make_session(study, folder, db, data, judges, _call_options(emulate, calls))
    async with session.context(session.study(), live=False) as context:
        lines = await lines_of(await StudyGraph.build(context))
    return pandas.DataFrame([asdict(line) for line in (*lines, total(lines))])


def _call_options(emulate: bool, options: dict[str, Any]) -> RequestOptions:
    return replace(RequestOptions(emulate=emulate), **options)


def _make_session(
    study: str | Path,
    folder: str | Path,
    db: str,
    data: str | None,
    judges: Sequence[str],
    calls: RequestOptions,
) -> StudySession:
    return StudySession(str(study), tuple(judges), data, db, None, Path(folder), calls)


def _rates(summary: JudgingResult) -> DataFrame:
    import pandas

    rows = [flatten(contest_document(result), ContestDocument) for result in summary.contests]
    return pandas.DataFrame(rows, columns=list(RATES))


def _row(contest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of `RATES` of a contest, with its order-robust bounds as two columns."""
    low, high = contest.get("order_robust", (None, None))
    flat = {**contest, "order_robust_low": low, "order_robust_high": high}
    return {name: flat[name] for name in RATES if name in flat}


def _study_done(result: StudyResult, folder: Path) -> StudyDone:
    import pandas

    stages = [
        {
            "kind": status.stage.kind,
            "name": status.stage.title,
            "state": str(status.state),
            "why": status.why,
            "seconds": status.record.seconds if status.record else float("nan"),
        }
        for status in result.stage_statuses
    ]
    done = [status.record for status in result.stage_statuses if status.record is not None]
    rates = [_row(status.result) for status in done if status.kind == "judge"]
    page = next((folder / str(status.result["file"]) for status in done if status.kind == "report"), None)
    columns = [name for name in RATES if not rates or name in rates[0]]
    return StudyDone(pandas.DataFrame(rates, columns=columns), pandas.DataFrame(stages), page)
