"""Files that users write: encodings, locations and faults are reported alike by every reader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from harness.data.dataset import sample

Run = Callable[..., Any]
SAMPLE = resources.files("harness.data.sample").joinpath("dialogues.csv").read_bytes().decode()
DIALOGUES = sample().dialogues
DATA = ("--data", "sample", "--quiet")
JUDGE = ("judge", "dataset:gpt-4", "dataset:human", "--judge", "control/longer")


@dataclass(frozen=True)
class Kind:
    """A kind of file: what a good one holds, its name, and the command that reads it."""

    text: str
    name: str
    words: tuple[str, ...]


def _rows(of: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    return [of(one) for one in DIALOGUES]


OURS = "".join(json.dumps({"dialogue_id": one.id, "response": "I hear you."}) + "\n" for one in DIALOGUES)
ALPACA = json.dumps(
    _rows(lambda one: {"instruction": one.utterance, "output": "I hear you.", "generator": "x"}), indent=1
)
KINDS = {
    "dataset": Kind(SAMPLE, "data.csv", ("data", "split", "--data", "data.csv")),
    "author": Kind(OURS, "own.jsonl", ("profile", "file:own.jsonl", "--data", "sample")),
    "author as CSV": Kind(
        "dialogue_id,response\n" + "".join(f"{one.id},I hear you.\n" for one in DIALOGUES),
        "own.csv",
        ("profile", "file:own.csv", "--data", "sample"),
    ),
    "import": Kind(ALPACA, "theirs.json", ("leaderboard", "--import", "theirs.json", "--data", "sample")),
    "preferences": Kind(
        "dialogue_id,a,b,preferred\n"
        + "".join(f"{one.id},dataset:gpt-4,dataset:human,a\n" for one in DIALOGUES),
        "people.csv",
        ("rejudge", "last", "--human", "people.csv"),
    ),
    "cells": Kind(
        "author,student,stage,method,strategy\nx,LLaMA-3.1-8B,SFT,over-human,naive\n",
        "cells.csv",
        ("paper", "table1", "--cells", "cells.csv"),
    ),
    "models": Kind(
        '[provider.mine]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:9/v1"\n',
        "models.toml",
        (*JUDGE, *DATA, "--models", "models.toml", "--dry-run"),
    ),
    "prompts": Kind(
        "---\ntitle: Mine\nvariables: context, utterance\n---\n{{context}} {{utterance}}\n",
        "mine/respond.md",
        ("prompts", "list", "--prompts", "mine"),
    ),
    "study": Kind(
        resources.files("harness.studies").joinpath("tiny.toml").read_text(encoding="utf-8"),
        "study.toml",
        ("plan", "study.toml"),
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, empathy: Run, workplace: Path) -> Kind:
    made = KINDS[request.param]
    if request.param in ("preferences", "cells"):
        assert empathy(*JUDGE, *DATA, "--split", "all").code == 0
    (workplace / made.name).parent.mkdir(parents=True, exist_ok=True)
    return made


def values(empathy: Run, workplace: Path, kind: Kind, content: bytes) -> Any:
    (workplace / kind.name).write_bytes(content)
    if kind.name == "theirs.json":  # what is imported once is another author's name for other bytes
        shutil.rmtree(workplace / "runs", ignore_errors=True)
    return empathy(*kind.words)


def test_a_byte_order_mark_and_line_ends_change_nothing(empathy: Run, workplace: Path, kind: Kind) -> None:
    plain = values(empathy, workplace, kind, kind.text.encode())
    assert plain.code == 0, plain.err
    for content in (kind.text.encode("utf-8-sig"), kind.text.replace("\n", "\r\n").encode()):
        done = values(empathy, workplace, kind, content)
        assert (done.code, done.err) == (0, plain.err)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_one_fault(empathy: Run, workplace: Path, kind: Kind, encoding: str) -> None:
    done = values(empathy, workplace, kind, kind.text.encode(encoding))
    assert done.code == 2
    assert done.codes.count("file.not-utf8") == 1
    assert "Found: UTF-" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("byte", [b"\x92", b"\0", b"\xff"])
def test_an_invalid_byte_is_reported_with_its_line(
    empathy: Run, workplace: Path, kind: Kind, byte: bytes
) -> None:
    lines = kind.text.encode().split(b"\n")
    lines[1] = lines[1][:3] + byte + lines[1][3:]
    done = values(empathy, workplace, kind, b"\n".join(lines))
    assert done.code == 2
    assert f"{kind.name}:2" in done.err
    assert "Traceback" not in done.err


def test_a_missing_file_or_a_folder_is_an_error(empathy: Run, workplace: Path, kind: Kind) -> None:
    if kind.name.startswith("mine"):
        pytest.skip("a folder of prompts may hold any files")
    (workplace / kind.name).unlink(missing_ok=True)
    done = empathy(*kind.words)
    assert (done.code, kind.name in done.err, "Traceback" in done.err) == (2, True, False)
    (workplace / kind.name).mkdir()
    done = empathy(*kind.words)
    assert (done.code, kind.name in done.err, "Traceback" in done.err) == (2, True, False)


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02" * 100, b"{" * 5000, b'"', b"[]]", b"\xef\xbb\xbf", b"--- ---"]
)
def test_no_content_is_a_traceback(empathy: Run, workplace: Path, kind: Kind, content: bytes) -> None:
    done = values(empathy, workplace, kind, content)
    assert done.code in (0, 2)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["dataset", "author as CSV", "preferences", "cells"])
def test_an_open_quotation_mark_is_an_error_in_every_table(empathy: Run, workplace: Path, name: str) -> None:
    if name in ("preferences", "cells"):
        assert empathy(*JUDGE, *DATA, "--split", "all").code == 0
    made = KINDS[name]
    lines = made.text.split("\n")
    lines[1] = lines[1].replace(",", ',"', 1)
    done = values(empathy, workplace, made, "\n".join(lines).encode())
    assert done.code == 2
    assert f"{made.name}:2" in done.err


@pytest.mark.parametrize("name", ["dataset", "author", "author as CSV", "import", "preferences", "cells"])
def test_the_first_faults_and_a_count(empathy: Run, workplace: Path, name: str) -> None:
    if name in ("preferences", "cells"):
        assert empathy(*JUDGE, *DATA, "--split", "all").code == 0
    made = KINDS[name]
    if name == "import":
        broken = json.dumps([{"instruction": "nobody", "output": "x", "generator": "x"}] * 64)
    else:
        first, *rest = made.text.rstrip("\n").split("\n")
        head = [] if name == "author" else [first]
        row = "1" if name == "author" else "one cell"
        broken = "\n".join([*head, *[row] * 64])
        assert rest
    done = values(empathy, workplace, made, broken.encode())
    assert done.code == 2
    assert "and 44 more" in done.err
    assert len(done.err.splitlines()) <= 23
