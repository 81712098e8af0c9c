"""Print the measured coverage, and widths, that `docs/statistics.md` gives.

    PYTHONPATH=.:tests/results/statistics:tests/results/analysis \\
        python tests/results/statistics/measure_coverage.py

Not a test: the tests assert the same with fewer runs, and with these under `pytest -m slow`. Minutes.
"""

from __future__ import annotations

import sys

import numpy as np
from conftest import contest
from test_confidence_sequences import covers_at_every_look, even_contests, these_dialogues_coverage
from test_few_seeds import coverage as seeds_coverage
from test_intervals import (
    DESIGNS,
    MEANS,
    SIZES,
    by_dialogue,
    by_request,
    coverage,
    coverage_with_ties,
    simulated_orders,
)
from test_length_control import length_coverage
from test_paired_comparison import edge_coverage, simultaneous_coverage, strategy_coverage
from test_quality_gate import wrong_decisions
from test_within_rater_test import errs

from results.statistics import Estimand, judging_order
from results.statistics.betting_martingale import bounded_mean_interval
from results.statistics.intervals import bca_interval

RUNS = 4000


def say(*words: object) -> None:
    """Print one line of the table and flush."""
    sys.stdout.write(" | ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Print every row."""
    say("win rate, n = 250, preferences vary by dialogue", f"{RUNS} runs")
    for mean in (0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 0.996, 1.0):
        other = f"{coverage(by_request, mean, runs=RUNS):.3f}" if mean < 0.95 else ""
        say(mean, f"{coverage(by_dialogue, mean, runs=RUNS):.3f}", "by call", other)
    generator = np.random.default_rng(5)
    hits = 0
    for run in range(RUNS):
        scores = (generator.random(250) < 0.996).astype(float)
        if scores.min() < 1.0:
            low, high = bca_interval(scores, seed=run, resamples=600)
            hits += low <= 0.996 <= high
    say("BCa alone at 0.996", f"{hits / RUNS:.3f}")
    for design in DESIGNS:
        for n in SIZES:
            shares = [f"{coverage_with_ties(mean, n, design, RUNS // 2):.3f}" for mean in MEANS]
            say("win rate", design, n, *shares)
    for mean in (0.5, 0.8, 0.9):
        say("bounded mean's width over BCa's", mean, f"{_width_ratio(mean, runs=RUNS // 80):.2f}")
    for mean in (0.5, 0.8, 0.99):
        held = sum(
            covers_at_every_look(
                contest(250, seed=run, mean=mean, spread=0.8),
                judging_order(250, run),
                Estimand.POPULATION,
                mean,
            )
            for run in range(RUNS // 4)
        )
        say("sequence, population, every look", mean, f"{held / (RUNS // 4):.3f}")
        these = these_dialogues_coverage(mean, runs=RUNS // 8, n=250)
        say("sequence, these dialogues, every look", mean, f"{these:.3f}")
    for estimand in Estimand:
        say("even contests that someone leads", estimand, f"{even_contests(estimand, RUNS // 4):.3f}")
    for selective in (False, True):
        for missing in (0.0, 0.05, 0.10, 0.20):
            shares = wrong_decisions(0.6, missing, RUNS // 2, selective=selective)
            text = [f"{decision.name.lower()} {share:.4f}" for decision, share in shares.items()]
            say("gate at the true rate", "only losses" if selective else "at random", missing, *text)
    for judge in ("chance", "responder", "rater"):
        say("within raters, p at most 0.05", judge, f"{errs(judge, RUNS // 8):.3f}")
    say("family of five, max-t", f"{simultaneous_coverage(RUNS // 2, 1000):.3f}")
    for seeds in (3, 5, 8):
        say("strategy, training seeds", seeds, f"{strategy_coverage(seeds, runs=RUNS // 4):.3f}")
    for rate in (0.98, 0.997):
        say("strategy near 1, 3 training seeds", rate, f"{edge_coverage(rate, 3, runs=RUNS // 4):.3f}")
    for rate in (0.5, 0.83, 0.95):
        for spread in (0.6, 1.0):
            shares = (seeds_coverage([rate], [spread], [k], runs=RUNS // 4)[0] for k in (2, 3, 5))
            say("strategy, seeds apart by log-odds", rate, spread, *(f"{share:.3f}" for share in shares))
    for theta in (0.6, 2.9):
        say("length control, log-odds", theta, f"{length_coverage(theta, runs=RUNS // 4):.3f}")


def _width_ratio(mean: float, *, runs: int) -> float:
    generator = np.random.default_rng(6)
    ratios = []
    for run in range(runs):
        scores = simulated_orders(generator, mean, 250).mean(axis=1)
        bounded, bca = bounded_mean_interval(scores, 0.95), bca_interval(scores, seed=run)
        ratios.append((bounded[1] - bounded[0]) / (bca[1] - bca[0]))
    return float(np.mean(ratios))


if __name__ == "__main__":
    main()
