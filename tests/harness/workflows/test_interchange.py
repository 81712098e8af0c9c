"""Import of responses from other tools (exports: `tests/harness/cli/test_audits.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.dataset import sample
from harness.workflows.interchange import import_responses, read_import
from results.db.store import Store
from tests.errors import user_error

DIALOGUES = sample().dialogues


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def outputs(count: int = 3) -> list[dict[str, str]]:
    return [
        {
            "instruction": f"Respond. {dialogue.situation}\n{dialogue.utterance}",
            "output": f"I hear you, {number}.",
            "generator": "theirs",
        }
        for number, dialogue in enumerate(DIALOGUES[:count])
    ]


def test_alpaca_eval_outputs_are_matched_by_text(tmp_path: Path) -> None:
    author = read_import(written(tmp_path / "model_outputs.json", outputs()), DIALOGUES)
    assert author.set.author == "theirs"
    assert {key: item.text for key, item in author.responses.items()} == {
        item.key: f"I hear you, {number}." for number, item in enumerate(DIALOGUES[:3])
    }
    again = read_import(tmp_path / "model_outputs.json", DIALOGUES)
    assert again.set.id == author.set.id


def test_fastchat_answers_are_matched_by_id(tmp_path: Path) -> None:
    lines = "\n".join(
        json.dumps(
            {
                "question_id": item.id,
                "model_id": "vicuna",
                "choices": [{"index": 0, "turns": ["There, there."]}],
            }
        )
        for item in DIALOGUES[:2]
    )
    author = read_import(written(tmp_path / "answers.jsonl", lines), DIALOGUES)
    assert (author.set.author, len(author.responses)) == ("vicuna", 2)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("neither", "file.not-json"),
        ("[]", "responses.empty"),
        ([1, 2], "file.not-object"),
        ([{"prompt": "x", "answer": "y"}], "responses.unknown-format"),
        ([{"instruction": "nowhere said", "output": "y", "generator": "g"}], "responses.unknown-dialogue"),
        ([*outputs(1), *outputs(1)], "responses.duplicate-dialogue"),
        ([outputs(2)[0], {**outputs(2)[1], "generator": "another"}], "responses.several-generators"),
        ([{**outputs(1)[0], "output": "  "}], "responses.empty-text"),
        ([{**outputs(1)[0], "generator": "dataset:human"}], "import.reserved-author"),
        ([{**outputs(1)[0], "generator": None}], "import.no-author"),
        ([{**outputs(1)[0], "generator": 7}], "import.no-author"),
    ],
)
def test_invalid_imports_are_refused(tmp_path: Path, content: Any, code: str) -> None:
    with user_error(code):
        read_import(written(tmp_path / "answers.json", content), DIALOGUES)


async def test_duplicate_author_is_refused(tmp_path: Path) -> None:
    author = read_import(written(tmp_path / "a.json", outputs(2)), DIALOGUES)
    other = read_import(written(tmp_path / "b.json", outputs(3)), DIALOGUES)
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        await import_responses(store, author, DIALOGUES)
        await import_responses(store, author, DIALOGUES)
        with user_error("import.author-exists", found="'theirs'"):
            await import_responses(store, other, DIALOGUES)
