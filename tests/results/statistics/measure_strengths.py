"""Print the measured coverage of strengths and ranks as listed in `docs/audits.md`.

    PYTHONPATH=.:tests/results/statistics python tests/results/statistics/measure_strengths.py

Not a test: `pytest -m slow` asserts the same. Takes half an hour.
"""

from __future__ import annotations

import sys

from test_strength_intervals import DESIGNS, RATES, covered

RUNS = 300


def main() -> None:
    """Print a row per design, number of dialogues and rate."""
    for name, design in DESIGNS.items():
        for n in (50, 250):
            for rate in RATES:
                shares = covered(design(rate), n, runs=RUNS * (3 if name == "two" else 1))
                cells = [f"{what} {share:.3f}" for what, share in shares.items()]
                sys.stdout.write(" | ".join([name, str(n), str(rate), *cells]) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
