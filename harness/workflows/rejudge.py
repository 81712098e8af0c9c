"""Another judge over a run's stored responses: nothing is generated anew, only the new judge is asked.

The plan is made from the database alone, so a run can be rejudged where its dataset, its models and its first
judges are gone. It is an ordinary judging run: the same question asked by `empathy judge` is the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select

from agents.errors import UserError
from agents.judge import Judge
from agents.types import Dialogue, ResponseSet
from harness.data.author_resolver import Author
from harness.workflows.judge import JudgingPlan
from results.db.schema import RunRow, table
from results.db.store import Store
from results.queries.contest_index import load_contest_index
from results.queries.contests import load_run_dialogues
from results.queries.judge_audits import AUDIT
from results.report import find_run


@dataclass(frozen=True)
class StoredContest:
    """A run that can be judged again.

    Attributes:
        run_id, spec: of the run.
        a, b: its contestants, with their stored responses.
        dialogues: in its order.
    """

    run_id: str
    spec: dict[str, Any]
    a: Author
    b: Author
    dialogues: tuple[Dialogue, ...]

    @property
    def split(self) -> str:
        """Where its dialogues come from."""
        return str(self.spec.get("split", ""))

    def plan(self, judges: Sequence[Judge], samples: int | None = None) -> JudgingPlan:
        """The plan of asking these judges the same."""
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


async def judged(store: Store, written: str) -> StoredContest:
    """The run that `written` means: an id, the beginning of one, or "last".

    Raises:
        UserError: there is none, several begin so, or it is about no contest.
    """
    run_id = await find_run(store, written)
    kinds = table(RunRow).c
    kind = await store.read(
        lambda connection: connection.execute(select(kinds.kind).where(kinds.id == run_id)).scalar_one()
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
    first = entries[0]
    a, b = [await _author(store, of, dialogues) for of in (first.a, first.b)]
    return StoredContest(run_id, orjson.loads(await store.spec_of(run_id)), a, b, dialogues)


async def _author(store: Store, of: ResponseSet, dialogues: Sequence[Dialogue]) -> Author:
    """A set's stored responses to these dialogues."""
    wanted = {dialogue.key for dialogue in dialogues}
    stored = await store.responses(of.id)
    return Author(of, {one.dialogue: one for one in stored if one.dialogue in wanted})
