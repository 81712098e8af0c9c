"""What every test may use: where the real dataset is, and a PostgreSQL where one answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_dataset() -> Path:
    """The real dataset's CSV, or a skip that says how to get it."""
    places = [
        Path(os.environ["EMPATHY_DATA"]) if "EMPATHY_DATA" in os.environ else None,
        ROOT / "data" / "llms-vs-humans.csv",
        ROOT.parent / "shared" / "data" / "llms-vs-humans.csv",
    ]
    for place in places:
        if place is not None and place.is_file():
            return place
    pytest.skip("the real dataset is not here; get it with: empathy data fetch")
