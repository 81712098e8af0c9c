"""Reparsing of a database that an earlier parser read: no requests, and every reading is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from agents.clients.base import ModelRequest
from agents.messages import Completion, FinishReason, Message, Sampling
from agents.models.spec import ApiProtocol, Model
from agents.types import (
    Dialogue,
    Judgment,
    Preference,
    Response,
    ResponseSet,
    Unscored,
    UnscoredReason,
    Verdict,
)
from agents.verdicts.parser import VERDICT_PARSER
from harness.cli.rejudge import rejudge
from harness.workflows.reparse import reparse
from results.analysis.contest_results import summarize_judging
from results.db.schema import CompletionRow, JudgmentRow, table
from results.db.store import Store
from results.render import reparse as reparse_output
from results.render.judging import judging_document, render_judging
from results.report import data_export
from results.report.loader import build_context

OLD = "verdict-1"
MODEL = Model("openai", "judge", ApiProtocol.OPENAI_CHAT)
A = ResponseSet("set-1:a", "openai/gpt-test", "default", "made one way")
B = ResponseSet("set-1:b", "dataset:human", "default", "made by people")
FIRST, SECOND = Verdict(Preference.FIRST), Verdict(Preference.SECOND)
# text, finish, what the earlier parser read
STORED: list[tuple[str, FinishReason, Verdict | Unscored]] = [
    ("1", FinishReason.STOP, FIRST),
    ("Loser: 1", FinishReason.STOP, FIRST),  # a false verdict
    ("Response 1 is more empathetic at first, while", FinishReason.LENGTH, FIRST),  # another
    ("Response 1 is kind, but Response 2 is more empathetic.", FinishReason.STOP, FIRST),
    ("**Bessere Antwort:** 2", FinishReason.STOP, Unscored(UnscoredReason.UNREADABLE)),
    ("I can't help.", FinishReason.STOP, Unscored(UnscoredReason.REFUSED)),
]


TIED = ("tie", FinishReason.STOP, Unscored(UnscoredReason.UNREADABLE))


async def written(
    path: str, answers: tuple[str, ...] = ("1", "2"), stored: list[tuple[str, FinishReason, Any]] = STORED
) -> str:
    """Write a database with one run, read by the earlier parser; return the run's id."""
    store = await Store.open(path)
    run, invocation = await store.start_run("judging", {"split": "test", "seed": 0}, command="x", context={})
    dialogues = [Dialogue(f"d{index}", "It rained.", f"For {index} days.") for index in range(len(stored))]
    await store.save_dialogues(dialogues)
    responses = {
        author.id: [
            Response(dialogue.key, author.author, f"{author.id} {dialogue.id}", author.id)
            for dialogue in dialogues
        ]
        for author in (A, B)
    }
    for author in (A, B):
        await store.save_responses(author, responses[author.id])
    await store.save_judge(
        id="judge-1:j",
        name="openai/judge",
        provider="openai",
        model="judge",
        identity="",
        prompt_version="",
        sampling=orjson.dumps({"choices": answers}).decode(),
    )
    await store.save_contests(run, [("judge-1:j", A.id, B.id, 1)])
    await store.save_run_dialogues(run, [dialogue.key for dialogue in dialogues])
    writer = store.writer(invocation)
    for index, (text, finish, outcome) in enumerate(stored):
        call = ModelRequest(MODEL, (Message("user", f"question {index}"),), Sampling(5))
        ids = (responses[A.id][index].id, responses[B.id][index].id)
        reading = Judgment(call.key, "judge-1:j", dialogues[index].key, *ids, 0, 0, OLD, outcome)
        await writer.save(call, Completion(text, finish), reading, 0.01)
    await writer.close()
    await store.finish_run(invocation)
    await store.close()
    return run


async def all_rows(store: Store, row: Any) -> list[Any]:
    author = table(row)
    return list(await store.read(lambda c: c.execute(select(author).order_by(*author.primary_key)).all()))


async def spent(store: Store) -> tuple[int, float]:
    columns = table(CompletionRow).c
    query = select(func.count(), func.sum(columns.cost_usd))
    count, cost = await store.read(lambda c: c.execute(query).one())
    return int(count), float(cost)


async def test_every_completion_is_reparsed_and_earlier_readings_stay(tmp_path: Path) -> None:
    path = str(tmp_path / "old.sqlite")
    await written(path)
    async with await Store.open(path, create=False) as store:
        before, money = await all_rows(store, JudgmentRow), await spent(store)
        (judge,) = await reparse(store)
        assert (judge.reread, judge.before.by_parser) == (len(STORED), {OLD: len(STORED)})
        after = judge.after
        assert (after.changed, after.became_unscored, after.became_scored) == (1, 2, 1)
        assert (after.by_parser, after.outdated) == ({VERDICT_PARSER: len(STORED)}, 0)
        rows = await all_rows(store, JudgmentRow)
        assert [row for row in rows if row.parser == OLD] == before
        assert {row.unscored for row in rows if row.parser == VERDICT_PARSER} == {
            None,
            "unreadable",
            "truncated",
            "refused",
        }
        assert await spent(store) == money
        (again,) = await reparse(store)
        assert (again.reread, await all_rows(store, JudgmentRow)) == (0, rows)
        assert again.after == after


async def test_tie_counts_only_for_judges_that_allow_it(tmp_path: Path) -> None:
    for name, answers in (("two", ("1", "2")), ("three", ("1", "2", "tie"))):
        path = str(tmp_path / f"{name}.sqlite")
        await written(path, answers, [*STORED, TIED])
        async with await Store.open(path, create=False) as store:
            (judge,) = await reparse(store)
            assert judge.after.became_scored == len(answers) - 1


@pytest.mark.parametrize("reread", [False, True])
async def test_results_name_the_parser_versions(tmp_path: Path, reread: bool) -> None:
    path = str(tmp_path / "old.sqlite")
    run = await written(path)
    async with await Store.open(path, create=False) as store:
        if reread:
            await reparse(store)
        summary = await summarize_judging(store, run)
        (output,) = judging_document(summary)["contests"]
        (contest,) = data_export.to_dict(await build_context(store, run))["contests"]
        notes = data_export.to_dict(await build_context(store, run))["notes"]
    readings = output["parser_versions"]
    assert contest["parser_versions"] == readings
    assert readings["read_by"] == {VERDICT_PARSER if reread else OLD: len(STORED)}
    assert readings["outdated"] == (0 if reread else len(STORED))
    assert readings["changed"] + readings["became_scored"] + readings["became_unscored"] == 4 * reread
    note = summary.contests[0].contest.readings.note("openai/judge")
    assert note
    assert note in render_judging(summary).caveats
    assert note in notes


def test_reparse_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    path = str(tmp_path / "old.sqlite")
    asyncio.run(written(path))
    done = CliRunner().invoke(rejudge, ["--reparse", "--json", "--db", path])
    assert done.exit_code == 0
    output = orjson.loads(done.stdout)
    assert (output["parser"], output["reread"]) == (VERDICT_PARSER, len(STORED))
    (judge,) = output["judges"]
    assert judge["read_before_by"] == {OLD: len(STORED)}
    assert judge["parser_versions"]["became_unscored"] == 2
    again = CliRunner().invoke(rejudge, ["--reparse", "--db", path])
    assert (again.exit_code, "openai/judge" in again.stdout) == (0, True)


def test_reparse_option_excludes_other_options(tmp_path: Path) -> None:
    done = CliRunner().invoke(rejudge, ["--reparse", "--judge", "openai/x", "--db", str(tmp_path / "x")])
    assert done.exit_code != 0
    assert not (tmp_path / "x").exists()


def test_json_and_table_have_the_same_judges() -> None:
    assert reparse_output.render_reparse([]).document["judges"] == []
    assert reparse_output.render_reparse([]).tables[0].rows == []
