"""Documentation of the named faults."""

from __future__ import annotations

from pathlib import Path

from harness.emulator.provider_faults import TABLE

PAGE = Path(__file__).resolve().parents[3] / "docs" / "engine.md"


def test_every_named_fault_is_documented() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for fault in TABLE.values():
        (row,) = [row for row in rows if row.startswith(f"| `{fault.name}`")]
        assert fault.summary in row
        assert ("*" in row.split("|")[1]) == fault.decides
