"""The prompts: text files, loaded together, checked together, versioned by what they say.

A prompt is a Markdown file with a small front matter. `{{variable}}` is filled in by whoever asks;
`{{> part}}` includes `parts/part.md`; a line `=== next turn ===` begins the next turn of a conversation.

    ---
    title: Improve along the cognitive dimension
    variables: context, utterance, response
    answers: 1, 2            (only where one of a few answers is allowed; else leave it out)
    ---
    Below is a response … {{response}}

This room knows nothing of models, messages or dialogues: it hands out text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from prompts import released
from prompts.prompt import VARIABLE, Prompt, PromptError, prompt_version
from prompts.text_files import NotTextError, decode

PARTS = "parts/"
NEXT_TURN = re.compile(r"^=== next turn ===[ \t]*(?:\n|\Z)", re.MULTILINE)
PART = re.compile(r"\{\{>\s*([a-z0-9][a-z0-9_/-]*)\s*\}\}")
BRACES = re.compile(r"\{\{.*?\}\}|\{\{|\}\}", re.DOTALL)
FIELDS = {"title", "paper", "variables", "answers"}


class Library:
    """All prompts: the package's own, and over them those of a user's folder, file by file.

    Args:
        folder: the user's.
        released_folder: where the prompts of the paper's scripts were fetched to; they are read when they
            are asked for, as `released/…`.
    """

    def __init__(self, folder: Path | None = None, released_folder: Path | None = None) -> None:
        files = {name: (source, text) for name, source, text in _package_files()}
        faults: list[str] = []
        if folder is not None:
            if not folder.is_dir():
                raise PromptError([f"{folder}: is not a folder of prompts"])
            own, faults = _folder_files(folder)
            files |= own
        parts = {
            name.removeprefix(PARTS): text for name, (_, text) in files.items() if name.startswith(PARTS)
        }
        self._prompts: dict[str, Prompt] = {}
        for name, (source, text) in sorted(files.items()):
            if name.startswith(PARTS):
                continue
            prompt, wrong = _parse(name, source, text, parts)
            faults += wrong
            if prompt is not None:
                self._prompts[name] = prompt
        if faults:
            raise PromptError(faults)
        self._released_folder = released_folder

    @cached_property
    def _released(self) -> dict[str, Prompt]:
        return released.load(self._released_folder or released.DEFAULT_FOLDER)

    def __iter__(self) -> Iterator[Prompt]:
        """All prompts; those of the paper's scripts only where they have been fetched."""
        try:
            fetched = self._released
        except PromptError:
            fetched = {}
        return iter((self._prompts | {n: p for n, p in fetched.items() if n not in self._prompts}).values())

    def __getitem__(self, name: str) -> Prompt:
        """The prompt of this name.

        Raises:
            PromptError: there is none; the message names those there are, or what is to be fetched.
        """
        if name in self._prompts:
            return self._prompts[name]
        if name in released.PROMPTS:
            return self._released[name]
        raise PromptError(
            [f"there is no prompt {name!r}; there are: {', '.join([*self._prompts, *released.PROMPTS])}"]
        )


def _package_files() -> Iterator[tuple[str, str, str]]:
    yield from _walk(resources.files("prompts"), "")


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".md"):
            name = prefix + entry.name.removesuffix(".md")
            yield name, f"prompts/{name}.md", entry.read_text(encoding="utf-8")


def _folder_files(folder: Path) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """(name → (source, text), faults) of a user's folder; hidden files and folders are not prompts."""
    files, faults = {}, []
    for path in sorted(folder.rglob("*.md")):
        inside = path.relative_to(folder)
        if any(piece.startswith(".") for piece in inside.parts):
            continue
        try:
            text = decode(path.read_bytes())
        except OSError as error:
            faults.append(f"{path}: cannot be read ({error.strerror})")
            continue
        except NotTextError as error:
            faults += [f"{path}:{line}: is not UTF-8 text ({found})" for line, found in error.faults]
            continue
        files[inside.as_posix().removesuffix(".md")] = (str(path), text)
    return files, faults


def _parse(name: str, source: str, text: str, parts: Mapping[str, str]) -> tuple[Prompt | None, list[str]]:
    head, body, faults = _front_matter(source, text)
    body, missing = _with_parts(body, parts, ())
    faults += [f"{source}: {fault}" for fault in missing]
    declared = _listed(head.get("variables", ""))
    used = set(VARIABLE.findall(body))
    faults += [f"{source}: {{{{{v}}}}} is used and not declared" for v in sorted(used - set(declared))]
    faults += [f"{source}: {v!r} is declared and not used" for v in declared if v not in used]
    answers = _listed(head.get("answers", ""))
    faults += [f"{source}: {v!r} is listed twice" for v in _repeated(declared) + _repeated(answers)]
    faults += [
        f"{source}: {found[0]!r} is neither a variable nor a part"
        for found in BRACES.finditer(body)
        if not VARIABLE.fullmatch(found[0])
    ]
    turns = tuple(turn.strip() for turn in NEXT_TURN.split(body))
    if not all(turns):
        faults.append(f"{source}: a turn has no text")
    if faults:
        return None, faults
    version = prompt_version(turns, declared, answers)
    title, paper = head.get("title", name), head.get("paper", "")
    return Prompt(name, title, paper, declared, answers, turns, version, source), []


def _front_matter(source: str, text: str) -> tuple[dict[str, str], str, list[str]]:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        return {}, text, [f"{source}: must begin with a front matter between two lines of ---"]
    end = next(number for number, line in enumerate(lines[1:], 1) if line.strip() == "---")
    head, faults = {}, []
    for number, line in enumerate(lines[1:end], 2):
        key, colon, value = (piece.strip() for piece in line.partition(":"))
        if not line.strip():
            continue
        if not colon or key not in FIELDS:
            faults.append(f"{source}:{number}: {line!r} is not one of: {', '.join(sorted(FIELDS))}")
        elif key in head:
            faults.append(f"{source}:{number}: {key} is given twice")
        head[key] = value
    return head, "\n".join(lines[end + 1 :]), faults


def _with_parts(body: str, parts: Mapping[str, str], inside: tuple[str, ...]) -> tuple[str, list[str]]:
    faults: list[str] = []

    def include(found: re.Match[str]) -> str:
        part = found[1]
        if part not in parts or part in inside:
            faults.append(
                f"part {part!r} includes itself"
                if part in inside
                else f"there is no part {part!r}; there are: {', '.join(sorted(parts))}"
            )
            return ""
        text, wrong = _with_parts(parts[part].strip(), parts, (*inside, part))
        faults.extend(wrong)
        return text

    return PART.sub(include, body), faults


def _listed(text: str) -> tuple[str, ...]:
    return tuple(piece.strip() for piece in text.split(",") if piece.strip())


def _repeated(names: tuple[str, ...]) -> list[str]:
    return [name for index, name in enumerate(names) if name in names[:index]]
