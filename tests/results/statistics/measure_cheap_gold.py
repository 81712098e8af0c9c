"""Print the measured coverage of cheap + gold as listed in `docs/audits.md`.

    PYTHONPATH=.:tests/results/statistics python tests/results/statistics/measure_cheap_gold.py

Not a test: `test_bias_correction.py` asserts the same under `pytest -m slow`. Takes half a minute.
"""

from __future__ import annotations

import sys

from test_bias_correction import covered

RUNS = 2000
MEANS = (0.5, 0.8, 0.95, 0.98)


def main() -> None:
    """Print one line per share: coverage at each true rate, with a cheap judge that is 0.3 too low."""
    for share in (0.2, 0.5):
        text = (f"{mean}: {covered(mean, 0.3, share, RUNS):.1%}" for mean in MEANS)
        sys.stdout.write(f"share {share}: {'  '.join(text)}\n")


if __name__ == "__main__":
    main()
