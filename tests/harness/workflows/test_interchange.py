"""What others write: imports with their faults. (Exports: `tests/harness/cli/test_audits.py`.)"""

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
            "instruction": f"Respond. {one.situation}\n{one.utterance}",
            "output": f"I hear you, {at}.",
            "generator": "theirs",
        }
        for at, one in enumerate(DIALOGUES[:count])
    ]


def test_alpaca_evals_outputs_find_their_dialogues_by_their_words(tmp_path: Path) -> None:
    author = read_import(written(tmp_path / "model_outputs.json", outputs()), DIALOGUES)
    assert author.set.author == "theirs"
    assert {key: one.text for key, one in author.responses.items()} == {
        one.key: f"I hear you, {at}." for at, one in enumerate(DIALOGUES[:3])
    }
    again = read_import(tmp_path / "model_outputs.json", DIALOGUES)
    assert again.set.id == author.set.id


def test_fastchats_answers_find_theirs_by_id(tmp_path: Path) -> None:
    lines = "\n".join(
        json.dumps(
            {
                "question_id": one.id,
                "model_id": "vicuna",
                "choices": [{"index": 0, "turns": ["There, there."]}],
            }
        )
        for one in DIALOGUES[:2]
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


async def test_a_duplicate_author_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    one = read_import(written(tmp_path / "a.json", outputs(2)), DIALOGUES)
    other = read_import(written(tmp_path / "b.json", outputs(3)), DIALOGUES)
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        await import_responses(store, one, DIALOGUES)
        await import_responses(store, one, DIALOGUES)
        with user_error("import.author-exists", found="'theirs'"):
            await import_responses(store, other, DIALOGUES)
