"""Provenance of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.provenance import git_state

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout: an archive or an installed package")
def test_a_checkout_records_its_commit_and_whether_it_was_changed() -> None:
    state = git_state()
    assert len(state["commit"]) == 40
    assert isinstance(state["dirty"], bool)
