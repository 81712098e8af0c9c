"""Data of the paper's figures, from the contests in a database and the dataset.

Figures 3 and 4 use the dataset alone; figures 7 to 9 show cells of Table 1; figures 1, 6 and 10 show contests
for which the paper prints no numbers. `agents.figures` draws the charts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.figures import Bar, Chart
from agents.types import Method
from harness.data.dataset import Dataset
from harness.data.dataset_summary import describe, pairs_chart, ratings_chart
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
from results.paper.table1 import CellResult

OVER_BASE = "win rate over the base, %"
EMULATED = "EMULATED: completions of the local emulator, not of a real model"


def paper_charts(contests: list[PaperContest], dataset: Dataset | None) -> list[Chart]:
    """Return figures 1, 3, 4 and 6 to 10; figures 3 and 4 only with the dataset."""
    results = table1_cells(contests)
    charts = [_figure_1(contests)]
    if dataset is not None:
        summary = describe(dataset)
        charts += [ratings_chart(summary), pairs_chart(summary)]
    charts.append(_figure_6(contests))
    names = {Method.OVER_HUMAN: ("7", "human"), Method.OVER_LLM: ("8", "LLM initial")}
    for method in METHODS:
        number, kind = names[method]
        series = {stage: [(LLAMA, GPT_4O, stage, method, name) for name in NUMBERS] for stage in STAGES}
        charts.append(
            _cell_chart(number, f"improvement over {kind} responses, {LLAMA} by {GPT_4O}", series, results)
        )
    combined_series = {
        f"over {names[method][1]}, {stage}": [(LLAMA, GPT_4O, stage, method, name) for name in NUMBERS]
        for method in METHODS
        for stage in STAGES
    }
    charts.append(
        _cell_chart(
            "9", f"over human against over LLM responses, {LLAMA} by {GPT_4O}", combined_series, results
        )
    )
    charts.append(_figure_10(contests))
    return charts


def _cell_chart(
    number: str,
    title: str,
    series: Mapping[str, Sequence[tuple[str, str, str, str, str]]],
    results: Mapping[Cell, CellResult],
) -> Chart:
    return _chart(
        number,
        title,
        OVER_BASE,
        list(NUMBERS.values()),
        {name: [results.get(Cell(*key)) for key in keys] for name, keys in series.items()},
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
    """Return a chart of our win rates, with notes for the reader."""
    results = [result for row in series.values() for result in row if result is not None]
    emulated = any(notes.startswith("EMULATED") for result in results for notes in result.differences)
    notes = [note]
    if results:
        prompt = (
            "our prompt" if any(OUR_PROMPT in result.differences for result in results) else "released prompt"
        )
        notes.append(f"Ours: both orders, {prompt}; 95 % over dialogues; no replication")
    if any(result.same_family for result in results):
        notes.append("The judge belongs to the model family of the student or its teacher")
    return Chart(
        number,
        title,
        axis,
        groups,
        {name: [_bar(result) for result in row] for name, row in series.items()},
        published or {},
        note=". ".join(notes),
        warning=EMULATED if emulated else "",
    )


def _bar(result: CellResult | None) -> Bar:
    return Bar(None) if result is None else Bar(100 * result.rate, 100 * result.low, 100 * result.high)


def _select_contest(
    contests: list[PaperContest],
    author_attributes: Mapping[str, object],
    opponent_attributes: Mapping[str, object],
    judge: str,
) -> PaperContest | None:
    """Return the largest contest whose author and opponent have these attributes, or None."""
    matches = [
        contest
        for contest in contests
        if contest.judge == judge
        and all(getattr(contest.author, key) == value for key, value in author_attributes.items())
        and all(getattr(contest.opponent, key) == value for key, value in opponent_attributes.items())
    ]
    return max(matches, key=lambda contest: (contest.entry.is_plain, contest.entry.size), default=None)


def _result_of(contest: PaperContest | None) -> CellResult | None:
    return None if contest is None else contest.ours


def _figure_1(contests: list[PaperContest]) -> Chart:
    contests_found = [
        _select_contest(contests, {"is_teacher": True}, {"is_base": True, "base": base}, GEMINI)
        for base in (LLAMA, MISTRAL)
    ]
    return _chart(
        "1",
        f"GPT-4o against the bases, by {GEMINI}",
        "win rate of GPT-4o, %",
        [LLAMA, MISTRAL],
        {"GPT-4o": [_result_of(contest) for contest in contests_found]},
        note="Published: above 96 %, no closer numbers",
    )


def _figure_10(contests: list[PaperContest]) -> Chart:
    """Return figure 10; the paper selected its best students on the test split, ours are all judged ones."""
    selected = [
        _select_contest(contests, {"base": base, "stage": SFT_DPO}, {"is_teacher": True}, GEMINI)
        for base in (LLAMA, MISTRAL)
    ]
    names = ", ".join(contest.name for contest in selected if contest is not None)
    return _chart(
        "10",
        f"students against GPT-4o, by {GEMINI}",
        "win rate over GPT-4o, %",
        [LLAMA, MISTRAL],
        {"student": [_result_of(contest) for contest in selected]},
        note="Published: above 50 %, no closer numbers" + (f".\nOurs: {names}" if names else ""),
    )


def _figure_6(contests: list[PaperContest]) -> Chart:
    llms = ["GPT-4", "LLaMA", "Gemini", "Mixtral", "Combined"]
    author_attributes = {"base": LLAMA, "method": Method.DIRECT}
    series = {
        stage: [
            _select_contest(
                contests,
                {**author_attributes, "stage": stage, "llm": llm},
                {"is_base": True, "base": LLAMA},
                GPT_4O,
            )
            for llm in llms
        ]
        for stage in STAGES
    }
    return _chart(
        "6",
        f"direct distillation, {LLAMA} by {GPT_4O}",
        OVER_BASE,
        llms,
        {stage: [_result_of(contest) for contest in selected] for stage, selected in series.items()},
        note="The paper prints no numbers with this figure",
    )
