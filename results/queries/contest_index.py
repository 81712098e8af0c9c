"""Index of every contest in a database: its authors, judge and size, without its judgments."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import orjson
from sqlalchemy import func, select

from agents.author_names import AuthorName, is_named, set_id_of_file
from agents.errors import Fault, InputWarning, UserError
from agents.judge import DIMENSIONS
from agents.models.family import FamilyMatch, family_matches
from agents.types import DEFAULT_PRESET, ResponseSet
from results.db.schema import ContestRow, JudgeRow, ResponseSetRow, RunDialogueRow, RunRow, table
from results.db.store import Store
from results.queries.student_lineage import student_lineage
from results.queries.test_set_uses import USES_TEST, count_uses


@dataclass(frozen=True, slots=True)
class ContestEntry:
    """One contest of one run.

    Attributes:
        run_id, created_at: its run; seconds since 1970.
        split: from the run's spec.
        stopped: whether the run uses early stopping.
        judge_id, judge, provider, model, sampling, prompt_version: the judge.
        a, b: the two response sets.
        dialogues: number of dialogues to judge.
        samples: number of repetitions.
        same_family: the authors whose models are of the judge's family.
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
        """Return the sort key by which the largest contest of a pair counts: dialogues, samples, newest."""
        return (self.dialogues, self.samples, self.created_at, self.run_id)

    @property
    def is_plain(self) -> bool:
        """Return whether the judge has the default prompt, so that its name is its model's."""
        return self.judge == f"{self.provider}/{self.model}"

    @property
    def is_of_one_dimension(self) -> bool:
        """Return whether the judge's prompt asks about a single dimension of empathy."""
        return self.judge.endswith(tuple(f"({prompt})" for prompt in DIMENSIONS))

    @property
    def sets(self) -> frozenset[str]:
        """Return the ids of both response sets, regardless of which is A."""
        return frozenset((self.a.id, self.b.id))


def name_of(of: ResponseSet) -> str:
    """Return an author as users write it, with the preset unless it is the default."""
    return of.name


@dataclass(frozen=True)
class ContestIndex:
    """All contests in a database.

    Attributes:
        entries: contests, the newest run last.
        where: the database, for messages.
    """

    entries: Sequence[ContestEntry]
    where: str

    def response_sets_named(
        self, name: str, among: Iterable[ContestEntry] | None = None
    ) -> list[ResponseSet]:
        """Return the response sets that a name matches, in these contests; `base` matches every base.

        An existing file is identified by its current content, whatever name it was judged under.
        """
        entries = self.entries if among is None else list(among)
        file_id = set_id_of_file(name)
        file_set = next(
            (
                response_set
                for entry in entries
                for response_set in (entry.a, entry.b)
                if response_set.id == file_id
            ),
            None,
        )
        if file_set is not None:
            return [replace(file_set, author=name)]
        parsed = AuthorName.parse(name)
        bare, preset = parsed.bare, parsed.preset or ""
        matches = {}
        for entry in entries:
            for response_set in (entry.a, entry.b):
                plain = response_set.author == name and response_set.preset == DEFAULT_PRESET
                named = is_named(response_set.author, bare) and response_set.preset == (
                    preset or DEFAULT_PRESET
                )
                by_id = (
                    response_set.author == bare
                    and preset.startswith("set-1:")
                    and response_set.id.startswith(preset)
                )
                if plain or named or by_id:
                    matches[response_set.id] = response_set
        return [matches[set_id] for set_id in sorted(matches)]

    def author(self, name: str, among: Iterable[ContestEntry] | None = None) -> ResponseSet:
        """Return the single response set that a name matches.

        Raises:
            UserError: no set of this author was judged, or several sets match.
        """
        matches = self.response_sets_named(name, among)
        file_id = set_id_of_file(name)
        if matches and file_id and all(response_set.id != file_id for response_set in matches):
            warnings.warn(f"{name} has changed since it was judged", InputWarning, stacklevel=2)
        if len(matches) == 1:
            return matches[0]
        if not matches:
            known = sorted(
                {name_of(response_set) for entry in self.entries for response_set in (entry.a, entry.b)}
            )
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
            remedy=f"Pass the id of one set, e.g. {matches[0].author}@{matches[0].id}.",
            faults=[Fault(f"{response_set.id}: {response_set.made}") for response_set in matches],
        )

    def names_in(self, text: str) -> list[str]:
        """Split a comma-separated list of authors, whose names may themselves contain commas.

        The longest known names win: `file:a,b.jsonl,student:x` is `file:a,b.jsonl` and `student:x` if that
        file was judged.
        """
        pieces = text.split(",")
        names, start = [], 0
        while start < len(pieces):
            ends = range(len(pieces), start, -1)
            end = next(
                (end for end in ends if self.response_sets_named(",".join(pieces[start:end]).strip())),
                start + 1,
            )
            names.append(",".join(pieces[start:end]).strip())
            start = end
        return [name for name in names if name]

    def test_set_uses(self, response_set: ResponseSet) -> int:
        """Return the number of test-set uses of a response set."""
        used = (entry for entry in self.entries if entry.split in USES_TEST)
        return count_uses((entry.judge_id, entry.a.id, entry.b.id) for entry in used)[response_set.id]


async def load_contest_index(store: Store) -> ContestIndex:
    """Load every contest of every run in a database."""
    contest, judge, run = table(ContestRow).c, table(JudgeRow).c, table(RunRow).c
    query = (
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
    rows = await store.read(lambda connection: connection.execute(query).all())
    columns = table(ResponseSetRow).c
    sets_query = select(columns.id, columns.author, columns.preset, columns.made)
    sets = await store.read(
        lambda connection: {row.id: ResponseSet(*row) for row in connection.execute(sets_query)}
    )
    of_run = table(RunDialogueRow).c
    size_query = select(of_run.run_id, func.count()).group_by(of_run.run_id)
    sizes = await store.read(
        lambda connection: {row[0]: int(row[1]) for row in connection.execute(size_query)}
    )
    lineages = await student_lineage(store)
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
                    f"{row.provider}/{row.model}", (sets[row.set_a], sets[row.set_b]), lineages
                ),
            )
        )
    return ContestIndex(entries, store.database.shown)
