"""Help of every command: complete, fast (no heavy imports), with suggestions for mistyped words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest

from harness import cli
from harness.cli import root

Run = Callable[..., Any]
HEAVY = (
    *("aiohttp", "sqlalchemy", "sqlmodel", "numpy", "scipy", "pandas", "matplotlib", "sklearn", "jinja2"),
    *("openai", "anthropic", "google.genai", "genai_prices", "uvloop"),
    *("torch", "transformers", "trl", "peft", "vllm"),
)
LATER = ("orjson", "rich", "asyncio", "agents.models.registry", "prompts")  # not for the root's help

Path = tuple[str, ...]


def commands(command: click.Command, path: Path = ()) -> Iterator[tuple[Path, click.Command]]:
    """Every command with its path, groups included."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


EVERY = dict(commands(root))


# runs `empathy --help`, then every command's, and prints what each has imported of what is heavy
PROBE = """
import sys
from harness.cli import main
for words, heavy in {asked!r}:
    try:
        main([*words, "--help"])
    except SystemExit as ended:
        assert not ended.code, ended.code
    found = [name for name in heavy if name in sys.modules]
    assert not found, (words, found)
"""


def test_help_imports_nothing_heavy() -> None:
    asked = [((), HEAVY + LATER), *((path, HEAVY) for path in EVERY if path)]
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(asked=asked)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: empathy") == len(EVERY)


@pytest.mark.parametrize("path", EVERY, ids=lambda path: " ".join(path) or "empathy")
def test_every_command_has_help(empathy: Run, path: tuple[str, ...]) -> None:
    done = empathy(*path, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: {' '.join(('empathy', *path))}")
    assert EVERY[path].help


def test_the_roots_help_names_every_command_with_a_line(empathy: Run) -> None:
    shown = empathy("--help").out
    for path, command in EVERY.items():
        if len(path) == 1:
            [line] = [line for line in shown.splitlines() if line.split()[:1] == [*path]]
            assert len(line.split()) > 3, command


def test_short_help_version_and_no_command(empathy: Run) -> None:
    assert empathy("-h").out == empathy("--help").out
    assert empathy("--version").out.startswith("empathy, version ")
    nothing = empathy()
    assert nothing.code == 2
    assert "Usage: empathy" in nothing.out + nothing.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(("jugde",), "judge"), (("promts",), "prompts"), (("emulat",), "emulate"), (("data", "splt"), "split")],
)
def test_a_mistyped_command_suggests_the_closest_one(
    empathy: Run, typed: tuple[str, ...], meant: str
) -> None:
    done = empathy(*typed)
    assert done.code == 2
    assert f"'{meant}'" in done.err
    assert "ean" in done.err  # "Did you mean"


def test_every_option_and_argument_has_help() -> None:
    bare = [
        f"{' '.join(path)} {option.opts[-1]}"
        for path, command in EVERY.items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help and not option.show_default
    ]
    assert bare == []


def test_a_character_the_terminal_cannot_show_causes_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main(['prompts', 'show', 'judge/pairwise'])"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_internal_error_does_not_exit_like_a_failed_gate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(cli.root, "main", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["bench"])
    assert ended.value.code == cli.DEFECT
    assert "ZeroDivisionError: a defect" in capsys.readouterr().err
