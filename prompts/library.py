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
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from prompts.text_files import NotTextError, decode

PARTS = "parts/"
NEXT_TURN = re.compile(r"^=== next turn ===[ \t]*(?:\n|\Z)", re.MULTILINE)
VARIABLE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")
PART = re.compile(r"\{\{>\s*([a-z0-9][a-z0-9_/-]*)\s*\}\}")
BRACES = re.compile(r"\{\{.*?\}\}|\{\{|\}\}", re.DOTALL)
FIELDS = {"title", "paper", "variables", "answers"}


class PromptError(Exception):
    """A prompt file that cannot be used, or a filling that does not fit; `faults` lists every one."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Prompt:
    """One prompt.

    Attributes:
        name: its path without suffix, `judge/pairwise`.
        title: what it is, in a few words; `paper` its number in the paper, or "".
        variables: what must be filled in.
        answers: the only answers allowed, or () for free text.
        turns: the user's turns of the conversation, parts included, at least one.
        version: `prompt-1:` and 16 hex digits of the SHA-256 of turns, variables and answers.
        source: the file it came from.
    """

    name: str
    title: str
    paper: str
    variables: tuple[str, ...]
    answers: tuple[str, ...]
    turns: tuple[str, ...]
    version: str
    source: str

    @cached_property
    def _pieces(self) -> tuple[tuple[str, ...], ...]:
        """Each turn as text, variable, text, variable, …, text."""
        return tuple(tuple(VARIABLE.split(turn)) for turn in self.turns)

    @cached_property
    def _declared(self) -> frozenset[str]:
        return frozenset(self.variables)

    def fill(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """The turns with every variable replaced; what is filled in is never read as a template.

        Raises:
            PromptError: values are missing, or given and not declared.
        """
        if values.keys() != self._declared:
            missing = [name for name in self.variables if name not in values]
            unknown = [name for name in values if name not in self.variables]
            faults = [f"{self.name}: {{{{{name}}}}} was not given" for name in missing]
            faults += [f"{self.name}: {name!r} was given and is not declared" for name in unknown]
            raise PromptError(faults)
        return tuple(
            "".join([values[piece] if at % 2 else piece for at, piece in enumerate(pieces)])
            for pieces in self._pieces
        )


class Library:
    """All prompts: the package's own, and over them those of a user's folder, file by file."""

    def __init__(self, folder: Path | None = None) -> None:
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

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._prompts.values())

    def __getitem__(self, name: str) -> Prompt:
        """The prompt of this name.

        Raises:
            PromptError: there is none; the message names those there are.
        """
        if name not in self._prompts:
            raise PromptError([f"there is no prompt {name!r}; there are: {', '.join(self._prompts)}"])
        return self._prompts[name]


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
    told = "\x1f".join([*turns, "\x1e", *declared, "\x1e", *answers])
    version = f"prompt-1:{sha256(told.encode()).hexdigest()[:16]}"
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
