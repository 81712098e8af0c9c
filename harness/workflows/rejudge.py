"""Rejudging: plan another judge over the stored responses of a run.

The plan comes from the database alone, so a run can be rejudged without its dataset, models and first judges.
It is an ordinary judging run, identical to the same comparison with `empathy judge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agents.errors import UserError
from agents.judge import Judge
from agents.types import Dialogue, ResponseSet
from harness.data.author_resolver import Author
from harness.workflows.judge import JudgingPlan
from results.db.store import Store
from results.queries.contest_index import load_contest_index
from results.queries.contests import load_run_dialogues
from results.queries.study_runs import runs_of
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
    runs = await runs_of(store, run_id)
    entries = [entry for entry in (await load_contest_index(store)).entries if entry.run_id in runs]
    if not entries:
        raise UserError(
            "the run has no contest to rejudge",
            code="run.no-contest",
            found=run_id,
            remedy="Name a judging run. Audit another judge with: empathy audit JUDGE",
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
