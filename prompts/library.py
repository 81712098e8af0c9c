"""Library of prompt files: loading, validation and lookup.

A prompt is a Markdown file with a small front matter. `{{variable}}` is filled by the caller;
`{{> part}}` includes `parts/part.md`; a line `=== next turn ===` begins the next turn of a conversation.

    ---
    title: Improve along the cognitive dimension
    variables: context, utterance, response
    answers: 1, 2            (the allowed answers; omitted for free text)
    ---
    Below is a response … {{response}}

This package does not depend on models, messages or dialogues.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from prompts import released
from prompts.prompt import VARIABLE, Prompt, PromptError, PromptFault, prompt_version
from prompts.text_files import NotTextError, decode

PARTS = "parts/"
NEXT_TURN = re.compile(r"^=== next turn ===[ \t]*(?:\n|\Z)", re.MULTILINE)
PART = re.compile(r"\{\{>\s*([a-z0-9][a-z0-9_/-]*)\s*\}\}")
BRACES = re.compile(r"\{\{.*?\}\}|\{\{|\}\}", re.DOTALL)
FIELDS = {"title", "paper", "variables", "answers"}


class Library:
    """Prompts of the package, overridden file by file by those of a user's folder.

    Args:
        folder: the user's folder of prompts.
        released_folder: folder to which the prompts of the paper's scripts were fetched. They are loaded on
            first use, under names that begin with `released/`.

    Raises:
        PromptError: the folder does not exist, or prompt files are invalid; it lists every fault.
    """

    def __init__(self, folder: Path | None = None, released_folder: Path | None = None) -> None:
        files = {name: (source, text) for name, source, text in _package_files()}
        faults: list[PromptFault] = []
        if folder is not None:
            if not folder.is_dir():
                raise PromptError(
                    [PromptFault("no such folder of prompts", str(folder), code="prompt.no-folder")]
                )
            user_files, faults = _folder_files(folder)
            files |= user_files
        parts = {
            name.removeprefix(PARTS): text for name, (_, text) in files.items() if name.startswith(PARTS)
        }
        self._prompts: dict[str, Prompt] = {}
        for name, (source, text) in sorted(files.items()):
            if name.startswith(PARTS):
                continue
            prompt, prompt_faults = _parse(name, source, text, parts)
            faults += prompt_faults
            if prompt is not None:
                self._prompts[name] = prompt
        if faults:
            raise PromptError(faults)
        self._released_folder = released_folder

    @cached_property
    def _released(self) -> dict[str, Prompt]:
        return released.load(self._released_folder or released.DEFAULT_FOLDER)

    def __iter__(self) -> Iterator[Prompt]:
        """Iterate over all prompts; those of the paper's scripts are included if they have been fetched."""
        try:
            fetched = self._released
        except PromptError:
            fetched = {}
        return iter((self._prompts | {n: p for n, p in fetched.items() if n not in self._prompts}).values())

    def __getitem__(self, name: str) -> Prompt:
        """Return the prompt of this name.

        Raises:
            PromptError: the prompt does not exist, or the released prompts have not been fetched.
        """
        if name in self._prompts:
            return self._prompts[name]
        if name in released.PROMPTS:
            return self._released[name]
        remedy = f"Choose one of: {', '.join([*self._prompts, *released.PROMPTS])}."
        raise PromptError([PromptFault("unknown prompt", "", repr(name), remedy, code="prompt.unknown")])


def _package_files() -> Iterator[tuple[str, str, str]]:
    yield from _walk(resources.files("prompts"), "")


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".md"):
            name = prefix + entry.name.removesuffix(".md")
            yield name, f"prompts/{name}.md", entry.read_text(encoding="utf-8")


def _folder_files(folder: Path) -> tuple[dict[str, tuple[str, str]], list[PromptFault]]:
    """Return ({name: (source, text)}, faults) of a user's folder; skip hidden files and folders."""
    files, faults = {}, []
    for path in sorted(folder.rglob("*.md")):
        inside = path.relative_to(folder)
        if any(piece.startswith(".") for piece in inside.parts):
            continue
        try:
            text = decode(path.read_bytes())
        except OSError as error:
            what = "the prompt file cannot be read"
            faults.append(PromptFault(what, str(path), str(error.strerror), code="file.unreadable"))
            continue
        except NotTextError as error:
            faults += [
                PromptFault("not UTF-8 text", f"{path}:{line}", found, code=error.code)
                for line, found in error.faults
            ]
            continue
        files[inside.as_posix().removesuffix(".md")] = (str(path), text)
    return files, faults


def _parse(
    name: str, source: str, text: str, parts: Mapping[str, str]
) -> tuple[Prompt | None, list[PromptFault]]:
    """Parse one prompt file; return (None, faults) if it is invalid.

    Args:
        source: the file, for error messages.
        parts: texts that prompts can include, by name.
    """
    head, body, faults = _front_matter(source, text)
    body, part_faults = _include_parts(body, parts, (), source)
    faults += part_faults

    def add(code: str, what: str, found: str = "") -> None:
        faults.append(PromptFault(what, source, found, code=code))

    declared = _split_list(head.get("variables", ""))
    used = set(VARIABLE.findall(body))
    for variable in sorted(used - set(declared)):
        add("prompt.undeclared-variable", "a variable is used but not declared", f"{{{{{variable}}}}}")
    for variable in declared:
        if variable not in used:
            add("prompt.unused-variable", "a variable is declared but not used", repr(variable))
    answers = _split_list(head.get("answers", ""))
    for entry in _repeated(declared) + _repeated(answers):
        add("prompt.duplicate-entry", "an entry is listed twice", repr(entry))
    for braces in BRACES.finditer(body):
        if not VARIABLE.fullmatch(braces[0]):
            add("prompt.invalid-braces", "not a variable or a part", repr(braces[0]))
    turns = tuple(turn.strip() for turn in NEXT_TURN.split(body))
    if not all(turns):
        add("prompt.empty-turn", "a turn has no text")
    if faults:
        return None, faults
    version = prompt_version(turns, declared, answers)
    title, paper = head.get("title", name), head.get("paper", "")
    return Prompt(name, title, paper, declared, answers, turns, version, source), []


def _front_matter(source: str, text: str) -> tuple[dict[str, str], str, list[PromptFault]]:
    """Split a prompt file; return (fields of the front matter, body, faults)."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        remedy = "Begin the file with fields between two lines of ---."
        return (
            {},
            text,
            [PromptFault("no front matter", source, remedy=remedy, code="prompt.no-front-matter")],
        )
    end = next(number for number, line in enumerate(lines[1:], 1) if line.strip() == "---")
    head: dict[str, str] = {}
    faults: list[PromptFault] = []
    for number, line in enumerate(lines[1:end], 2):
        key, colon, value = (piece.strip() for piece in line.partition(":"))
        if not line.strip():
            continue
        where = f"{source}:{number}"
        if not colon or key not in FIELDS:
            remedy = f"Known fields: {', '.join(sorted(FIELDS))}."
            faults.append(
                PromptFault("unknown field", where, repr(line), remedy, code="prompt.unknown-field")
            )
        elif key in head:
            faults.append(PromptFault("a field is repeated", where, repr(key), code="prompt.duplicate-field"))
        head[key] = value
    return head, "\n".join(lines[end + 1 :]), faults


def _include_parts(
    body: str, parts: Mapping[str, str], enclosing: tuple[str, ...], source: str
) -> tuple[str, list[PromptFault]]:
    """Replace the parts in a text, recursively; return (text, faults).

    Args:
        enclosing: names of the parts that are being included, to detect cycles.
        source: the file, for error messages.
    """
    faults: list[PromptFault] = []

    def include(match: re.Match[str]) -> str:
        part = match[1]
        if part in enclosing:
            faults.append(
                PromptFault("a part includes itself", source, repr(part), code="prompt.recursive-part")
            )
            return ""
        if part not in parts:
            remedy = f"Choose one of: {', '.join(sorted(parts))}."
            faults.append(PromptFault("unknown part", source, repr(part), remedy, code="prompt.unknown-part"))
            return ""
        text, part_faults = _include_parts(parts[part].strip(), parts, (*enclosing, part), source)
        faults.extend(part_faults)
        return text

    return PART.sub(include, body), faults


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(piece.strip() for piece in text.split(",") if piece.strip())


def _repeated(names: tuple[str, ...]) -> list[str]:
    return [name for index, name in enumerate(names) if name in names[:index]]
