"""docs/cli.md, docs/errors.md and docs/schema.json match the source code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from scripts.generate_docs import PACKAGES

ROOT = Path(__file__).parent.parent


def test_the_generated_pages_are_up_to_date() -> None:
    """Run in a process of its own: click caches a command's help option on first use."""
    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, ""), "run: python scripts/generate_docs.py"


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
