"""`.env` sets only missing variables; its errors do not show its values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from harness.cli.dotenv_file import load_dotenv_file
from tests.errors import user_error

SECRET = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))


def write(folder: Path, text: str | bytes) -> None:
    content = text.encode() if isinstance(text, str) else text
    (folder / ".env").write_bytes(content)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"OPENAI_API_KEY={SECRET}", SECRET),
        (f"export OPENAI_API_KEY={SECRET}\n", SECRET),
        (f'# keys\n\nOPENAI_API_KEY = "{SECRET}"\n', SECRET),
        (f"OPENAI_API_KEY='{SECRET}'  # mine\r\n", SECRET),
        (f"\ufeffOPENAI_API_KEY={SECRET}\n", SECRET),
        ("OPENAI_API_KEY=\n", ""),
    ],
)
def test_a_variable_is_set(tmp_path: Path, text: str, value: str) -> None:
    write(tmp_path, text)
    load_dotenv_file(tmp_path)
    assert os.environ["OPENAI_API_KEY"] == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(already=some.sampled_from(["", "another", SECRET]))
def test_a_variable_that_is_set_is_kept(tmp_path: Path, already: str) -> None:
    os.environ["OPENAI_API_KEY"] = already
    write(tmp_path, "OPENAI_API_KEY=of-the-file\nGEMINI_API_KEY=of-the-file\n")
    load_dotenv_file(tmp_path)
    assert os.environ["OPENAI_API_KEY"] == already
    assert os.environ["GEMINI_API_KEY"] == "of-the-file"


def test_no_file_changes_nothing(tmp_path: Path) -> None:
    before = dict(os.environ)
    load_dotenv_file(tmp_path)
    assert os.environ == before


def test_faults_name_the_line_but_never_its_content(tmp_path: Path) -> None:
    write(tmp_path, f"GOOD=1\n{SECRET} and more\nALSO_GOOD=2\n'{SECRET}\n")
    with user_error("file.invalid-dotenv-line") as error:
        load_dotenv_file(tmp_path)
    assert [fault.where.rsplit(":", 1)[1] for fault in error.value.faults] == ["2", "4"]
    assert SECRET not in str(error.value)
    assert "GOOD" not in os.environ, "nothing half-done"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", f"A={SECRET}\n".encode("utf-16")])
def test_a_binary_file_is_a_user_error(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    with user_error("file.unreadable") as error:
        load_dotenv_file(tmp_path)
    assert SECRET not in str(error.value)


def test_a_folder_named_env_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with user_error("file.unreadable", where=str(tmp_path / ".env")):
        load_dotenv_file(tmp_path)


def test_every_command_reads_it(tmp_path: Path, empathy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path.cwd(), "EMPATHY_TEST_OF_DOTENV=read\n")
    assert empathy("emulate", "--list-faults").code == 0
    assert os.environ["EMPATHY_TEST_OF_DOTENV"] == "read"
    write(Path.cwd(), "no variable\n")
    done = empathy("emulate", "--list-faults")
    assert done.code == 2
    assert ".env:1" in done.err
