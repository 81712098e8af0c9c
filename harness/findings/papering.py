"""The paper's Table 1 and figures from a database and the dataset: which contest is which cell.

Every contest judged to the end on the test split whose two sets tell (by name, or by how they were made) that
they are a student and its base; what does not tell is named in a file of cells. Asks nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.errors import Fault, UserError
from agents.vocabulary import Method, ResponseSet
from harness.data.dataset import Dataset
from harness.runs.catalogue import Entry, catalogue_of, name_of
from harness.runs.running import is_emulated
from results.contests import Contest, contests_of
from results.paper.cells import (
    GEMINI,
    GPT_4O,
    LLAMA,
    METHODS,
    MISTRAL,
    NUMBERS,
    SFT_DPO,
    STAGES,
    Cell,
    Described,
    cell_of,
    described,
    judge_of,
    published,
)
from results.paper.figures import Bar, Chart
from results.paper.table1 import Ours, renamed
from results.statistics import win_rate
from results.statistics.scores import dialogue_scores
from results.store import Store

CELL_COLUMNS = ("author", "student", "stage", "method", "strategy")
SHOWN_RESPONDERS = {
    "human": "Human",
    "gpt-4": "GPT-4",
    "llama-2-70b": "LLaMA-2",
    "gemini-1.0-pro": "Gemini",
    "mixtral-8x7b": "Mixtral",
}


@dataclass(frozen=True, eq=False)
class Found:
    """One contest of the database, its author told apart from its opponent.

    Attributes:
        entry, ours: where from, and the result for `author` (as A).
        author, opponent: what the sets say of themselves.
        judge: the paper's name of the judge, or "".
    """

    entry: Entry
    ours: Ours
    author: Described
    opponent: Described
    judge: str


def read_cells(path: Path) -> dict[str, Described]:
    """A CSV that says what authors are: author, student, stage, method, strategy.

    Raises:
        UserError: other columns, or a row that is no cell of Table 1; every fault with its line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("the file of cells cannot be read", where=str(path), found=str(error)) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    lacking = [name for name in CELL_COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise UserError(
            "this is no file of cells",
            where=str(path),
            found=f"columns {', '.join(reader.fieldnames or ()) or 'none'}",
            remedy=f"It needs the columns {', '.join(CELL_COLUMNS)}; lacking: {', '.join(lacking)}.",
        )
    known = {(cell.student, cell.stage, cell.method, cell.strategy) for cell in published()}
    found, faults = {}, []
    for row in reader:
        key = (row["student"], row["stage"], row["method"], row["strategy"])
        where = f"{path}:{reader.line_num}"
        if key not in known:
            faults.append(Fault("is no cell of Table 1", where, ", ".join(map(str, key))))
        elif row["author"] in found:
            faults.append(Fault("names an author a second time", where, repr(row["author"])))
        else:
            found[row["author"]] = Described(key[0], False, key[1], key[2], key[3], "", False)
    if faults:
        raise UserError("this file of cells cannot be used", where=str(path), faults=faults)
    return found


async def found_contests(
    store: Store, named: Mapping[str, Described] | None = None, *, seed: int = 0
) -> list[Found]:
    """All contests on the test split in which either author tells what it is; both ways round."""
    catalogue = await catalogue_of(store)
    entries: dict[tuple[str, frozenset[str]], Entry] = {}
    for entry in catalogue.entries:
        key = (entry.judge_id, entry.sets)
        wanted = entry.split == "test" and not entry.stopped and entry.provider != "control"
        if wanted and (key not in entries or entry.size >= entries[key].size):
            entries[key] = entry
    found = []
    for run_id in sorted({entry.run_id for entry in entries.values()}):
        for contest in await contests_of(store, run_id):
            fullest = entries.get((contest.judge_id, frozenset((contest.a.id, contest.b.id))))
            if fullest is not None and fullest.run_id == run_id:
                found += _both_ways(fullest, contest, named or {}, seed)
    return found


def _both_ways(entry: Entry, contest: Contest, named: Mapping[str, Described], seed: int) -> list[Found]:
    a, b = _told(contest.a, named), _told(contest.b, named)
    found = []
    for mirrored, author, opponent in ((False, a, b), (True, b, a)):
        if not (author.stage or author.is_teacher):
            continue
        columns = contest.columns.relabelled() if mirrored else contest.columns
        rate = win_rate(columns, seed=seed)
        score = dialogue_scores(columns).score
        if rate.rate is None or rate.low is None or rate.high is None:
            continue
        variance = float(np.nanvar(score))
        ours = Ours(rate.rate, rate.low, rate.high, variance, rate.n, entry.run_id, entry.judge)
        ours = renamed(ours, *_differences(contest, rate.n))
        found.append(Found(entry, ours, author, opponent, judge_of(entry.model)))
    return found


def _told(of: ResponseSet, named: Mapping[str, Described]) -> Described:
    return named.get(name_of(of)) or described(of.author, f"{of.preset} {of.made}")


def _differences(contest: Contest, n: int) -> list[str]:
    told = []
    if is_emulated(contest.judge_model):
        told.append("EMULATED: the judge is an emulator, no real model")
    if n != 250:
        told.append(f"{n} dialogues, not 250")
    if "paper" not in contest.b.made and "paper" not in contest.a.made:
        told.append("how responses were cut and drawn (see each set's own record)")
    return told


def cells_of(contests: list[Found]) -> dict[Cell, Ours]:
    """Of each cell the fullest contest, the newest of equals."""
    found: dict[Cell, Found] = {}
    for one in contests:
        cell = cell_of(one.author, one.opponent, one.judge)
        if cell is not None and (cell not in found or one.entry.size >= found[cell].entry.size):
            found[cell] = one
    return {cell: one.ours for cell, one in found.items()}


def charts(contests: list[Found], dataset: Dataset | None) -> list[Chart]:
    """Figures 1, 3, 4 and 6 to 10; 3 and 4 only with the dataset."""
    ours = cells_of(contests)
    made = [_against_bases(contests)]
    if dataset is not None:
        made += [_ratings(dataset), *_pairs(dataset)]
    made.append(_direct(contests))
    names = {Method.OVER_HUMAN: ("7", "human"), Method.OVER_LLM: ("8", "LLM initial")}
    for method in METHODS:
        number, over = names[method]
        series = {stage: [(LLAMA, GPT_4O, stage, method, name) for name in NUMBERS] for stage in STAGES}
        made.append(
            _of_cells(number, f"improvement over {over} responses, {LLAMA} by {GPT_4O}", series, ours)
        )
    both = {
        f"over {names[method][1]}, {stage}": [(LLAMA, GPT_4O, stage, method, name) for name in NUMBERS]
        for method in METHODS
        for stage in STAGES
    }
    made.append(_of_cells("9", f"over human against over LLM responses, {LLAMA} by {GPT_4O}", both, ours))
    made.append(_against_students(contests))
    return made


def _of_cells(
    number: str,
    title: str,
    series: Mapping[str, Sequence[tuple[str, str, str, str, str]]],
    ours: Mapping[Cell, Ours],
) -> Chart:
    return Chart(
        number,
        title,
        "win rate over the base, %",
        list(NUMBERS.values()),
        {name: [_bar(ours.get(Cell(*key))) for key in keys] for name, keys in series.items()},
        {name: [100 * published()[Cell(*key)] for key in keys] for name, keys in series.items()},
        note="Hollow: published. Ours: both orders, our prompt; 95 % over dialogues",
    )


def _bar(ours: Ours | None) -> Bar:
    return Bar(None) if ours is None else Bar(100 * ours.rate, 100 * ours.low, 100 * ours.high)


def _pick(
    contests: list[Found], wanted: Mapping[str, object], opponent: Mapping[str, object], judge: str
) -> Ours | None:
    """The fullest contest whose author and opponent have these attributes."""
    fit = [
        one
        for one in contests
        if one.judge == judge
        and all(getattr(one.author, key) == value for key, value in wanted.items())
        and all(getattr(one.opponent, key) == value for key, value in opponent.items())
    ]
    return max(fit, key=lambda one: one.entry.size).ours if fit else None


NO_NUMBERS = "the paper prints no numbers with this figure"


def _against_bases(contests: list[Found]) -> Chart:
    bars = [
        _bar(_pick(contests, {"is_teacher": True}, {"is_base": True, "base": base}, GEMINI))
        for base in (LLAMA, MISTRAL)
    ]
    return Chart(
        "1",
        f"GPT-4o against the bases, by {GEMINI}",
        "win rate of GPT-4o, %",
        [LLAMA, MISTRAL],
        {"GPT-4o": bars},
        note=NO_NUMBERS,
    )


def _against_students(contests: list[Found]) -> Chart:
    """The students' best were chosen on test in the paper; ours are whatever was judged against GPT-4o."""
    bars = []
    for base in (LLAMA, MISTRAL):
        found = _pick(contests, {"base": base, "stage": SFT_DPO}, {"is_teacher": True}, GEMINI)
        bars.append(_bar(found))
    return Chart(
        "10",
        f"students against GPT-4o, by {GEMINI}",
        "win rate over GPT-4o, %",
        [LLAMA, MISTRAL],
        {"student": bars},
        note=NO_NUMBERS,
    )


def _direct(contests: list[Found]) -> Chart:
    llms = ["GPT-4", "LLaMA", "Gemini", "Mixtral", "Combined"]
    series = {
        stage: [
            _bar(
                _pick(
                    contests,
                    {"base": LLAMA, "stage": stage, "method": Method.DIRECT, "llm": llm},
                    {"is_base": True, "base": LLAMA},
                    GPT_4O,
                )
            )
            for llm in llms
        ]
        for stage in STAGES
    }
    return Chart(
        "6",
        f"direct distillation, {LLAMA} by {GPT_4O}",
        "win rate over the base, %",
        llms,
        series,
        note=NO_NUMBERS,
    )


def _ratings(dataset: Dataset) -> Chart:
    """Figure 3: how many responses of each responder got each rating."""
    series = {
        f"rating {value}": [
            Bar(float(sum(rated[name] == value for rated in dataset.rated.values())))
            for name in dataset.texts
        ]
        for value in (1, 2, 3)
    }
    groups = [SHOWN_RESPONDERS[name] for name in dataset.texts]
    return Chart("3", "ratings by responder", "responses", groups, series, limit=None, even=False)


def _pairs(dataset: Dataset) -> list[Chart]:
    """Figure 4: how many dialogues have each (human, LLM) pair of ratings."""
    pairs = [(human, llm) for human in (1, 2, 3) for llm in (1, 2, 3)]
    llms = [name for name in dataset.texts if name != "human"]
    series = {
        SHOWN_RESPONDERS[llm]: [
            Bar(float(sum((rated["human"], rated[llm]) == pair for rated in dataset.rated.values())))
            for pair in pairs
        ]
        for llm in llms
    }
    groups = [f"({human}, {llm})" for human, llm in pairs]
    return [Chart("4", "pairs of ratings (human, LLM)", "dialogues", groups, series, limit=None, even=False)]
