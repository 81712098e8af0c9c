"""Prompts in every format."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from prompts import Library, Prompt
from prompts.released import PROMPTS
from results.render.rendering import Rendering
from results.render.table import Column, Table


class PromptData(TypedDict):
    """A prompt.

    Attributes:
        name: its name.
        title: its purpose.
        paper: where the paper has it, or "".
        version: content id of its text.
        variables: names of the values that are filled in.
        answers: accepted answers of a judge; [] for other prompts.
        source: file that it was read from.
    """

    name: str
    title: str
    paper: str
    version: str
    variables: list[str]
    answers: list[str]
    source: str


class PromptsDocument(TypedDict):
    """List of prompts.

    Attributes:
        prompts: all prompts, by name.
    """

    document: Literal["prompts"]
    prompts: list[PromptData]


def render_prompts(library: Library) -> Rendering:
    """Render name, version hash and variables of all prompts."""
    known = list(library)
    document: PromptsDocument = {"document": "prompts", "prompts": [_data(prompt) for prompt in known]}
    table = Table(columns=[Column(key) for key in ("name", "version", "paper", "variables", "answers")])
    for prompt in known:
        version = prompt.version.removeprefix("prompt-1:")
        cells = (version, prompt.paper, ", ".join(prompt.variables), ", ".join(prompt.answers))
        table.add_row(prompt.name, *cells)
    has_released = {prompt.name for prompt in known} & set(PROMPTS)
    note = "Those of the paper's own scripts (released/…) come with: empathy prompts fetch"
    return Rendering(document, (table,), caveats=() if has_released else (note,))


def _data(prompt: Prompt) -> PromptData:
    return {
        "name": prompt.name,
        "title": prompt.title,
        "paper": prompt.paper,
        "version": prompt.version,
        "variables": list(prompt.variables),
        "answers": list(prompt.answers),
        "source": prompt.source,
    }
