"""Contests of the written sample, judged through the command line, for the tests of what is made of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.data.dataset import sample

Run = Callable[..., Any]
A, B, C = "dataset:gpt-4", "dataset:llama-2-70b", "dataset:human"
LLMS = (A, B, "dataset:gemini-1.0-pro", "dataset:mixtral-8x7b")
SAMPLE = ("--data", "sample", "--split", "all", "--quiet")
COMPARE = ("compare", A, B, "--opponent", C, "--split", "all")
DB = Path("runs") / "empathy.sqlite"


def judge(empathy: Run, a: str, b: str, *more: str) -> Any:
    return empathy("judge", a, b, *SAMPLE, *more, "--json").data


def judged(
    empathy: Run, *pairs: tuple[str, str], by: Iterable[str] = ("control/longer",), more: Any = ()
) -> None:
    """Let every pair be judged."""
    judges = [word for name in by for word in ("--judge", name)]
    for a, b in pairs:
        judge(empathy, a, b, *judges, *more)


def author(name: str, texts: dict[int, str]) -> str:
    """A file of responses: the sample's dialogues by number."""
    ids = [dialogue.id for dialogue in sample().dialogues]
    rows = [json.dumps({"dialogue_id": ids[at], "response": text}) for at, text in texts.items()]
    Path(name).write_text("\n".join(rows), encoding="utf-8")
    return f"file:{name}"


def change(statement: str) -> None:
    """Change the database behind everybody's back."""
    with sqlite3.connect(DB) as connection:
        connection.execute(statement)
    connection.close()


def flat(done: Any) -> str:
    """What was printed, without its line breaks."""
    return " ".join(done.out.split())


def contests(data: Any) -> list[Any]:
    """The contests of a judging run, each with what this process did for its judge."""
    return [{**contest, **data["invocation"].get(contest["judge_id"], {})} for contest in data["contests"]]


def only(data: Any) -> Any:
    [row] = data["contests"] if data["document"] == "judging" else data["judges"]
    return row
