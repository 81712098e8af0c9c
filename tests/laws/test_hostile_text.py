"""No text from data is obeyed by an output: every writer, and every finding through every writer.

Findings are discovered: every function `render_…` that returns a `Rendering` must occur in a case.
"""

from __future__ import annotations

import csv
import importlib
import io
import pkgutil
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len

import harness
import results
from agents.model_files.decoder_config import parse_decoder_config
from agents.output_escape import html_page, visible_text
from agents.types import Fidelity, ResponseSet
from finetune.checkpoint import Checkpoint
from finetune.config import TrainingConfig
from finetune.dialogue_selection import DialogueSelection
from finetune.memory_plan import load_base_config, plan_stage
from harness.data.method_selection import MethodSelection
from harness.data.splits import SplitOverlap
from harness.data.training_set_checks import StageDifference, TrainingSetDifference, inspect
from harness.serving.server import ServerOptions, estimate_serving
from harness.study.config_loader import load
from harness.study.estimate import EstimateLine
from harness.study.session import StudySession
from harness.study.stage_tables import StudyStages
from harness.terminal import output
from harness.workflows.bench import BenchResult
from harness.workflows.generate import GenerationResult
from harness.workflows.generation_cost import GenerationCost
from harness.workflows.judge_cost import CostEstimate
from harness.workflows.request_options import RequestOptions
from harness.workflows.response_sets import ResponseSetSummary
from harness.workflows.training_plan import TrainingEstimate
from harness.workflows.training_sets import TrainingSet
from results.paper.cells import published
from results.paper.table1 import CellResult, table1
from results.render.format import format_lines
from results.render.rendering import Rendering
from results.render.table import Column, Quantity, Table
from results.render.writers.csv import csv_table
from results.render.writers.html import html_rendering, html_table, readable
from results.render.writers.json import json_rendering
from results.render.writers.latex import latex_table
from results.render.writers.markdown import markdown_rendering
from tests.harness.cli.conftest import empathy, workplace  # noqa: F401
from tests.harness.cli.contests import LLMS, SAMPLE, A, B, C, change, judged
from tests.harness.study.test_status_tables import judged as judged_stage
from tests.hostile import HOSTILE
from tests.tables import table_text

Run = Callable[..., Any]
WIDTHS = (None, 80, 60, 40)
STYLE = re.compile(r"\x1b\[[0-9;]*m")
NAMES = (
    "\x1b[31mred\x9b2J\u202eevil[/red]:two:",
    '=1+1|`<b onclick="x()">x</b>` $\\frac{1}{2}$ &amp; ![x](//e)',
    "# heading [bold]many words[/bold]" + " end" * 9,
    "@SUM(A1)\u200b\u2028two lines",
)
JUDGE = "judge/\x1b]8;;http://e\x07[link=x]y[/link]|<i>"
ALLOWED_TAGS = {"div", "table", "thead", "tbody", "tr", "th", "td", "span", "p"}
ALLOWED_ATTRIBUTES = {
    *("class", "role", "aria-labelledby", "tabindex", "scope", "colspan", "data-judge"),
}


# -- what a reader obeys -------------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    """Return a text without spaces and rules."""
    return re.sub(r"[\s│┃─━┏┓┗┛└┘┡┩╇┳┴┬┼├┤╋┠┨]", "", STYLE.sub("", text))


def assert_harmless(text: str) -> None:
    """Assert that a text has no control characters, escapes or direction marks."""
    obeyed = [
        char
        for char in STYLE.sub("", text)
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") and char not in "\n\t\u200c\u200d"
    ]
    assert obeyed == []


class Page(HTMLParser):
    """Tags, attributes and text of an HTML fragment."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def columns_of(text: str) -> str:
    """Return what is printed, read column by column within each table."""
    read: dict[tuple[int, int], str] = {}
    table = 0
    for line in STYLE.sub("", text).splitlines():
        table += line[:1] == "┏"
        parts = re.split("[│┃]", line)[1:-1] if line[:1] in "│┃" else [line]
        for at, part in enumerate(parts):
            read[table, at] = read.get((table, at), "") + part
    return squeezed("\n".join(read.values()))


def cells_of(table: Table) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield every value with its formatted lines."""
    for row in table.rows:
        for cell, column in zip(row.cells, table.columns, strict=True):
            yield cell, format_lines(cell, column.unit)


def check_table(table: Table) -> None:
    """Write a table in every format; check that it is complete and that nothing in it is obeyed."""
    check_terminal(table)
    check_records(table)
    page = Page(html_page(html_table(table, "label")))
    assert set(page.tags) <= ALLOWED_TAGS
    assert page.attributes <= ALLOWED_ATTRIBUTES
    sections = sum(bool(row.section) for row in table.rows)
    assert page.tags.count("tr") == 1 + sections + len(table.rows)
    assert (
        page.tags.count("th") + page.tags.count("td") == len(table.columns) * (1 + len(table.rows)) + sections
    )
    assert_harmless(page.text)
    for cell, lines in cells_of(table):
        if isinstance(cell, str):
            assert all(squeezed(readable(line)) in squeezed(page.text) for line in lines)
    check_markdown(table)
    latex = latex_table(table, table.caption, "tab:x")
    assert_harmless(latex)
    assert latex.count("\\input") == latex.count("\\frac") == 0


def is_number(cell: Any) -> bool:
    """Return whether a cell is a number, or a tuple of numbers."""
    parts = cell if isinstance(cell, tuple) else (cell,)
    return not any(isinstance(part, str | Quantity) for part in parts)


def check_terminal(table: Table) -> None:
    """Check that the table fits every width, with every number in one line and every heading."""
    for width in WIDTHS:
        text = table_text(table, width)
        assert_harmless(text)
        if width is not None:
            assert max(map(cell_len, text.splitlines())) <= width
        read, lines_of_text = columns_of(text), text.splitlines()
        for column in table.columns:
            assert squeezed(visible_text(column.heading, one_line=True)) in read, (column.heading, width)
        for cell, lines in cells_of(table):
            for line in lines:
                shown = visible_text(line, one_line=True)
                assert squeezed(shown) in read or squeezed(shown) in squeezed(text), (line, width)
                if is_number(cell) and len(line) < 16:
                    assert any(shown in each for each in lines_of_text), (line, width)


def check_records(table: Table) -> None:
    """Check records and CSV: every row and key, and no formula."""
    keys = [key for column in table.columns for key in column.keys]
    assert [list(record) for record in table.records()] == [list(dict.fromkeys(keys))] * len(table.rows)
    text = csv_table(table)
    assert_harmless(text)
    written = list(csv.reader(io.StringIO(text, newline="")))
    assert len(written) == 1 + len(table.rows)
    assert all(len(row) == len(keys) for row in written)
    for row in written[1:]:
        for value in row:
            assert not re.match(r"[=+@\t\r\n＝＋＠]|-(?!\d|$)", value), value


def check_markdown(table: Table) -> None:
    """Check that Markdown has the table's cells and nothing else."""
    text = markdown_rendering(Rendering({}, (table,)), table.title or "title")
    assert_harmless(text)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    kinds = [token.type for token in tokens] + [
        child.type for token in tokens for child in token.children or ()
    ]
    sections = sum(bool(row.section) for row in table.rows)
    assert kinds.count("tr_open") == 1 + sections + len(table.rows)
    assert kinds.count("td_open") == (sections + len(table.rows)) * len(table.columns)
    assert not {
        kind for kind in kinds if kind.startswith(("html", "link", "image", "code", "fence", "strong"))
    }
    assert kinds.count("heading_open") == 1 + bool(table.title)


# -- every writer --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*HOSTILE, "lone \ud800 surrogate", *NAMES, JUDGE])
def test_every_writer_escapes_every_text(text: str) -> None:
    columns = [Column("name", text), Column("x", text, "percent"), Column("y", text, "lines", "right")]
    table = Table(text, text, columns, caveats=(text,))
    table.add_row(text, 0.123, (text, Quantity((0.1, 0.2), "percent_range")), hint=text)
    table.add_section(text, text)
    table.add_row(text, text, (text,))
    check_table(table)
    document = json_rendering(Rendering({text: [text]}))
    assert_harmless(document.decode())


# -- every finding -------------------------------------------------------------------------------------------


def modules() -> Iterator[ModuleType]:
    """Yield every module of the packages that render."""
    for package in (results, harness):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def render_functions() -> dict[str, Callable[..., Rendering]]:
    """Return every public function that returns a `Rendering`, by name."""
    return {
        name: function
        for module in modules()
        for name, function in vars(module).items()
        if name.startswith("render_")
        and getattr(function, "__annotations__", {}).get("return") in ("Rendering", Rendering)
    }


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Rendering]]:
    """Record what every render function returns, wherever it is imported."""
    recorded: dict[str, list[Rendering]] = {name: [] for name in render_functions()}

    def recording(name: str, function: Callable[..., Rendering]) -> Callable[..., Rendering]:
        def record(*args: Any, **options: Any) -> Rendering:
            rendering = function(*args, **options)
            recorded[name].append(rendering)
            return rendering

        return record

    wrapped = {function: recording(name, function) for name, function in render_functions().items()}
    for module in list(sys.modules.values()):
        if module.__name__.partition(".")[0] in ("results", "harness"):
            for name, value in list(vars(module).items()):
                if callable(value) and value.__class__.__name__ == "function" and value in wrapped:
                    monkeypatch.setattr(module, name, wrapped[value])
    return recorded


def rename_everyone() -> None:
    """Give the authors and one judge of the database hostile names, as an older version stored them."""
    for plain, name in zip((A, B, *LLMS[2:]), NAMES, strict=True):
        quoted = name.replace("'", "''")
        for table in ("response_set", "response"):
            change(f"update {table} set author = '{quoted}' where author = '{plain}'")
    change("update judge set name = '" + JUDGE.replace("'", "''") + "' where name = 'control/longer'")


def run_commands(empathy: Run) -> None:  # noqa: F811
    """Run every command that renders a result, on hostile names where the database holds them."""
    judged(empathy, *((llm, C) for llm in LLMS), (A, B), by=("control/ratings", "control/longer"))
    dry = ("--data", "sample", "--emulate", "--dry-run")
    commands: list[tuple[str, ...]] = [("audit", "--data", "sample")]
    rename_everyone()
    one, other, *more = NAMES
    against = ("--opponent", C, "--split", "all")
    commands += [
        ("compare", one, other, *against, "--margin", "0.1", "--single-orders"),
        ("compare", "--all", *against),
        ("compare", "--all", "--pairwise", *against),
        ("compare", f"{one},{other}", ",".join(more), *against),
        ("compare", ",".join(NAMES), *against, "--variance", "2"),
        ("leaderboard", "--split", "all"),
        ("leaderboard", "--split", "all", "--controlled"),
        ("judge", one, other, *SAMPLE, "--judge", "control/first", "--group-by", "emotion"),
        ("judge", one, C, *SAMPLE, "--judge", "control/first", "--stop-when", "decided"),
        ("judge", one, C, *SAMPLE, "--cheap", "control/longer", "--gold", "control/first"),
        ("judge", one, other, *SAMPLE, "--judge", "openai/gpt-4o", "--emulate", "--dry-run"),
        ("rejudge", "last"),
        ("rejudge", "--reparse"),
        ("profile", one, other, "--data", "sample"),
        ("respond", "openai/gpt-4o", *dry),
        ("respond", "openai/gpt-4o", *dry[:-1], "--limit", "2", "--yes", "--quiet"),
        ("plan", "tiny", "--data", "sample"),
        ("audit", "openai/gpt-4o", *dry),
        ("paper", "table1"),
        ("data", "describe", "--data", "sample"),
        ("data", "build", "--method", "direct", "--data", "sample", "--out", "set"),
        ("data", "inspect", "set", "--data", "sample"),
        ("prompts", "list"),
    ]
    for command in commands:
        done = empathy(*command)
        assert done.code == 0, (command, done.err)
        assert_harmless(done.out + done.err)


def render_training_sets(render: dict[str, Callable[..., Rendering]]) -> None:
    """Render selections, training sets and their differences with hostile names."""
    overlap = SplitOverlap(((NAMES[0], NAMES[1]),), 0)
    none = DialogueSelection((), ())
    render["render_selection"](MethodSelection("direct", JUDGE, Fidelity.PAPER, none, (), (), overlap))
    inspected = inspect(Path("set"))
    manifest = {**inspected.data.manifest, "excluded": {NAMES[0]: 1}}
    render["render_training_set"](TrainingSet(Path(NAMES[1]), manifest))
    rows = [{"dialogue": NAMES[2], "role": NAMES[1], "completion": NAMES[0]}]
    folder = replace(inspected.data, manifest=manifest)
    render["render_inspection"](replace(inspected, data=folder, leaks={JUDGE: 1}, samples={"sft": rows}))
    stage = StageDifference("sft", (1, 2), 1, {NAMES[0]: 1}, {NAMES[1]: 2})
    render["render_training_set_difference"](TrainingSetDifference((stage,), (JUDGE,)))


WITHOUT_NAMES = {"render_contest_design", "render_dataset", "render_prompts"}


def is_hostile(rendering: Rendering) -> bool:
    """Return whether any hostile name occurs in a rendering."""
    return any(name in str(rendering) or repr(name)[1:-1] in str(rendering) for name in (*NAMES, JUDGE))


def test_every_finding_through_every_writer(empathy: Run, rendered: dict[str, list[Rendering]]) -> None:  # noqa: F811
    run_commands(empathy)
    render = render_functions()  # recording
    study = load("tiny")
    render["render_status"](study, [judged_stage(f"{NAMES[0]} : {NAMES[1]}", JUDGE, 0.5)])
    render["render_estimate"](study, [EstimateLine("judge", NAMES[0], 2, 1, 5, note=NAMES[1])], 1.0)
    numbers = (1, 2, 3, 4, None, 0.5, None)
    render["render_generation_cost"]([GenerationCost(NAMES[0], *numbers)])
    render["render_judging_cost"]([CostEstimate(NAMES[0], *numbers)])
    responses = ResponseSet("set-1:x", NAMES[0], NAMES[1], "")
    made = ResponseSetSummary(responses, 3, 2, {"refused": 1}, 0, 0, 0, 0, 0, {}, 12.5, 0.5)
    plan: Any = SimpleNamespace(split=NAMES[1], pairs=())
    render["render_audit_cost"]([(plan, CostEstimate(NAMES[0], *numbers))])
    generated = GenerationResult("run", "direct", {"split": "test"}, (made,), {}, 0.5)
    render["render_generation"](generated)
    render["render_bench"](BenchResult(NAMES[0], generated, {}, {}))
    shape = parse_decoder_config(load_base_config("meta-llama/Llama-3.1-8B"), "")
    stage = plan_stage(shape, TrainingConfig(), "sft", (100, 200), (50, 60), 8000)
    plans = ((stage, {NAMES[1]: 1}),)
    render["render_training_plan"](TrainingEstimate(NAMES[0], 8, 8000, plans, batch=2, measured=False))
    record = {"name": NAMES[0], "stage": "sft", "losses": {}, "margins": {}, "weights": "weights-1:x"}
    render["render_checkpoint"](Checkpoint(Path("folder"), record))
    render["render_merged_model"](record, Path("folder"))
    render_training_sets(render)
    render["render_server"](NAMES[0], JUDGE, NAMES)
    memory = estimate_serving(ServerOptions(base="meta-llama/Llama-3.1-8B"), adapters=1)
    render["render_serving_estimate"](replace(memory, base=NAMES[0]))
    session = StudySession("tiny", (), None, NAMES[0], None, Path("runs"), RequestOptions())
    statuses = [replace(judged_stage("a : b", JUDGE, 0.5), why=NAMES[1])]
    study_stages = StudyStages(NAMES[0], tuple(status.stored for status in statuses))
    render["render_study_stages"](session, statuses)
    render["render_stored_study"](study_stages)
    render["render_studies"]([study_stages])
    ours = CellResult(0.6, 0.5, 0.7, 0.2, 250, "run", JUDGE, tuple(NAMES), same_family=True)
    render["render_replication"](table1({next(iter(published())): ours}), ())
    missing = [name for name, renderings in rendered.items() if not renderings]
    assert missing == [], "add a command to run_commands"
    plain = {name for name, renderings in rendered.items() if not any(map(is_hostile, renderings))}
    assert plain == WITHOUT_NAMES
    for renderings in rendered.values():
        for rendering in renderings:
            for table in rendering.tables:
                check_table(table)
            document = json_rendering(rendering)
            assert_harmless(document.decode())
            assert_harmless(markdown_rendering(rendering, "title"))
            page = Page(html_page(html_rendering(rendering)))
            assert set(page.tags) <= {*ALLOWED_TAGS, "strong", "ul", "li"}
            assert_harmless(page.text)


def test_the_pages_show_hostile_names_and_obey_none(empathy: Run, workplace: Path) -> None:  # noqa: F811
    judged(empathy, (A, B), by=("control/ratings", "control/longer"))
    assert empathy("audit", "--data", "sample", "--limit", "20", "--page", "audit.html").code == 0
    rename_everyone()
    for form in ("md", "csv", "json", "html"):
        done = empathy("report", "last", "--format", form, "--out", f"r.{form}")
        assert done.code == 0, done.err
        assert_harmless((workplace / f"r.{form}").read_text(encoding="utf-8"))
    for name in ("r.html", "audit.html"):
        page = Page((workplace / name).read_text(encoding="utf-8"))
        assert not {"b", "i", "img", "iframe"} & set(page.tags)
        assert not {attribute for attribute in page.attributes if attribute.startswith("on")}
        if name == "r.html":
            assert all(squeezed(readable(each)) in squeezed(page.text) for each in NAMES[:2])


def test_printed_renderings_obey_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "width_of_terminal", lambda stream: 40)
    table = Table(NAMES[0], columns=[Column("name")])
    table.add_row(NAMES[1])
    rendering = Rendering({"name": NAMES[0]}, (table,), NAMES, NAMES)
    output.print_rendering(rendering)
    output.print_rendering(rendering, as_json=True)
    assert_harmless(capsys.readouterr().out)
