"""The database's tables. What they mean, and queries worth knowing, stands in `docs/architecture.md`.

Keys are content ids (see `agents/hashing.py`) wherever a thing is known by what it is; only an invocation,
which happens once, has a random id. Times are seconds since 1970; money is US dollars; rates lie in [0, 1].
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Table
from sqlmodel import Field, MetaData, SQLModel

_ONE_TREE = {"sqlite_with_rowid": False}  # SQLite keeps the rows in the key's own tree: half the work
SCHEMA_VERSION = 4
ADDED_TO = 2  # the oldest version to which nothing but whole tables was added: it is brought up to date


class _Row(SQLModel):
    """Our own metadata: another library's sqlmodel tables in the same process are not ours."""

    metadata: ClassVar[MetaData] = MetaData()


class MetaRow(_Row, table=True):
    """`schema`: the version of these tables."""

    __tablename__: ClassVar[Any] = "meta"
    name: str = Field(primary_key=True)
    value: str


class RunRow(_Row, table=True):
    """One question asked of the data; the same question again is the same run."""

    __tablename__: ClassVar[Any] = "run"
    id: str = Field(primary_key=True)
    kind: str
    spec: str  # canonical JSON: everything that decides what is asked
    created_at: float


class InvocationRow(_Row, table=True):
    """One start of a process that worked on a run; owner of claims, bearer of costs."""

    __tablename__: ClassVar[Any] = "invocation"
    id: str = Field(primary_key=True)
    run_id: str = Field(index=True)
    command: str
    context: str  # JSON: versions, git state, seed, limits
    started_at: float
    ended_at: float | None = None
    place: str  # machine, boot and process namespace: where `pid` means something
    pid: int
    process_started: str  # tells a process from a later one with the same pid
    heartbeat: int = 0
    spent_usd: float = 0.0
    reserved_usd: float = 0.0


class DialogueRow(_Row, table=True):
    """What was said; `key` is the content id of id, situation and utterance."""

    __tablename__: ClassVar[Any] = "dialogue"
    key: str = Field(primary_key=True)
    id: str = Field(index=True)
    situation: str
    utterance: str
    emotion: str
    sentiment: str
    part: str


class ResponseSetRow(_Row, table=True):
    """All responses that one author made in one way."""

    __tablename__: ClassVar[Any] = "response_set"
    id: str = Field(primary_key=True)
    author: str = Field(index=True)
    preset: str
    made: str


class SetAskingRow(_Row, table=True):
    """How the author of a set was asked, of sets whose identity does not hold it."""

    __tablename__: ClassVar[Any] = "set_asking"
    set_id: str = Field(primary_key=True)
    asking: str  # content id of tokenizer and template, ids that end an answer


class ResponseRow(_Row, table=True):
    """What one author answered to one dialogue."""

    __tablename__: ClassVar[Any] = "response"
    id: str = Field(primary_key=True)
    dialogue: str
    set_id: str
    author: str
    text: str
    raw: str = ""


class PromptRow(_Row, table=True):
    """Every prompt that was used, by version: what was asked can be rendered again from here."""

    __tablename__: ClassVar[Any] = "prompt"
    version: str = Field(primary_key=True)
    name: str
    text: str


class JudgeRow(_Row, table=True):
    """One way of judging: model, address, prompt, parameters."""

    __tablename__: ClassVar[Any] = "judge"
    id: str = Field(primary_key=True)
    name: str
    provider: str
    model: str
    identity: str
    prompt_version: str
    sampling: str  # JSON


class ContestRow(_Row, table=True):
    """A run's contests: author A's responses against author B's, under one judge."""

    __tablename__: ClassVar[Any] = "contest"
    run_id: str = Field(primary_key=True)
    judge_id: str = Field(primary_key=True)
    set_a: str = Field(primary_key=True)
    set_b: str = Field(primary_key=True)
    samples: int = 1


class RunDialogueRow(_Row, table=True):
    """The dialogues of a run, in their seeded order."""

    __tablename__: ClassVar[Any] = "run_dialogue"
    run_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    dialogue: str


class CompletionRow(_Row, table=True):
    """An answer, by the key of its call: the ledger of what was asked."""

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
    cost_usd: float | None = None  # None: the price is not known
    answered_at: float


class AttemptRow(_Row, table=True):
    """A try that got no answer."""

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
    """A call that an invocation is about to make, or is making."""

    __tablename__: ClassVar[Any] = "claim"
    __table_args__ = _ONE_TREE
    key: str = Field(primary_key=True)
    invocation_id: str


class JudgmentRow(_Row, table=True):
    """What was read from an answer about two responses: a preference, or the reason why there is none."""

    __tablename__: ClassVar[Any] = "judgment"
    __table_args__ = _ONE_TREE
    # in this order the key is also the way to a contest's judgments: no second index
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
    unscored: str | None = None  # the reason; the raw text is the completion's


class GenerationRow(_Row, table=True):
    """What was read from an answer that was to be a response: its text, and why it may not train."""

    __tablename__: ClassVar[Any] = "generation"
    call_key: str = Field(primary_key=True)
    set_id: str = Field(primary_key=True, index=True)
    dialogue: str = Field(primary_key=True)
    step: int = Field(primary_key=True)  # of a chain of prompts, from 1
    attempt: int
    reader: str
    text: str  # cleaned; the raw text is the completion's
    flaw: str  # "" where it may train
    words: int
    unchanged: bool
    dimension: str


class CheckpointRow(_Row, table=True):
    """A student that was trained, or asked: what it says of itself, and every step of its training."""

    __tablename__: ClassVar[Any] = "checkpoint"
    id: str = Field(primary_key=True)  # content id: base weights, adapter, how it is asked
    name: str = Field(primary_key=True, index=True)  # `student:NAME`
    stage: str
    base: str
    parent: str  # id of the checkpoint it went on from; "" for the base
    folder: str  # where it lay when it was last seen
    record: str  # checkpoint.json
    metrics: str  # JSON: one object per optimiser step
    registered_at: float


def table(row: type[_Row]) -> Table:
    """The SQLAlchemy table of a row type."""
    found: Table = row.__table__  # type: ignore[attr-defined]  # sqlmodel adds it at run time
    return found
