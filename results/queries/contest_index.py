"""Every contest in a database, by whom it is and who judged it: what can be compared with what.

Reads which contests there are, not what was judged in them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import orjson
from sqlalchemy import func, select

from agents.author_names import is_named, set_id_of_file
from agents.errors import Fault, InputWarning, UserError
from agents.judge import DIMENSIONS
from agents.models.family import FamilyMatch, family_matches
from agents.types import DEFAULT_PRESET, ResponseSet
from results.db.schema import ContestRow, JudgeRow, ResponseSetRow, RunDialogueRow, RunRow, table
from results.db.store import Store
from results.queries.student_lineage import taught
from results.queries.test_set_uses import USES_TEST, counted


@dataclass(frozen=True, slots=True)
class ContestEntry:
    """One contest of one run, as the catalogue knows it.

    Attributes:
        run_id, created_at: its run.  split, stopped: from the run's spec; whether it stops when known.
        judge_id, judge, provider, model, sampling, prompt_version: who judged and how.
        a, b: the two sets of responses.
        dialogues: how many were to be judged.  samples: repetitions asked for.
        kin: those of the two authors that are of the judge's family.
    """

    run_id: str
    created_at: float
    split: str
    stopped: bool
    judge_id: str
    judge: str
    provider: str
    model: str
    sampling: str
    prompt_version: str
    a: ResponseSet
    b: ResponseSet
    samples: int
    dialogues: int
    same_family: tuple[FamilyMatch, ...] = ()

    @property
    def size(self) -> tuple[int, int, float, str]:
        """Of a judge's contests of one pair the largest counts: most dialogues, most samples, the newest."""
        return (self.dialogues, self.samples, self.created_at, self.run_id)

    @property
    def is_plain(self) -> bool:
        """Whether the judge was asked with the default words: then its name is its model's."""
        return self.judge == f"{self.provider}/{self.model}"

    @property
    def is_of_one_dimension(self) -> bool:
        """Whether the judge was asked for one dimension of empathy alone: another question."""
        return self.judge.endswith(tuple(f"({prompt})" for prompt in DIMENSIONS))

    @property
    def sets(self) -> frozenset[str]:
        """The two authors' sets, whichever way round."""
        return frozenset((self.a.id, self.b.id))


def name_of(of: ResponseSet) -> str:
    """An author as users write it; a preset other than the default is named."""
    return of.name


@dataclass(frozen=True)
class ContestIndex:
    """All contests in a database.

    Attributes:
        entries: newest run last.
        where: the database, for messages.
    """

    entries: Sequence[ContestEntry]
    where: str

    def response_sets_named(
        self, name: str, among: Iterable[ContestEntry] | None = None
    ) -> list[ResponseSet]:
        """The sets that a name means (of any age), among these contests; `base` means every base's.

        A file that is there is known by what it holds now, under whatever name it was judged.
        """
        entries = self.entries if among is None else list(among)
        file_id = set_id_of_file(name)
        of_file = next((of for entry in entries for of in (entry.a, entry.b) if of.id == file_id), None)
        if of_file is not None:
            return [replace(of_file, author=name)]
        bare, _, preset = name.partition("@")
        found = {}
        for entry in entries:
            for of in (entry.a, entry.b):
                plain = of.author == name and of.preset == DEFAULT_PRESET
                named = is_named(of.author, bare) and of.preset == (preset or DEFAULT_PRESET)
                by_id = of.author == bare and preset.startswith("set-1:") and of.id.startswith(preset)
                if plain or named or by_id:
                    found[of.id] = of
        return [found[set_id] for set_id in sorted(found)]

    def author(self, name: str, among: Iterable[ContestEntry] | None = None) -> ResponseSet:
        """The one set that a name means.

        Raises:
            UserError: nothing of this author was judged, or several sets have the name.
        """
        found = self.response_sets_named(name, among)
        file_id = set_id_of_file(name)
        if found and file_id and all(of.id != file_id for of in found):
            warnings.warn(f"{name} has changed since it was judged", InputWarning, stacklevel=2)
        if len(found) == 1:
            return found[0]
        if not found:
            known = sorted({name_of(of) for entry in self.entries for of in (entry.a, entry.b)})
            near = get_close_matches(name, known, 3) or known[:8]
            raise UserError(
                "no judged responses of this author in the database",
                code="author.not-judged",
                where=self.where,
                found=repr(name),
                remedy=f"Choose one of: {', '.join(near)}." if near else "Run empathy judge first.",
            )
        raise UserError(
            "several response sets have this author",
            code="author.ambiguous",
            where=self.where,
            found=repr(name),
            remedy=f"Pass the id of one set, e.g. {found[0].author}@{found[0].id}.",
            faults=[Fault(f"{of.id}: {of.made}") for of in found],
        )

    def names_in(self, written: str) -> list[str]:
        """The authors that are written with commas between them; a name may hold commas itself.

        Of what could be read in several ways, the longest names that there are: `file:a,b.jsonl,student:x`
        is `file:a,b.jsonl` and `student:x` where that file was judged.
        """
        pieces = written.split(",")
        names, at = [], 0
        while at < len(pieces):
            ends = range(len(pieces), at, -1)
            end = next(
                (end for end in ends if self.response_sets_named(",".join(pieces[at:end]).strip())), at + 1
            )
            names.append(",".join(pieces[at:end]).strip())
            at = end
        return [name for name in names if name]

    def test_set_uses(self, of: ResponseSet) -> int:
        """The test-set uses of a set of responses."""
        used = (entry for entry in self.entries if entry.split in USES_TEST)
        return counted((entry.judge_id, entry.a.id, entry.b.id) for entry in used)[of.id]


async def load_contest_index(store: Store) -> ContestIndex:
    """Every contest of every run in a database."""
    contest, judge, run = table(ContestRow).c, table(JudgeRow).c, table(RunRow).c
    wanted = (
        select(
            contest.run_id,
            run.created_at,
            run.spec,
            judge.id,
            judge.name,
            judge.provider,
            judge.model,
            judge.sampling,
            judge.prompt_version,
            contest.set_a,
            contest.set_b,
            contest.samples,
        )
        .join(table(RunRow), run.id == contest.run_id)
        .join(table(JudgeRow), judge.id == contest.judge_id)
        .order_by(run.created_at, run.id, judge.name, judge.id)
    )
    rows = await store.read(lambda connection: connection.execute(wanted).all())
    columns = table(ResponseSetRow).c
    sets_wanted = select(columns.id, columns.author, columns.preset, columns.made)
    sets = await store.read(
        lambda connection: {row.id: ResponseSet(*row) for row in connection.execute(sets_wanted)}
    )
    of_run = table(RunDialogueRow).c
    counted = select(of_run.run_id, func.count()).group_by(of_run.run_id)
    sizes = await store.read(lambda connection: {row[0]: int(row[1]) for row in connection.execute(counted)})
    told = await taught(store)
    entries = []
    for row in rows:
        spec = orjson.loads(row.spec)
        entries.append(
            ContestEntry(
                run_id=row.run_id,
                created_at=row.created_at,
                split=str(spec.get("split", "")),
                stopped="until" in spec,
                judge_id=row.id,
                judge=row.name,
                provider=row.provider,
                model=row.model,
                sampling=row.sampling,
                prompt_version=row.prompt_version,
                a=sets[row.set_a],
                b=sets[row.set_b],
                samples=row.samples,
                dialogues=sizes.get(row.run_id, 0),
                same_family=family_matches(
                    f"{row.provider}/{row.model}", (sets[row.set_a], sets[row.set_b]), told
                ),
            )
        )
    return ContestIndex(entries, store.database.shown)
