"""Rejudging: plan another judge over the stored responses of a run.

The plan comes from the database alone, so a run can be rejudged without its dataset, models and first judges.
It is an ordinary judging run, identical to the same comparison with `empathy judge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT, Judge
from agents.prompt_lookup import get_prompt
from agents.types import Dialogue, ResponseSet
from harness.data.author_resolver import Author
from harness.workflows.contest import without_same_family
from harness.workflows.judge import JudgingPlan, judge_contest
from harness.workflows.judge_cost import estimate_judging_cost
from harness.workflows.request_options import RequestOptions
from harness.workflows.workspace import Workspace
from results.analysis.contest_results import JudgingResult
from results.analysis.human_preferences import CorrectedPanel, correct_panel
from results.analysis.judge_panel import JudgePanel, load_panel
from results.db.schema import RunRow, table
from results.db.store import Store
from results.queries.contest_index import load_contest_index
from results.queries.contests import load_run_dialogues
from results.queries.judge_audits import AUDIT
from results.report import find_run


@dataclass(frozen=True)
class StoredContest:
    """Stored contest that can be judged again.

    Attributes:
        run_id, spec: identity of the run.
        a, b: authors with their stored responses.
        dialogues: dialogues in the order of the run.
    """

    run_id: str
    spec: dict[str, Any]
    a: Author
    b: Author
    dialogues: tuple[Dialogue, ...]

    @property
    def split(self) -> str:
        """Split of the dialogues."""
        return str(self.spec.get("split", ""))

    def plan(self, judges: Sequence[Judge], samples: int | None = None) -> JudgingPlan:
        """Return the plan that judges the same comparisons with these judges."""
        return JudgingPlan(
            self.a,
            self.b,
            self.dialogues,
            tuple(judges),
            samples if samples is not None else int(self.spec.get("samples", 1)),
            int(self.spec.get("seed", 0)),
            self.split,
            str(self.spec.get("data_sha256", "")),
        )


async def load_stored_contest(store: Store, run: str) -> StoredContest:
    """Load the contest of a run.

    Args:
        run: id of the run, a unique prefix, or "last".

    Raises:
        UserError: unknown or ambiguous run, or a run without a contest.
    """
    run_id = await find_run(store, run)
    runs = table(RunRow).c
    kind = await store.read(
        lambda connection: connection.execute(select(runs.kind).where(runs.id == run_id)).scalar_one()
    )
    entries = [entry for entry in (await load_contest_index(store)).entries if entry.run_id == run_id]
    if not entries:
        raise UserError(
            "the run has no contest to rejudge",
            code="run.no-contest",
            found=f"{run_id} ({kind})",
            remedy="Audit another judge with: empathy audit JUDGE"
            if kind == AUDIT
            else "Name a judging run.",
        )
    dialogues = tuple(await load_run_dialogues(store, run_id))
    first_entry = entries[0]
    a, b = [
        await _load_author(store, response_set, dialogues) for response_set in (first_entry.a, first_entry.b)
    ]
    return StoredContest(run_id, orjson.loads(await store.spec_of(run_id)), a, b, dialogues)


async def _load_author(store: Store, response_set: ResponseSet, dialogues: Sequence[Dialogue]) -> Author:
    """Return the author with the stored responses of a set to these dialogues."""
    keys = {dialogue.key for dialogue in dialogues}
    stored = await store.responses(response_set.id)
    return Author(
        response_set, {response.dialogue: response for response in stored if response.dialogue in keys}
    )


@dataclass(frozen=True, kw_only=True)
class RejudgeOptions:
    """Run to judge again, and the new judges.

    Attributes:
        run: id of the run, its beginning, or "last".
        judges: names of the judges; none to compare the existing ones.
        judge_prompts: names of judge prompts; each judge is combined with each.
        samples: verdicts per comparison, ≥ 1; None for that of the run.
        exclude_same_family: whether to exclude judges of an author's model family.
        human_preferences: CSV file of human preferences, to correct the judges' win rates; None for none.
        sensitivity: whether to correct the win rates with the judges' audits.
        retry_unscored: whether to ask again for unscored comparisons.
    """

    run: str = "last"
    judges: tuple[str, ...] = ()
    judge_prompts: tuple[str, ...] = (DEFAULT_PROMPT,)
    samples: int | None = None
    exclude_same_family: bool = False
    human_preferences: Path | None = None
    sensitivity: bool = False
    retry_unscored: bool = False


@dataclass(frozen=True)
class RejudgeOutcome:
    """All judges of a contest, with corrected win rates, and the new judging run, if any."""

    panel: JudgePanel
    corrected: CorrectedPanel
    result: JudgingResult | None


async def rejudge(workspace: Workspace, options: RejudgeOptions, requests: RequestOptions) -> RejudgeOutcome:
    """Judge the stored responses of a run with other judges, and compare all its judges.

    Raises:
        UserError: the run, a judge or an option is invalid.
    """
    names = dict.fromkeys(options.judge_prompts)
    prompts = [get_prompt(workspace.library, name, "--judge-prompt") for name in names]
    settings = requests.settings()
    store = await workspace.store()
    stored = await load_stored_contest(store, options.run)
    sets = (stored.a.set, stored.b.set)
    result = None
    if options.judges:
        with requests.models(tuple(dict.fromkeys(options.judges))) as (registry, models):
            temperature = None if (options.samples or stored.spec.get("samples", 1)) > 1 else 0.0
            judges = [Judge(model, prompt, temperature) for model in models for prompt in prompts]
            judges = list({judge.id: judge for judge in judges}.values())
            if options.exclude_same_family:
                judges = await without_same_family(store, judges, sets, requests)
            plan = stored.plan(judges, options.samples)
            await requests.confirm_cost(partial(estimate_judging_cost, store, plan, settings))
            result = await judge_contest(
                store, registry, plan, settings, retry_unscored=options.retry_unscored
            )
    panel = await load_panel(
        store,
        stored.a.set.id,
        stored.b.set.id,
        stored.split,
        seed=int(stored.spec.get("seed", 0)),
        exclude_same_family=options.exclude_same_family,
    )
    corrected = await correct_panel(store, panel, options.human_preferences, sensitivity=options.sensitivity)
    return RejudgeOutcome(panel, corrected, result)
