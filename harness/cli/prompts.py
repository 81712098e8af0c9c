"""Command `empathy prompts`: list, show and copy prompts; fetch those of the paper's scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.errors import Fault, UserError
from agents.prompt_lookup import get_prompt, load_library
from harness.cli.lazy_group import LazyGroup
from harness.cli.options.common import json_option, prompts_option
from harness.terminal.output import print_line, print_rendering, print_text

if TYPE_CHECKING:
    from prompts import Prompt

COMMANDS = {
    "list": ("harness.cli.prompts:list_prompts", "Names, versions and variables of all prompts."),
    "show": ("harness.cli.prompts:show", "Print one prompt as it is sent."),
    "copy": ("harness.cli.prompts:copy", "Copy prompts into a folder, to change them there."),
    "fetch": ("harness.cli.prompts:fetch", "Get the prompts of the paper's own scripts; hashes are checked."),
}


@click.command(cls=LazyGroup, places=COMMANDS)
def prompts() -> None:
    """List, show, copy and fetch prompts."""


@click.command("list")
@prompts_option
@json_option
def list_prompts(prompts_folder: Path | None, as_json: bool) -> None:
    """List name, version hash and variables of all prompts."""
    from harness.workflows.prompt_tables import render_prompts

    print_rendering(render_prompts(load_library(prompts_folder)), as_json=as_json)


@click.command()
@click.argument("name")
@prompts_option
def show(name: str, prompts_folder: Path | None) -> None:
    """Print one prompt as it is sent; the turns of a conversation follow one another."""
    prompt = get_prompt(load_library(prompts_folder), name, "NAME")
    system = [f"=== system ===\n{prompt.system}"] if prompt.system else []
    print_text("\n=== next turn ===\n".join([*system, *prompt.turns]))


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--to", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A folder for --prompts."
)
@prompts_option
def copy(names: tuple[str, ...], to: Path, prompts_folder: Path | None) -> None:
    """Copy prompts into a folder, to edit them there and use them with --prompts DIR."""
    from harness.atomic_write import write_file

    prompt_library = load_library(prompts_folder)
    selected = [get_prompt(prompt_library, name, "NAME") for name in dict.fromkeys(names)]
    faults = [
        Fault(
            "a prompt of the paper's scripts is used unchanged",
            "NAMES",
            prompt.name,
            code="prompt.not-editable",
        )
        for prompt in selected
        if prompt.is_exact
    ]
    faults += [
        Fault("the file exists already", str(to / f"{prompt.name}.md"), code="file.exists")
        for prompt in selected
        if _exists(to, prompt)
    ]
    if faults:
        raise UserError("cannot copy these prompts", code="prompt.not-copied", faults=faults)
    for prompt in selected:
        path = to / f"{prompt.name}.md"
        write_file(path, _file_text(prompt))
        print_line(str(path))


def _exists(to: Path, prompt: Prompt) -> bool:
    return (to / f"{prompt.name}.md").exists()


def _file_text(prompt: Prompt) -> str:
    """Return a prompt as the text of a file with its parts inserted; its version is that of the original."""
    fields = {
        "title": prompt.title,
        "paper": prompt.paper,
        "variables": ", ".join(prompt.variables),
        "answers": ", ".join(prompt.answers),
    }
    head = "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
    return f"---\n{head}---\n" + "\n=== next turn ===\n".join(prompt.turns) + "\n"


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Take them from a copy of the repository.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where they go. [default: $EMPATHY_RELEASED_PROMPTS, or data/released-prompts]",
)
def fetch(source: Path | None, to: Path | None) -> None:
    """Fetch the prompts of the paper's scripts from its repository and check every hash.

    Fidelity `released` uses exactly these. The repository has no licence, so they are not part of this
    package.
    """
    from harness.data.released_prompts import fetch as fetch_prompts
    from prompts import released

    folder = to or released.place()
    new = fetch_prompts(folder, source)
    count = len(released.load(folder))
    print_line(
        f"{count} prompts from {len(released.FILES)} scripts in {folder} ({new} new); the hashes are right."
    )
