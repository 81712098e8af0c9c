"""What every test may use: the same random examples each time, and where the real dataset is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from prompts import released
from results.render.writers import json
from tests.released_scripts import write_scripts

# The same examples every time, however slow the machine: a failure is one of the code, and comes again.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.register_profile("search", deadline=None, max_examples=1000)  # to look for new ones, now and then
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def released_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of made-up scripts of the same form as the paper's, taken for the published ones."""
    folder = tmp_path / "released-prompts"
    monkeypatch.setattr(released, "FILES", write_scripts(folder))
    monkeypatch.setattr(released, "DEFAULT_FOLDER", folder)
    monkeypatch.setenv(released.ENVIRONMENT, str(folder))
    return folder


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


@pytest.fixture(autouse=True)
def checked_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check every JSON result that a test writes in this process against its published type."""
    write = json.json_bytes

    def checked(data: Any, *, indented: bool = True) -> bytes:
        content = write(data, indented=indented)
        if isinstance(data, dict) and "document" in data:
            from tests.result_documents import check_result

            check_result(data, content)
        return content

    monkeypatch.setattr(json, "json_bytes", checked)
