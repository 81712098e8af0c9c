"""The documents' commands are run in their order: on the written sample, with the emulator for the models.

What needs weights, a network or a server of the reader's own is listed here with its reason; that its line
can be given at all is checked in `test_docs.py`; tests of `finetune/` and `serve/` run it on a tiny model.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from agents.hashing import content_id
from agents.types import Response, ResponseSet
from harness.cli import main, root
from harness.data.dataset import sample
from results.db.store import Store
from tests.test_docs import COMMANDS

pytestmark = pytest.mark.slow

ELSEWHERE = {  # pattern → why it is not run here
    r"empathy (train|serve|bench)\b": "needs a base's weights",
    r"empathy respond student:": "needs a base's weights",
    r"--only (base|train|generate|judge)\b": "needs a base's weights",
    r"empathy run (paper-\w+|figure-\d+)(?!.*--only (improve|build))": "needs a base's weights",
    r"empathy report (paper-|tiny)": "tells a study that trains",
    r"empathy (data|prompts) fetch": "needs the network",
    r"vllm/my-model": "the reader's own server",
    r"empathy emulate": "serves until it is ended",
}
STUDENTS = ("A", "B", "A1", "A2", "A3", "B1", "B2", "B3", "mine", "llama-over-llm-2")
INSTEAD = (  # what a document leaves to the reader, and models where a command takes no --emulate
    (r"\bA B\b", "dataset:gpt-4 dataset:human"),
    (r"\bDIR\b", "runs/data-set"),
    (r"\baa865be87\b", "last"),
    (r"base@paper", "base"),  # the preset of the paper's studies, whose students are not here
)
JUDGED = ("judge", "compare", "leaderboard")
SETS = [*(f"student:{name}" for name in STUDENTS), "base:tiny"]
GENERATED = ("docs/cli.md", "docs/errors.md")  # help texts: examples without the files that they name
BY_DOCUMENT: dict[str, list[str]] = {}
for _document, _line, _whole in COMMANDS:
    if _whole and _document not in GENERATED and not any(re.search(pattern, _line) for pattern in ELSEWHERE):
        BY_DOCUMENT.setdefault(_document, []).append(_line)


async def prepare() -> None:
    """Authors that were trained and asked elsewhere: their responses are in the database."""
    dataset = sample()
    async with await Store.open("runs/empathy.sqlite") as store:
        await store.save_dialogues(dataset.dialogues)
        for at, author in enumerate(SETS):
            of = ResponseSet(content_id("set-1", [author]), author, "default", "{}")
            texts = dataset.texts[sorted(dataset.texts)[at % len(dataset.texts)]]
            said = [Response(one.key, author, f"{texts[one.id]} {at}", of.id) for one in dataset.dialogues]
            await store.save_responses(of, said)


def written() -> None:
    """Files that a reader would bring."""
    dialogues = sample().dialogues
    rows = [f"{one.id},dataset:gpt-4,dataset:human,{'ab'[at % 3 == 0]}" for at, one in enumerate(dialogues)]
    Path("preferences.csv").write_text("\n".join(["dialogue_id,a,b,preferred", *rows]), encoding="utf-8")
    outputs = [{"instruction": one.utterance, "output": "I see.", "generator": "x"} for one in dialogues]
    Path("model_outputs.json").write_text(json.dumps(outputs), encoding="utf-8")


def takes(words: list[str], option: str) -> bool:
    """Whether the command of these words takes an option."""
    command: click.Command = root
    context = click.Context(root, info_name="empathy")
    while isinstance(command, click.Group) and words:
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, parent=context)
    return any(option in parameter.opts for parameter in command.params)


def here(line: str) -> list[str]:
    """A documented line as it is run here."""
    for pattern, instead in INSTEAD:
        line = re.sub(pattern, instead, line)
    words = shlex.split(line)[1:]
    if takes(words, "--emulate"):
        words += [*({"--emulate"} - set(words)), "--yes", "--quiet"]
    else:
        words = [re.sub(r"^(openai|google|anthropic)/(?!emulated)", r"\1/emulated-", word) for word in words]
    if "--split" not in words and words[0] in JUDGED and takes(words, "--split"):
        words += ["--split", "all"]  # of which the sample has enough
    return words


def run(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code in (0, None), f"empathy {shlex.join(words)}"


@pytest.fixture(scope="module")
def clean() -> Iterator[pytest.MonkeyPatch]:
    """No keys, no settings; the sample is the dataset."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith("EMPATHY_"):
                patch.delenv(name)
        patch.setenv("EMPATHY_DATA", "sample")
        yield patch


@pytest.fixture(scope="module")
def prepared(clean: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a reader has by then: students that were judged, files, a contest judged last."""
    place = tmp_path_factory.mktemp("prepared")
    with clean.context() as here:
        here.chdir(place)
        asyncio.run(prepare())
        written()
        judges = ["--judge", "control/longer", "--judge", "openai/gpt-6-luna", "--emulate"]
        common = ["--split", "all", "--quiet", *judges]
        for author in [name for name in SETS if name.startswith("student:")]:
            run(["judge", author, "base:tiny", *common])
        run(["judge", "dataset:gpt-4", "dataset:human", *common])
    return place


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in."""
    place = tmp_path / "here"
    shutil.copytree(prepared, place)
    monkeypatch.chdir(place)
    return place


def test_most_commands_are_run_and_the_others_have_a_reason() -> None:
    whole = [line for document, line, whole in COMMANDS if whole and document not in GENERATED]
    assert sum(map(len, BY_DOCUMENT.values())) > len(whole) / 2
    unused = [pattern for pattern in ELSEWHERE if not any(re.search(pattern, line) for line in whole)]
    assert unused in ([], [r"empathy emulate"])


@pytest.mark.parametrize("document", BY_DOCUMENT)
def test_a_documents_commands_run_one_after_another(document: str, workplace: Path) -> None:
    for line in BY_DOCUMENT[document]:
        run(here(line))
