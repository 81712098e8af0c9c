"""The paper's figures from the contests of a database and the dataset: which numbers stand where.

Figures 3 and 4 are of the dataset alone; 7 to 9 are cells of Table 1; 1, 6 and 10 are contests that the paper
draws and prints no numbers of. How a chart is drawn is `results.paper.figures`' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.types import Method
from harness.data.dataset import Dataset
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
    published,
)
from results.paper.collect import PaperContest, table1_cells
from results.paper.deviations import OUR_PROMPT
from results.paper.figures import Bar, Chart
from results.paper.table1 import CellResult

SHOWN_RESPONDERS = {
    "human": "Human",
    "gpt-4": "GPT-4",
    "llama-2-70b": "LLaMA-2",
    "gemini-1.0-pro": "Gemini",
    "mixtral-8x7b": "Mixtral",
}
COUNTED = "Counted in the dataset; ratings 1 bad, 2 okay, 3 good"
OVER_BASE = "win rate over the base, %"
EMULATED = "EMULATED: answers of this machine's emulator, not of any real model"


def paper_charts(contests: list[PaperContest], dataset: Dataset | None) -> list[Chart]:
    """Figures 1, 3, 4 and 6 to 10; 3 and 4 only with the dataset."""
    ours = table1_cells(contests)
    made = [_against_bases(contests)]
    if dataset is not None:
        made += [_ratings(dataset), _pairs(dataset)]
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
    ours: Mapping[Cell, CellResult],
) -> Chart:
    return _chart(
        number,
        title,
        OVER_BASE,
        list(NUMBERS.values()),
        {name: [ours.get(Cell(*key)) for key in keys] for name, keys in series.items()},
        published={name: [100 * published()[Cell(*key)] for key in keys] for name, keys in series.items()},
        note="White marks: published",
    )


def _chart(
    number: str,
    title: str,
    axis: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[CellResult | None]],
    *,
    note: str,
    published: Mapping[str, Sequence[float | None]] | None = None,
) -> Chart:
    """A chart of our win rates, with what a reader must know of them."""
    there = [ours for row in series.values() for ours in row if ours is not None]
    emulated = any(told.startswith("EMULATED") for ours in there for told in ours.differences)
    told = [note]
    if there:
        prompt = "our prompt" if any(OUR_PROMPT in ours.differences for ours in there) else "released prompt"
        told.append(f"Ours: both orders, {prompt}; 95 % over dialogues; no replication")
    if any(ours.same_family for ours in there):
        told.append("The judge is of the family of the student or its teacher")
    return Chart(
        number,
        title,
        axis,
        groups,
        {name: [_bar(ours) for ours in row] for name, row in series.items()},
        published or {},
        note=". ".join(told),
        warning=EMULATED if emulated else "",
    )


def _bar(ours: CellResult | None) -> Bar:
    return Bar(None) if ours is None else Bar(100 * ours.rate, 100 * ours.low, 100 * ours.high)


def _pick(
    contests: list[PaperContest], wanted: Mapping[str, object], opponent: Mapping[str, object], judge: str
) -> PaperContest | None:
    """The contest that counts of those whose author and opponent have these attributes."""
    fit = [
        one
        for one in contests
        if one.judge == judge
        and all(getattr(one.author, key) == value for key, value in wanted.items())
        and all(getattr(one.opponent, key) == value for key, value in opponent.items())
    ]
    return max(fit, key=lambda one: (one.entry.is_plain, one.entry.size), default=None)


def _ours(found: PaperContest | None) -> CellResult | None:
    return None if found is None else found.ours


def _against_bases(contests: list[PaperContest]) -> Chart:
    found = [
        _pick(contests, {"is_teacher": True}, {"is_base": True, "base": base}, GEMINI)
        for base in (LLAMA, MISTRAL)
    ]
    return _chart(
        "1",
        f"GPT-4o against the bases, by {GEMINI}",
        "win rate of GPT-4o, %",
        [LLAMA, MISTRAL],
        {"GPT-4o": [_ours(one) for one in found]},
        note="Published: above 96 %, no closer numbers",
    )


def _against_students(contests: list[PaperContest]) -> Chart:
    """The students' best were chosen on test in the paper; ours are whatever was judged against GPT-4o."""
    found = [
        _pick(contests, {"base": base, "stage": SFT_DPO}, {"is_teacher": True}, GEMINI)
        for base in (LLAMA, MISTRAL)
    ]
    names = ", ".join(one.name for one in found if one is not None)
    return _chart(
        "10",
        f"students against GPT-4o, by {GEMINI}",
        "win rate over GPT-4o, %",
        [LLAMA, MISTRAL],
        {"student": [_ours(one) for one in found]},
        note="Published: above 50 %, no closer numbers" + (f".\nOurs: {names}" if names else ""),
    )


def _direct(contests: list[PaperContest]) -> Chart:
    llms = ["GPT-4", "LLaMA", "Gemini", "Mixtral", "Combined"]
    wanted = {"base": LLAMA, "method": Method.DIRECT}
    series = {
        stage: [
            _pick(contests, {**wanted, "stage": stage, "llm": llm}, {"is_base": True, "base": LLAMA}, GPT_4O)
            for llm in llms
        ]
        for stage in STAGES
    }
    return _chart(
        "6",
        f"direct distillation, {LLAMA} by {GPT_4O}",
        OVER_BASE,
        llms,
        {stage: [_ours(one) for one in found] for stage, found in series.items()},
        note="The paper prints no numbers with this figure",
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
    return Chart(
        "3", "ratings by responder", "responses", groups, series, limit=None, even=False, note=COUNTED
    )


def _pairs(dataset: Dataset) -> Chart:
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
    title = "pairs of ratings (human, LLM)"
    return Chart("4", title, "dialogues", groups, series, limit=None, even=False, note=COUNTED)
