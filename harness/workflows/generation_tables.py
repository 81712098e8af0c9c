"""Result of a generation run: one row per response set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import TypedDict

from agents.generation import ExclusionReason
from agents.models.response_model import answering_model_note
from agents.models.spec import is_emulated
from agents.text_extraction import WORD_LIMIT
from harness.workflows.generate import GenerationResult
from harness.workflows.response_sets import ResponseSetSummary
from results.analysis.endpoint_report import EndpointReport
from results.render.documents import RequestCountsDocument
from results.render.format import EMULATED_NOTE, format_usd
from results.render.rendering import Rendering
from results.render.table import Column, Table


class ResponseSetDocument(TypedDict):
    """Responses of one author.

    Attributes:
        author: the author.
        response_set: id of the response set.
        provenance: how the responses were made.
        dialogues: number of dialogues.
        responses: number of usable responses.
        excluded: number of unusable completions by reason.
        missing: number of dialogues without a completion.
        truncated: number of completions that were cut off at the token limit.
        rambling: number of responses that continue past their end.
        over_limit: number of responses with more than 97 words.
        unchanged: number of improved responses that equal the initial ones.
        retried_responses: number of responses that needed more than one attempt.
        dimensions: number of responses by the dimension of empathy that the teacher named as lacking.
        mean_words: mean number of words; null without responses.
        cost_usd: cost of all completions; null if unknown.
    """

    author: str
    response_set: str
    provenance: str
    dialogues: int
    responses: int
    excluded: dict[str, int]
    missing: int
    truncated: int
    rambling: int
    over_limit: int
    unchanged: int
    retried_responses: int
    dimensions: dict[str, int]
    mean_words: float | None
    cost_usd: float | None


class EndpointDocument(RequestCountsDocument):
    """Work of one process for one model.

    Attributes:
        spent_usd: cost of its requests, in US dollars.
        stopped: why the endpoint was disabled, or "".
    """

    spent_usd: float | None
    stopped: str


class GenerationDocument(TypedDict):
    """Generation run.

    Attributes:
        run: id of the run.
        kind: kind of the run.
        spec: inputs of the run.
        interrupted: whether this process was interrupted.
        emulated: whether any model is emulated.
        cost_usd: cost of all completions, shared ones counted once; null if unknown.
        response_sets: responses of each author.
        models: what this process did, by model.
    """

    document: Literal["generation"]
    run: str
    kind: str
    spec: dict[str, Any]
    interrupted: bool
    emulated: bool
    cost_usd: float | None
    response_sets: list[ResponseSetDocument]
    models: dict[str, EndpointDocument]


def render_generation(summary: GenerationResult) -> Rendering:
    """Render the response sets: one row each."""
    return Rendering(generation_document(summary), (_table(summary),), caveats=tuple(_caveats(summary)))


def generation_document(summary: GenerationResult) -> GenerationDocument:
    """Return the result as JSON data."""
    return {
        "document": "generation",
        "run": summary.run_id,
        "kind": summary.kind,
        "spec": dict(summary.spec),
        "interrupted": summary.interrupted,
        "emulated": _emulated(summary),
        "cost_usd": summary.cost_usd,
        "response_sets": [_set_data(response_set) for response_set in summary.sets],
        "models": {name: _endpoint_data(endpoint) for name, endpoint in summary.endpoints.items()},
    }


def _set_data(response_set: ResponseSetSummary) -> ResponseSetDocument:
    return {
        "author": response_set.name,
        "response_set": response_set.response_set.id,
        "provenance": response_set.response_set.made,
        "dialogues": response_set.dialogues,
        "responses": response_set.responses,
        "excluded": dict(response_set.flaws),
        "missing": response_set.missing,
        "truncated": response_set.flaws.get(ExclusionReason.TRUNCATED, 0),
        "rambling": response_set.rambling,
        "over_limit": response_set.over_limit,
        "unchanged": response_set.unchanged,
        "retried_responses": response_set.asked_again,
        "dimensions": dict(response_set.dimensions),
        "mean_words": response_set.mean_words,
        "cost_usd": response_set.cost_usd,
    }


def _endpoint_data(endpoint: EndpointReport) -> EndpointDocument:
    return {
        "made": endpoint.made,
        "reused": endpoint.reused,
        "retried": endpoint.retried,
        "rate_limited": endpoint.rate_limited,
        "failed": endpoint.failed,
        "spent_usd": endpoint.spent_usd,
        "stopped": endpoint.stopped,
    }


def _table(summary: GenerationResult) -> Table:
    """Return a row for each response set; empty columns are named below it."""
    first = summary.sets[0]
    authors = {response_set.response_set.author for response_set in summary.sets}
    title = f"{summary.kind}: {first.dialogues:,} dialogues of the {summary.spec['split']} split"
    if len(authors) == 1:
        title = f"{first.response_set.author} {title}"
    table = Table(title, columns=[Column("author"), *COLUMNS] if len(authors) > 1 else list(COLUMNS))
    for response_set in summary.sets:
        table.add_row(
            *((response_set.response_set.author,) if len(authors) > 1 else ()),
            response_set.response_set.preset,
            response_set.responses,
            response_set.missing,
            sum(response_set.flaws.values()),
            response_set.rambling,
            response_set.over_limit,
            response_set.unchanged,
            response_set.asked_again,
            response_set.mean_words,
            response_set.cost_usd,
        )
    shown = table.without_empty_columns({column.key for column in OPTIONAL})
    none = [column.heading for column in OPTIONAL if column not in shown.columns]
    shown.caption = f"None of: {', '.join(none)}." if none else ""
    return shown


OPTIONAL = (
    Column("missing", unit="count"),
    Column("flawed", unit="count"),
    Column("rambling", unit="count"),
    Column("over_limit", f"> {WORD_LIMIT} words", "count"),
    Column("unchanged", unit="count"),
    Column("asked_again", "again", "count"),
)
COLUMNS = (
    Column("preset"),
    Column("responses", unit="count"),
    *OPTIONAL,
    Column("mean_words", "words", "tenths"),
    Column("cost_usd", "cost", "usd"),
)


def _caveats(summary: GenerationResult) -> list[str]:
    """Return the caveats of the table."""
    notes = [EMULATED_NOTE] if _emulated(summary) else []
    for response_set in summary.sets:
        if response_set.flaws:
            notes.append(f"{response_set.name}: excluded: {format_counts(response_set.flaws)}")
        if response_set.dimensions:
            notes.append(f"{response_set.name}: named as lacking: {format_counts(response_set.dimensions)}")
    for name, endpoint in summary.endpoints.items():
        notes += filter(
            None, [answering_model_note(name, name.partition("/")[2], endpoint.answers, judging=False)]
        )
        notes.append(
            f"{name}: {endpoint.made:,} requests sent, {endpoint.reused:,} answers reused, "
            f"{endpoint.retried:,} retries"
        )
    if len(summary.sets) > 1:
        notes.append(f"total {format_usd(summary.cost_usd)}; an answer that several sets share counts once")
    return notes


def format_counts(counts: Mapping[str, int]) -> str:
    """Format counts by reason: `refused 2, truncated 1`."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _emulated(summary: GenerationResult) -> bool:
    return any(
        is_emulated(response_set.response_set.author.partition("/")[2]) for response_set in summary.sets
    )
