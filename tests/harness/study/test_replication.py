"""The table of docs/studies.md matches the output of `empathy plan` with the real dataset."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness
from harness.study.config_loader import shipped

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "studies.md"
ROW = re.compile(
    r"\| `([\w-]+)` \| .* \| (\d+) \| ([\d,]+) \| ([\d.]+) \| (\d+):(\d+):(\d+) \| \$([\d.]+) \|"
)
ROWS = {match[1]: match.groups()[1:] for match in ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))}


def test_every_study_of_the_paper_has_its_row() -> None:
    assert set(ROWS) == set(shipped()) - {"tiny"}


@pytest.mark.parametrize("study", ROWS)
async def test_a_row_matches_the_plan(study: str, real_dataset: Path, tmp_path: Path) -> None:
    async with harness.open_async(tmp_path / "none.sqlite", data=real_dataset) as session:
        plan = await session.plan_study(study, folder=tmp_path, rpm=500)
    total = plan.document["total"]
    stages, calls, hours, *clock, usd = ROWS[study]
    assert total["stages"] == int(stages)
    assert total["calls"] == int(calls.replace(",", ""))
    assert total["card_hours"] == pytest.approx(float(hours), abs=0.051)
    hour, minute, second = map(int, clock)
    assert total["seconds"] == pytest.approx(3600 * hour + 60 * minute + second, abs=1)
    assert total["expected_usd"] == pytest.approx(float(usd), rel=0.1)  # prices come from another package
