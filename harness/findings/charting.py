"""The paper's figures from the contests of a database and the dataset: which numbers stand where.

Figures 3 and 4 are of the dataset alone; 7 to 9 are cells of Table 1; 1, 6 and 10 are contests that the paper
draws and prints no numbers of. How a chart is drawn is `results.paper.figures`' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.vocabulary import Method
from harness.data.dataset import Dataset
from harness.findings.papering import Found, cells_of
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
from results.paper.figures import Bar, Chart
from results.paper.table1 import Ours

SHOWN_RESPONDERS = {
    "human": "Human",
    "gpt-4": "GPT-4",
    "llama-2-70b": "LLaMA-2",
    "gemini-1.0-pro": "Gemini",
    "mixtral-8x7b": "Mixtral",
}


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
    return max(fit, key=lambda one: (one.entry.is_plain, one.entry.size)).ours if fit else None


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
