"""What the documents say is there: every relative link, every anchor, every command line and make target."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness.cli import root

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("harness/*/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(`{3,}|~{3,})")
INLINE = re.compile(r"(?<!`)`(empathy [a-z-][^`|\n]*)`(?!`)")
VARIABLES = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?=empathy )")
PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*|.*[…<].*")
SAID = re.compile(r"(?:with: |`)empathy ([a-z-]+(?: [a-z-]+)?)")  # in the program's own words


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parts(document: Path) -> tuple[list[str], list[str]]:
    """(lines of text, lines within fenced blocks, continued lines joined)."""
    text: list[str] = []
    fenced: list[str] = []
    fence = ""
    for line in document.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        found = FENCE.match(line.strip())
        if found and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else found[1]
        else:
            (fenced if fence else text).append(line)
    assert not fence, f"{name_of(document)}: a fence without an end"
    return text, fenced


def anchors(document: Path) -> set[str]:
    """A document's headings as GitHub names them."""
    headings = [line.lstrip("#").strip() for line in parts(document)[0] if line.startswith("#")]
    bare = [re.sub(r"[^\w\- ]", "", re.sub(r"`|\]\([^)]*\)", "", heading)).lower() for heading in headings]
    return {heading.replace(" ", "-") for heading in bare}


def commands(document: Path) -> Iterator[tuple[str, bool]]:
    """Every `empathy …` of a document, without what stands before it and the comment after it; and whether
    it is written out, to be copied (in a fenced block), or only named."""
    text, fenced = parts(document)
    for line in fenced:
        if VARIABLES.match(line.strip()):
            yield re.sub(r"\s+[#>]\s.*", "", VARIABLES.sub("", line.strip())), True
    for line in text:
        yield from ((found, False) for found in INLINE.findall(line))


COMMANDS = [(name_of(document), *found) for document in DOCUMENTS for found in commands(document)]


def mistake_of(line: str, whole: bool = True) -> str:
    """What is wrong with a command line (which may want for something, if it is not whole), or "".

    Nothing is run.
    """
    words = shlex.split(line)[1:]
    command: click.Command = root
    context = click.Context(root, info_name="empathy")
    try:
        while isinstance(command, click.Group) and words:
            name, found, words = command.resolve_command(context, words)
            assert found is not None
            assert name is not None
            command, context = found, click.Context(found, parent=context, info_name=name)
        if [*words] in (["--help"], ["--version"]) or isinstance(command, click.Group):
            return ""
        command.make_context(context.info_name, list(words), parent=context.parent)
    except click.MissingParameter as error:
        return error.format_message() if whole else ""
    except click.BadParameter as error:
        left_open = any(PLACEHOLDER.fullmatch(word) for word in words) or "exist" in error.format_message()
        return "" if left_open else error.format_message()
    except click.UsageError as error:
        return error.format_message()
    return ""


def test_there_is_something_to_check() -> None:
    assert {"README.md", "docs/architecture.md"} <= {name_of(document) for document in DOCUMENTS}
    assert len(COMMANDS) > 10


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("empathy judge A B --judge control/first --split all", False),
        ("empathy judge A B --judge control/first --splt all", True),
        ("empathy judge A B C --judge control/first", True),
        ("empathy judge dataset:human dataset:gpt-4", True),
        ("empathy jugde A B", True),
        ("empathy data split --method over-human", False),
        ("empathy data split --method best", True),
        ("empathy emulate --port 8901 --rpm 3000 --latency-ms 300", False),
        ("empathy emulate --port many", True),
        ("empathy data", False),
    ],
)
def test_the_check_itself(line: str, wrong: bool) -> None:
    assert bool(mistake_of(line)) is wrong


@pytest.mark.parametrize(("document", "line", "whole"), COMMANDS, ids=str)
def test_a_command_line_can_be_given(document: str, line: str, whole: bool) -> None:
    assert mistake_of(line, whole) == "", f"{document}: {line}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    broken = []
    for target in LINK.findall("\n".join(parts(document)[0])):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (document.parent / path).resolve() if path else document
        missing = not aim.exists() or not aim.is_relative_to(ROOT)
        if missing or (anchor and aim.suffix == ".md" and anchor not in anchors(aim)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_make_target_is_there(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text, fenced = parts(document)
    named = {word for line in fenced for word in re.findall(r"^\s*make ([a-z-]+)", line)}
    named |= {word for line in text for word in re.findall(r"`make ([a-z-]+)`", line)}
    assert named <= targets


def test_every_command_that_the_program_names_is_there() -> None:
    unknown = []
    for room in ("prompts", "agents", "results", "finetune", "serve", "harness"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for said in SAID.findall(path.read_text(encoding="utf-8")):
                words = said.split()
                group = words[0] in ("data", "train")
                if mistake_of(" ".join(["empathy", *(words if group else words[:1])]), whole=False):
                    unknown.append(f"{name_of(path)}: empathy {said}")
    assert unknown == []
