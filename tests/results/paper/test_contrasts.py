"""The paper's claims as contrasts: recomputed from the table, held against simulated truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import norm

from results.paper.cells import GEMINI, GPT_4O, LLAMA, MISTRAL, NUMBERS, SFT, SFT_DPO, Cell, published
from results.paper.contrasts import (
    CONTRADICTED,
    HOLDS,
    NOT_PRINTED,
    NOT_RUN,
    OPEN,
    Contrast,
    OtherScores,
    contrasts,
)
from results.paper.replication_tables import TEXT_AGAINST_TABLE, claims_table, contrast_rows
from results.render.writers.markdown import markdown_table

NOTHING = OtherScores({}, {})
STEP = "SFT then DPO"
Scores = dict[str, float]


def drawn(rate: float, seed: int, n: int = 250) -> Scores:
    """Scores of a student whose preference varies by dialogue, in both orders."""
    generator = np.random.default_rng(seed)
    preference = generator.beta(rate * 2, (1 - rate) * 2, n)
    return {f"d{index}": float((generator.random(2) < preference[index]).mean()) for index in range(n)}


def run_as_published(judge: str = GPT_4O, student: str = LLAMA) -> dict[Cell, Scores]:
    cells = [cell for cell in published() if (cell.judge, cell.student) == (judge, student)]
    return {cell: drawn(min(0.99, published()[cell]), index) for index, cell in enumerate(cells)}


def contrast_named(
    all_contrasts: list[Contrast], begin: str, study: str = f"{LLAMA}, judged by {GPT_4O}"
) -> Contrast:
    [contrast] = [
        each for each in all_contrasts if each.claim.startswith(begin) and each.study.endswith(study)
    ]
    return contrast


def test_without_anything_run_the_published_numbers_stand_alone() -> None:
    all_contrasts = contrasts({}, NOTHING)
    assert all(each.ours is None and each.verdicts[0] == NOT_RUN for each in all_contrasts)
    assert {each.verdicts[1] for each in all_contrasts if each.published is None} == {NOT_PRINTED}
    assert len(all_contrasts) == 4 + 4 + 1 + 2 + 1


def test_the_published_contrasts_are_those_of_the_table_read_by_hand() -> None:
    step = contrast_named(contrasts({}, NOTHING), STEP)
    mine = [
        (cell, rate) for cell, rate in published().items() if (cell.student, cell.judge) == (LLAMA, GPT_4O)
    ]
    dpo = [100 * rate for cell, rate in mine if cell.stage == SFT_DPO]
    sft = [100 * rate for cell, rate in mine if cell.stage == SFT]
    assert step.published is not None
    assert 100 * step.published.value == pytest.approx(np.mean(dpo) - np.mean(sft))
    assert 100 * step.published.value == pytest.approx(7.857, abs=1e-3)
    error = np.sqrt(sum(p * (100 - p) for p in dpo + sft) / 250) / 14
    width = 100 * (step.published.high - step.published.low)
    assert width == pytest.approx(2 * norm.ppf(1 - 0.025 / 15) * error, rel=0.03)


def test_what_text_and_table_disagree_on_is_in_the_table() -> None:
    rate: Mapping[Cell, float] = published()
    third = list(NUMBERS)[5]
    after, before = (Cell(LLAMA, GPT_4O, stage, "over-llm", third) for stage in (SFT_DPO, SFT))
    human = Cell(LLAMA, GPT_4O, SFT_DPO, "over-human", third)
    assert (100 * rate[after], 100 * rate[before], 100 * rate[human]) == pytest.approx((70.8, 69.6, 71.2))
    assert "70.8 against 69.6" in TEXT_AGAINST_TABLE[0]
    assert "70.8 against 71.2" in TEXT_AGAINST_TABLE[1]
    all_contrasts = contrasts({}, NOTHING)
    assert contrast_named(all_contrasts, STEP).note == "true for every pair of cells in the published table"
    assert "1 of 14 pairs: 3 (over-llm, SFT-DPO)" in contrast_named(all_contrasts, "improving LLM").note


def test_ours_are_over_the_pairs_of_cells_that_were_both_run() -> None:
    ours = run_as_published()
    step = contrast_named(contrasts(ours, NOTHING), STEP)
    assert step.ours is not None
    by_hand = [
        np.mean(list(scores.values())) * (1 if cell.stage == SFT_DPO else -1) for cell, scores in ours.items()
    ]
    assert step.ours.value == pytest.approx(np.sum(by_hand) / 14)
    assert (step.ours.cells, step.ours.n) == (28, 250)
    some = {
        cell: scores for index, (cell, scores) in enumerate(ours.items()) if index != 20
    }  # one cell, and its partner
    assert contrast_named(contrasts(some, NOTHING), STEP).ours.cells == 26  # type: ignore[union-attr]
    alone = {next(iter(ours)): next(iter(ours.values()))}
    assert contrast_named(contrasts(alone, NOTHING), STEP).ours is None


def test_dialogues_that_a_cell_lacks_are_left_out_of_its_contrasts() -> None:
    ours = run_as_published()
    first = next(iter(ours))
    ours[first] = {key: score for key, score in ours[first].items() if key not in ("d0", "d1")}
    all_contrasts = contrasts(ours, NOTHING)
    assert contrast_named(all_contrasts, STEP).ours.n == 248  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rate", "teacher", "verdict"), [(0.97, 0.8, HOLDS), (0.6, 0.2, CONTRADICTED), (0.9, 0.5, OPEN)]
)
def test_verdicts(rate: float, teacher: float, verdict: str) -> None:
    cells = {
        Cell(LLAMA, GPT_4O, SFT_DPO, "over-llm", name): drawn(rate, index)
        for index, name in enumerate(NUMBERS)
    }
    all_contrasts = contrasts(cells, OtherScores({}, {LLAMA: drawn(teacher, 99)}))
    assert contrast_named(all_contrasts, "the best win rate").verdicts[0] == verdict
    against = contrast_named(all_contrasts, "the best student", f"{LLAMA}, judged by {GEMINI}")
    assert against.verdicts[0] == verdict
    assert contrast_named(all_contrasts, "the best student", f"{MISTRAL}, judged by {GEMINI}").verdicts == (
        NOT_RUN,
        NOT_PRINTED,
    )


@pytest.mark.parametrize(("direct", "verdict"), [(0.5, HOLDS), (0.80, CONTRADICTED), (0.70, OPEN)])
def test_targeted_against_direct_is_held_against_ten_points(direct: float, verdict: str) -> None:
    cells = {
        Cell(LLAMA, GPT_4O, SFT_DPO, "over-llm", name): drawn(0.8, index)
        for index, name in enumerate(NUMBERS)
    }
    all_contrasts = contrasts(cells, OtherScores({SFT_DPO: [drawn(direct, 50), drawn(direct, 51)]}, {}))
    contrast = contrast_named(all_contrasts, "targeted")
    assert contrast.verdicts == (verdict, NOT_PRINTED)
    assert contrast.ours is not None
    assert contrast.ours.cells == 6 + 2


def all_hold(runs: int) -> float:
    """Share of runs in which every interval of ours holds the true contrast, all at once."""
    held = 0
    cells = [cell for cell in published() if (cell.judge, cell.student) == (GPT_4O, LLAMA)]
    rates = {cell: published()[cell] for cell in cells}
    truth = {
        STEP: np.mean([rates[c] for c in cells if c.stage == SFT_DPO])
        - np.mean([rates[c] for c in cells if c.stage == SFT]),
        "improving LLM": np.mean([rates[c] for c in cells if c.method == "over-llm"])
        - np.mean([rates[c] for c in cells if c.method == "over-human"]),
        "the best win rate": max(rates[c] for c in cells if (c.stage, c.method) == (SFT_DPO, "over-llm")),
    }
    for run in range(runs):
        ours = {cell: drawn(rates[cell], 1000 * run + index, n=120) for index, cell in enumerate(cells)}
        all_contrasts = contrasts(ours, NOTHING)
        intervals = {name: contrast_named(all_contrasts, name).ours for name in truth}
        held += all(
            interval is not None and interval.low <= truth[name] <= interval.high
            for name, interval in intervals.items()
        )
    return held / runs


def test_all_intervals_hold_at_once() -> None:
    assert all_hold(12) >= 0.8


@pytest.mark.slow
def test_all_intervals_hold_at_once_as_often_as_they_say() -> None:
    assert all_hold(150) >= 0.91  # two standard errors below 0.95


def test_rows_and_markdown_say_the_same() -> None:
    all_contrasts = contrasts(run_as_published(), NOTHING)
    rows, markdown = contrast_rows(all_contrasts), markdown_table(claims_table(all_contrasts))
    assert len(rows) == len(all_contrasts)
    assert all(not isinstance(value, dict | list) for row in rows for value in row.values())
    for each in all_contrasts:
        assert each.claim in markdown
    for statement in TEXT_AGAINST_TABLE:
        assert statement in markdown
