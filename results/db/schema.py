"""Tables of the database. `docs/architecture.md` explains them and lists useful queries.

Keys are content ids (see `agents/hashing.py`) wherever a value is identified by its content; only an
invocation, which happens once, has a random id. Times are seconds since 1970, money is US dollars, rates lie
in [0, 1].
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Table
from sqlmodel import Field, MetaData, SQLModel

_ONE_TREE = {"sqlite_with_rowid": False}  # SQLite stores the rows in the key's tree: half the writes
SCHEMA_VERSION = 5
ADDED_TO = 2  # oldest version that only lacks tables and can be upgraded


class _Row(SQLModel):
    """Base of the tables, with separate metadata so that other sqlmodel tables in the process are not
    included.
    """

    metadata: ClassVar[MetaData] = MetaData()


class MetaRow(_Row, table=True):
    """Key-value table; `schema` holds the schema version."""

    __tablename__: ClassVar[Any] = "meta"
    name: str = Field(primary_key=True)
    value: str


class RunRow(_Row, table=True):
    """One run: a workflow with its specification. The same specification is the same run."""

    __tablename__: ClassVar[Any] = "run"
    id: str = Field(primary_key=True)
    kind: str
    spec: str  # canonical JSON: everything that determines the requests
    created_at: float


class InvocationRow(_Row, table=True):
    """One process that worked on a run; owner of claims and of costs."""

    __tablename__: ClassVar[Any] = "invocation"
    id: str = Field(primary_key=True)
    run_id: str = Field(index=True)
    command: str
    context: str  # JSON: versions, git state, seed, limits
    started_at: float
    ended_at: float | None = None
    place: str  # machine, boot and process namespace in which `pid` is valid
    pid: int
    process_started: str  # distinguishes a process from a later one with the same pid
    heartbeat: int = 0
    spent_usd: float = 0.0
    reserved_usd: float = 0.0


class DialogueRow(_Row, table=True):
    """A dialogue; `key` is the content id of id, situation and utterance."""

    __tablename__: ClassVar[Any] = "dialogue"
    key: str = Field(primary_key=True)
    id: str = Field(index=True)
    situation: str
    utterance: str
    emotion: str
    sentiment: str
    part: str


class ResponseSetRow(_Row, table=True):
    """All responses of one author made under one preset."""

    __tablename__: ClassVar[Any] = "response_set"
    id: str = Field(primary_key=True)
    author: str = Field(index=True)
    preset: str
    made: str


class SetAskingRow(_Row, table=True):
    """Tokenizer identity of an author, for response sets whose id does not include it."""

    __tablename__: ClassVar[Any] = "set_asking"
    set_id: str = Field(primary_key=True)
    asking: str  # content id of tokenizer, template and end tokens


class ResponseRow(_Row, table=True):
    """The response of one author to one dialogue."""

    __tablename__: ClassVar[Any] = "response"
    id: str = Field(primary_key=True)
    dialogue: str
    set_id: str
    author: str
    text: str
    raw: str = ""


class PromptRow(_Row, table=True):
    """Text of a used prompt, by version; enough to render every request again."""

    __tablename__: ClassVar[Any] = "prompt"
    version: str = Field(primary_key=True)
    name: str
    text: str


class JudgeRow(_Row, table=True):
    """A judge: model, address, prompt and parameters."""

    __tablename__: ClassVar[Any] = "judge"
    id: str = Field(primary_key=True)
    name: str
    provider: str
    model: str
    identity: str
    prompt_version: str
    sampling: str  # JSON


class ContestRow(_Row, table=True):
    """A contest of a run: author A's responses against author B's under one judge."""

    __tablename__: ClassVar[Any] = "contest"
    run_id: str = Field(primary_key=True)
    judge_id: str = Field(primary_key=True)
    set_a: str = Field(primary_key=True)
    set_b: str = Field(primary_key=True)
    samples: int = 1


class RunDialogueRow(_Row, table=True):
    """The dialogues of a run, in seeded order."""

    __tablename__: ClassVar[Any] = "run_dialogue"
    run_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    dialogue: str


class CompletionRow(_Row, table=True):
    """A completion, by the key of its request."""

    __tablename__: ClassVar[Any] = "completion"
    key: str = Field(primary_key=True)
    invocation_id: str
    model: str
    text: str
    finish: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    logprobs: str | None = None  # JSON: [[token, logprob, [[token, logprob], …]], …]
    server_model: str = ""
    request_id: str = ""
    latency_seconds: float | None = None
    cost_usd: float | None = None  # None: unknown price
    answered_at: float


class AttemptRow(_Row, table=True):
    """A failed attempt of a request."""

    __tablename__: ClassVar[Any] = "attempt"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(index=True)
    invocation_id: str
    model: str
    failure: str
    status: int | None = None
    message: str
    tries: int
    cost_usd: float | None = None
    failed_at: float


class ClaimRow(_Row, table=True):
    """A request that an invocation has claimed."""

    __tablename__: ClassVar[Any] = "claim"
    __table_args__ = _ONE_TREE
    key: str = Field(primary_key=True)
    invocation_id: str


class JudgmentRow(_Row, table=True):
    """Judgment parsed from a completion: a preference, or the unscored reason."""

    __tablename__: ClassVar[Any] = "judgment"
    __table_args__ = _ONE_TREE
    # in this order the primary key also serves look-ups by contest; no second index is needed
    judge_id: str = Field(primary_key=True)
    dialogue: str = Field(primary_key=True)
    first: str = Field(primary_key=True)
    second: str = Field(primary_key=True)
    sample: int = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    parser: str = Field(primary_key=True)
    call_key: str = Field(primary_key=True)
    preference: str | None = None  # first, second or tie
    p_first: float | None = None
    p_second: float | None = None
    p_tie: float | None = None
    outside: float | None = None
    unscored: str | None = None  # the reason; the completion has the raw text


class GenerationRow(_Row, table=True):
    """Generated text parsed from a completion, with the reason to exclude it."""

    __tablename__: ClassVar[Any] = "generation"
    call_key: str = Field(primary_key=True)
    set_id: str = Field(primary_key=True, index=True)
    dialogue: str = Field(primary_key=True)
    step: int = Field(primary_key=True)  # step of a chain of prompts, from 1
    attempt: int
    reader: str
    text: str  # extracted; the completion has the raw text
    flaw: str  # exclusion reason; "" if usable
    words: int
    unchanged: bool
    dimension: str


class CheckpointRow(_Row, table=True):
    """A trained or evaluated student: its record and its training metrics."""

    __tablename__: ClassVar[Any] = "checkpoint"
    id: str = Field(primary_key=True)  # content id of base weights, adapter and prompt encoding
    name: str = Field(primary_key=True, index=True)  # `student:NAME`
    stage: str
    base: str
    parent: str  # id of the checkpoint it was trained from; "" for the base
    folder: str  # folder where it was last seen
    record: str  # checkpoint.json
    metrics: str  # JSON: one object per optimiser step
    registered_at: float


class StudyRow(_Row, table=True):
    """A study: what it is about, and how it was run last."""

    __tablename__: ClassVar[Any] = "study"
    name: str = Field(primary_key=True)
    title: str
    spec: str  # JSON: what a report says about it
    session: str  # JSON: the options that continue it
    budget_usd: float | None = None
    created_at: float
    updated_at: float


class StudyRunRow(_Row, table=True):
    """A run that belongs to a study; its spending counts towards the study's budget."""

    __tablename__: ClassVar[Any] = "study_run"
    study: str = Field(primary_key=True)
    run_id: str = Field(primary_key=True, index=True)


class StudyStageRow(_Row, table=True):
    """The latest state of a stage of a study."""

    __tablename__: ClassVar[Any] = "study_stage"
    study: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    kind: str
    position: int
    state: str  # done, running, failed, blocked, ready, waiting
    key: str  # of its record; "" while a needed stage is not done
    why: str  # the reason if it failed or is blocked
    changed_at: float


class StageRecordRow(_Row, table=True):
    """A finished stage, by the content id of its inputs; studies share it."""

    __tablename__: ClassVar[Any] = "stage_record"
    key: str = Field(primary_key=True)
    kind: str
    name: str
    output: str  # content id
    result: str  # JSON: what later stages and tables need
    needed: str  # JSON: outputs of the needed stages, by name
    settings: str  # JSON: what else affects the output
    seconds: float
    ended_at: float


def table(row: type[_Row]) -> Table:
    """Return the SQLAlchemy table of a row class."""
    sql_table: Table = row.__table__  # type: ignore[attr-defined]  # sqlmodel adds it at run time
    return sql_table
