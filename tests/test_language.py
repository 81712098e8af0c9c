"""Language of public text: no private dialect, plain module and class names, plain commit subjects.

Checked are documents, docstrings, comments, help texts and messages of the packages. The glossary has the
terms to use instead.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("prompts", "agents", "results", "finetune", "serve", "harness", "benchmarks", "scripts")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "docs/quickstart.ipynb"])

DIALECT = {  # pattern → what to write instead
    r"(?<!fore)\btold\b": "reported, given, configured",
    r"\btells? (?:who|what|how|why|where|whether|which|it|them|apart)\b": "reports, states, distinguishes",
    r"\bkin\b": "same family",
    r"\b(?:jury|juries|jurors?)\b": "judge panel",
    r"\bgild(?:ed|ing)?\b": "cheap + gold",
    r"\bpurses?\b": "budget",
    r"\blanes?\b": "endpoint",
    r"\bcrew\b": "workers",
    r"\bcontestants?\b": "author",
    r"\bwhoever\b": "name the person or component",
    r"\b(?:nobody|somebody|everybody)\b": "name the person or component",
    r"\bis no (?:more|such thing|longer than it)\b": "rephrase",
    r"\bknows? (?:nothing|neither|no)\b": "does not depend on",
    r"\b(?:never|not) hears? of\b": "does not depend on",
    r"\bin the midst\b": "during",
    r"\bknock(?:ed|s)? at\b": "connect to",
    r"\bbeforehand\b": "before",
    r"\banew\b": "again",
    r"\bthe very same\b": "the same",
    r"\b(?:is|are|was) to be (?:had|told|said|asked)\b": "use a verb",
    r"\bof its own accord\b": "by itself",
    r"\bstands? (?:in|beside|under|behind|for itself) (?:it|them|docs|the result)\b": "is in, is next to",
    r"\b(?:as|so) it (?:stands|came)\b": "unchanged",
    r"\bgone on with\b": "continued",
    r"\bgoes on\b": "continues",
    r"\band no more\b": "rephrase",
    r"\blooked at test\b|\blooks at test\b": "test-set use",
    r"\bposition preference\b": "first-position rate",
    r"\bsaid\b": "sent, given, stated",
    r"\b(?:that|what) is no\b": "is not a",
    r"\bof ours\b": "our, this project's",
    r"\b(?:ledger|catalogue|learners?|taste)\b": "request tracker, index, student, preference",
    r"(?<!math\.)\bfloors?\b": "baseline, layer",
}
RIDDLES = re.compile(r"\W*(?:What|Who|Whom|Whose|Where|How|Why|Of)\b")  # docstrings that open with a clause
EXCEPTIONS: dict[tuple[str, str], str] = {  # (file, words) → reason
    ("harness/engine/endpoint.py", "lane"): "key of the event log",
    ("harness/emulator/models.py", "taste"): "field that is hashed",
    ("results/statistics/selection_bias.py", "contestants"): "statistics: the authors that were compared",
    ("results/queries/judge_audits.py", "said"): "field of a result",
}
UNIQUE_EXCEPT: dict[str, str] = {}  # class name → why several classes share it
VERBS = ("need", "embed", "feed", "seed", "speed", "bring", "bias", "focus")


def name_of(path: Path) -> str:
    """Return a path relative to the repository."""
    return str(path.relative_to(ROOT))


def public_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every docstring, comment, message and help text of a module."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring and isinstance(node.body[0], ast.Expr):
                yield node.body[0].lineno, docstring
        elif isinstance(node, ast.Call):
            yield from _message_texts(node)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _message_texts(call: ast.Call) -> Iterator[tuple[int, str]]:
    """Yield the texts of an error, a help text or an output call."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    shown = function in ("UserError", "Fault", "echo", "option", "argument", "command", "group")
    shown = shown or function.endswith(("Error", "Warning", "_error", "_fault"))
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)] if shown else []:
        for node in ast.walk(argument):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.lineno, node.value


def dialect(name: str, line: int, text: str) -> list[str]:
    """Return every use of a word of the deny-list."""
    return [
        f"{name}:{line}: {match[0]!r}: {instead}"
        for pattern, instead in DIALECT.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
        if (name, match[0].lower()) not in EXCEPTIONS
    ]


@cache
def definitions() -> list[tuple[str, ast.ClassDef]]:
    """Return every class of the packages with its file."""
    return [
        (name_of(path), node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_document_is_in_plain_english(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    found = [each for at, line in enumerate(lines, 1) for each in dialect(name_of(document), at, line)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_texts_of_a_package_are_in_plain_english(package: str) -> None:
    found = [
        each
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, text in public_texts(path)
        for each in dialect(name_of(path), line, text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_docstring_opens_with_a_verb_or_a_noun(package: str) -> None:
    found = [
        f"{name_of(path)}:{node.body[0].lineno}: {docstring.splitlines()[0]}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if RIDDLES.match(docstring := ast.get_docstring(node) or "")
    ]
    assert not found, "\n".join(found)


def test_told_is_no_identifier() -> None:
    found = []
    for path in [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]:
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            if token.type == tokenize.NAME and re.fullmatch(r"_*told(?:_.*)?", token.string):
                found.append(f"{name_of(path)}:{token.start[0]}: {token.string}")
    assert not found, "\n".join(found)


def test_at_most_one_module_name_in_twenty_is_a_participle() -> None:
    names = [path.stem for path in SOURCES if path.stem != "__init__"]
    participles = [name for name in names if re.search(r"[a-z]{2}(?:ing|ed)$", name)]
    assert len(participles) <= 0.05 * len(names), participles


def test_a_class_name_means_one_class() -> None:
    places: dict[str, list[str]] = {}
    for name, node in definitions():
        if not node.name.startswith("_"):
            places.setdefault(node.name, []).append(name)
    several = {name: files for name, files in places.items() if len(files) > 1 and name not in UNIQUE_EXCEPT}
    assert not several, several


SHARED = {"render: render every finding by one function; write HTML tables in one place"}  # too long


def test_commit_subjects_have_a_scope_and_an_imperative() -> None:
    wrong = [subject for subject in subjects() if not is_plain_subject(subject) and subject not in SHARED]
    assert not wrong, "\n".join(wrong)


def subjects() -> list[str]:
    """Return the subjects of all commits since the one that added this test, without merges."""
    here = name_of(Path(__file__).resolve())
    added = _git("log", "--diff-filter=A", "--format=%H", "--", here).split()
    if not added:
        pytest.skip("no git history with this file")
    return _git("log", "--no-merges", "--format=%s", f"{added[-1]}..HEAD").splitlines()


def is_plain_subject(subject: str) -> bool:
    """Whether a subject is `scope: imperative …` of at most 72 characters."""
    match = re.fullmatch(r"[a-z][a-z0-9_-]*(?:, [a-z]+)?: ([A-Za-z]+)\b.*", subject)
    return (
        match is not None
        and len(subject) <= 72
        and (match[1] in VERBS or not re.search(r"(?:ed|ing|[^s]s)$", match[1]))
    )


@pytest.mark.parametrize(
    ("subject", "plain"),
    [
        ("results: rename Columns to JudgmentTable", True),
        ("docs: describe the database", True),
        ("engine: pass keys", True),
        ("Renamed things", False),
        ("results: renamed Columns", False),
        ("results: renames Columns", False),
        ("results: " + "rename " * 12, False),
    ],
)
def test_the_check_of_subjects(subject: str, plain: bool) -> None:
    assert is_plain_subject(subject) is plain


def test_the_check_of_texts() -> None:
    assert dialect("x.py", 1, "What died is told; nobody knows.")
    assert not dialect("x.py", 1, "Return the largest run of a contest (ties: the newest).")


def _git(*arguments: str) -> str:
    """Return what a git command prints; skip where there is no repository."""
    try:
        done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git history")
    return done.stdout
