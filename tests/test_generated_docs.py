"""docs/cli.md and docs/errors.md match the source code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts.generate_docs import PACKAGES, PAGES

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert page == PAGES[name](), "run: python scripts/generate_docs.py"


def test_every_user_error_has_a_literal_code() -> None:
    without = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "UserError"
        and not any(keyword.arg in ("code", None) for keyword in node.keywords)
    ]
    assert without == []
