"""The harness from Python, with `await`: from a notebook or a script. The same things as on the command line.

    import harness

    rates = await harness.judge("dataset:gpt-4", "dataset:human", ["control/ratings"], data="sample")
    async with await harness.open_store() as store:
        judgments = await store.judgments()
    done = await harness.run_study("tiny")

Answers are stored as they arrive: call the same again and only what is missing is asked. Mistakes are
`agents.errors.UserError`: what, where, found, remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.judge import DEFAULT_PROMPT, Judge
from agents.types import Split
from harness.cli.options.common import DEFAULT_DB, CallOptions, library
from harness.cli.options.study import FOLDER, StudySession, default_call_options
from harness.data.author_resolver import resolve_author
from harness.data.dataset import load
from harness.workflows.judge import judge_contest, plan_judging
from results.analysis.contest_results import JudgingResult, summarize_judging
from results.db.store import Store
from results.queries import dataframes
from results.render.contest import to_dict
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
LAST = "last"  # the run that was worked on last; elsewhere a run's id or the beginning of one


class Results:
    """An open database, read as DataFrames; close it, or open it with `async with`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def __aenter__(self) -> Results:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Nothing more is read."""
        await self.store.close()

    async def runs(self) -> DataFrame:
        """Every run, as `results.queries.dataframes.runs`."""
        return await dataframes.runs(self.store)

    async def judgments(self, run: str = LAST) -> DataFrame:
        """Every judgment of a run, as `results.queries.dataframes.judgments`.

        Raises:
            UserError: there is no such run.
        """
        return await dataframes.judgments(self.store, await find_run(self.store, run))

    async def responses(self, author: str = "") -> DataFrame:
        """Every response, or one author's, as `results.queries.dataframes.responses`."""
        return await dataframes.responses(self.store, author)

    async def win_rates(self, run: str = LAST) -> DataFrame:
        """A run's contests: how often A wins, in [0, 1], with its 95 % interval over dialogues, its
        order-robust bounds, its n, and
        what was not scored.

        Raises:
            UserError: there is no such run.
        """
        return _rates(await summarize_judging(self.store, await find_run(self.store, run)))

    async def report(self, run: str = LAST) -> str:
        """A run's report: the text of one self-contained HTML page.

        Raises:
            UserError: there is no such run.
        """
        return await render(self.store, await find_run(self.store, run))


async def open_store(db: str = DEFAULT_DB) -> Results:
    """The database of a path or a `postgresql://…` address, as it is there.

    Raises:
        UserError: there is none.
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
    """Judge author A against author B, every pair in both orders, as `empathy judge`; the win rates.

    Args:
        a, b: authors: "dataset:human", "openai/gpt-6-luna", "student:NAME", "file:PATH".
        judges: "openai/gpt-6-luna", "control/ratings", …
        data: the dataset's CSV, or "sample"; None for where it usually is.
        limit: only so many dialogues, a random subset by `seed`.
        emulate: send every model's calls to the emulator.
        calls: limits and money, as on the command line: rpm, tpm, max_in_flight, budget (US dollars), …

    Raises:
        UserError: an author, a judge or a number that cannot be used.
        TypeError: no such option.
    """
    options = _calls(emulate, calls)
    settings = replace(options.settings(), quiet=True)
    temperature = None if samples > 1 else 0.0
    dataset = load(data)
    with options.models(tuple(dict.fromkeys(judges))) as (registry, models):
        asked = [Judge(model, library(None)[prompt], temperature) for model in models]
        async with await Store.open(db) as store:
            first, second = [await resolve_author(name, dataset, store) for name in (a, b)]
            plan = plan_judging(
                dataset, first, second, asked, split=Split(split), limit=limit, samples=samples, seed=seed
            )
            return _rates(await judge_contest(store, registry, plan, settings))


@dataclass(frozen=True)
class StudyDone:
    """What came of a study.

    Attributes:
        win_rates: its contests, a row each, rates in [0, 1].
        stages: every stage: kind, name, state, why, seconds.
        report: the page, where it is written.
    """

    win_rates: DataFrame
    stages: DataFrame
    report: Path | None

    @property
    def failed(self) -> DataFrame:
        """The stages that failed or could not begin, and why."""
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
    """Run a study, as `empathy run`; what is finished is not run again. A failed stage does not raise.

    Args:
        study: a file, or a shipped study's name.
        folder: where studies keep what they make.
        judges: in place of the study's.
        only, since: which stages (`--only`, `--from`).
        tell: is told a stage's name and how far it is.
        calls: as of `judge`.

    Raises:
        UserError: the study cannot be run.
        TypeError: no such option.
    """
    given = _given(study, folder, db, data, judges, _calls(emulate, calls))
    return _done(await given.run(given.study(), only=only, since=since, tell=tell), given.folder)


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
    """What a study would take, as `empathy plan`: a row a line, and the total. Nothing is asked or written.

    Raises:
        UserError: the study cannot be planned.
        TypeError: no such option.
    """
    import pandas

    from harness.study.estimate import plan_study as lines_of
    from harness.study.estimate import total
    from harness.study.graph import StudyGraph

    given = _given(study, folder, db, data, judges, _calls(emulate, calls))
    async with given.context(given.study(), live=False) as context:
        lines = await lines_of(await StudyGraph.of(context))
    return pandas.DataFrame([asdict(one) for one in (*lines, total(lines))])


def _calls(emulate: bool, given: dict[str, Any]) -> CallOptions:
    return replace(default_call_options(emulate=emulate), **given)


def _given(
    study: str | Path,
    folder: str | Path,
    db: str,
    data: str | None,
    judges: Sequence[str],
    calls: CallOptions,
) -> StudySession:
    return StudySession(str(study), tuple(judges), data, db, None, Path(folder), calls)


def _rates(summary: JudgingResult) -> DataFrame:
    import pandas

    return pandas.DataFrame([_row(one) for one in to_dict(summary)["judges"]], columns=list(RATES))


def _row(told: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `RATES` that a contest's data have; its bounds as two."""
    low, high = told.get("order_robust", (None, None))
    flat = {**told, "order_robust_low": low, "order_robust_high": high}
    return {name: flat[name] for name in RATES if name in flat}


def _done(ended: StudyResult, folder: Path) -> StudyDone:
    import pandas

    stages = [
        {
            "kind": one.stage.kind,
            "name": one.stage.title,
            "state": str(one.state),
            "why": one.why,
            "seconds": one.record.seconds if one.record else float("nan"),
        }
        for one in ended.stage_statuses
    ]
    done = [one.record for one in ended.stage_statuses if one.record is not None]
    rates = [_row(one.result) for one in done if one.kind == "judge"]
    page = next((folder / str(one.result["file"]) for one in done if one.kind == "report"), None)
    columns = [name for name in RATES if not rates or name in rates[0]]
    return StudyDone(pandas.DataFrame(rates, columns=columns), pandas.DataFrame(stages), page)
