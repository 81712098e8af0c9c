"""Which judgments count: the last readable attempt, the newest reader; and what is missing stays visible."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from agents.types import Dialogue, Preference, Response, ResponseSet, Unscored, UnscoredReason, Verdict
from results.db.store import Store
from results.db.writer import Writer
from results.queries.contests import Contest, load_contests
from results.statistics import win_rate
from tests.results.conftest import answer, begin, judgment, question, unscored

JUDGE = "judge-1:j"
DIALOGUES = [Dialogue(f"d{at}", "It rained.", f"For {at} days.", "sad") for at in range(6)]
A = ResponseSet("set-1:a", "openai/gpt-test", "default", "made one way")
B = ResponseSet("set-1:b", "dataset:human", "default", "made by people")
RESPONSES = {
    (of.id, dialogue.key): Response(dialogue.key, of.author, f"{of.id} to {dialogue.id}", of.id)
    for of in (A, B)
    for dialogue in DIALOGUES
}
FIRST, SECOND, TIE = (Verdict(preference) for preference in Preference)
Outcome = Verdict | Unscored
Asked = Mapping[tuple[int, bool, int, int, str], Outcome]  # dialogue, A first, sample, attempt, parser


async def values(store: Store, asked: Asked, *, samples: int = 1, mirrored: bool = False) -> Contest:
    """The contest of a run in which these were the judgments, in the order in which they came."""
    run, invocation = await begin(store, mirrored=mirrored, samples=samples)
    await store.save_dialogues(DIALOGUES)
    for of in (A, B):
        await store.save_responses(of, [RESPONSES[of.id, dialogue.key] for dialogue in DIALOGUES])
    await store.save_judge(
        id=JUDGE,
        name="openai/judge",
        provider="openai",
        model="judge",
        identity="",
        prompt_version="prompt-1:x",
        sampling="{}",
    )
    sides = (B.id, A.id) if mirrored else (A.id, B.id)
    await store.save_contests(run, [(JUDGE, *sides, samples)])
    await store.save_run_dialogues(run, [dialogue.key for dialogue in DIALOGUES])
    writer = store.writer(invocation)
    for (at, a_first, sample, attempt, parser), outcome in asked.items():
        await _put(writer, at, a_first, sample, attempt, parser, outcome)
    await writer.close()
    await store.finish_run(invocation)
    (contest,) = await load_contests(store, run)
    return contest


async def _put(
    writer: Writer, at: int, a_first: bool, sample: int, attempt: int, parser: str, outcome: Outcome
) -> None:
    key = DIALOGUES[at].key
    a, b = RESPONSES[A.id, key], RESPONSES[B.id, key]
    first, second = (a, b) if a_first else (b, a)
    call = question(2 * at + a_first, sample=sample, attempt=attempt)
    reading = judgment(call, outcome, first=first.id, second=second.id, dialogue=key, parser=parser)
    await writer.save(call, answer(), reading, 0.5)


def scores(contest: Contest) -> dict[tuple[int, bool, int], float | str]:
    """(dialogue, A first, sample) → A's score, or the reason why there is none."""
    columns = contest.columns
    rows = zip(
        columns.dialogue, columns.a_first, columns.sample, columns.outcome, columns.reason, strict=True
    )
    return {
        (int(at), bool(a_first), int(sample)): str(reason) if np.isnan(score) else float(score)
        for at, a_first, sample, score, reason in rows
    }


async def test_a_verdict_by_place_is_a_score_of_the_author(store: Store) -> None:
    contest = await values(
        store,
        {
            (0, True, 0, 0, "verdict-1"): FIRST,
            (0, False, 0, 0, "verdict-1"): FIRST,
            (1, True, 0, 0, "verdict-1"): SECOND,
            (1, False, 0, 0, "verdict-1"): SECOND,
            (2, True, 0, 0, "verdict-1"): TIE,
            (2, False, 0, 0, "verdict-1"): unscored(UnscoredReason.REFUSED),
        },
    )
    assert scores(contest) == {
        (0, True, 0): 1.0,
        (0, False, 0): 0.0,
        (1, True, 0): 0.0,
        (1, False, 0): 1.0,
        (2, True, 0): 0.5,
        (2, False, 0): "refused",
    }
    assert (contest.a, contest.b) == (A, B)
    assert (contest.judge, contest.judge_provider, contest.judge_model) == ("openai/judge", "openai", "judge")


async def test_what_was_not_judged_stays_visible(store: Store) -> None:
    contest = await values(
        store, {(0, True, 0, 0, "verdict-1"): FIRST, (0, False, 0, 0, "verdict-1"): SECOND}
    )
    assert contest.dialogues == tuple(DIALOGUES)
    assert (contest.expected, contest.columns.n_dialogues, len(scores(contest))) == (12, 6, 2)
    rate = win_rate(contest.columns, seed=0)
    assert (rate.n, rate.incomplete, rate.not_judged) == (1, 5, 10)


async def test_of_several_attempts_the_last_readable_one_counts(store: Store) -> None:
    contest = await values(
        store,
        {
            (0, True, 0, 0, "verdict-1"): unscored(),
            (0, True, 0, 1, "verdict-1"): FIRST,
            (1, True, 0, 0, "verdict-1"): FIRST,
            (1, True, 0, 1, "verdict-1"): unscored(),  # a later one that cannot be read takes nothing away
            (2, True, 0, 0, "verdict-1"): unscored(UnscoredReason.REFUSED),
            (2, True, 0, 1, "verdict-1"): unscored(UnscoredReason.EMPTY),
            (3, True, 0, 0, "verdict-1"): FIRST,
            (3, True, 0, 1, "verdict-1"): SECOND,
            (4, True, 0, 0, "verdict-1"): TIE,
        },
    )
    found = {at: score for (at, _, _), score in scores(contest).items()}
    assert found == {0: 1.0, 1: 1.0, 2: "empty", 3: 0.0, 4: 0.5}
    assert contest.asked_again == 4
    assert contest.cost_usd == 4.5  # every attempt was paid for


async def test_of_several_readings_of_one_answer_the_newest_reader_counts(store: Store) -> None:
    contest = await values(
        store,
        {
            (0, True, 0, 0, "verdict-10"): SECOND,
            (0, True, 0, 0, "verdict-9"): FIRST,  # read later, by an older one
            (1, True, 0, 0, "verdict-1"): FIRST,
            (1, True, 0, 0, "verdict-2"): unscored(),  # the newer one takes it back
            (2, True, 0, 0, "verdict-1"): unscored(),
            (2, True, 0, 0, "verdict-2"): TIE,
            (3, True, 0, 0, "verdict-1"): FIRST,
            (3, True, 0, 0, "verdict-2"): unscored(),
            (3, True, 0, 1, "verdict-2"): SECOND,
        },
    )
    found = {at: score for (at, _, _), score in scores(contest).items()}
    assert found == {0: 0.0, 1: "unreadable", 2: 0.5, 3: 0.0}
    assert contest.cost_usd == 2.5  # five answers, however often they were read


async def test_samples_are_counted_up_to_those_asked_for(store: Store) -> None:
    asked: Asked = {(0, True, sample, 0, "verdict-1"): FIRST for sample in range(5)}
    three, five = await values(store, asked, samples=3), await values(store, asked, samples=5)
    assert sorted(scores(three)) == [(0, True, sample) for sample in range(3)]
    assert sorted(scores(five)) == [(0, True, sample) for sample in range(5)]
    assert (three.expected, five.expected) == (36, 60)


async def test_relabelling_the_authors_mirrors_everything(store: Store) -> None:
    soft = Verdict(Preference.FIRST, 0.75, 0.15, 0.1, 0.02)
    outcomes: list[Outcome] = [soft, soft.swap(), FIRST, SECOND, TIE, unscored()]
    asked: Asked = {
        (at, a_first, 0, 0, "verdict-1"): outcomes[(at + 2 * a_first) % len(outcomes)]
        for at in range(len(DIALOGUES))
        for a_first in (True, False)
    }
    contest, mirror = await values(store, asked), await values(store, asked, mirrored=True)
    assert (mirror.a, mirror.b, mirror.expected) == (contest.b, contest.a, contest.expected)
    assert scores(mirror) == {
        (at, not a_first, sample): score if isinstance(score, str) else 1.0 - score
        for (at, a_first, sample), score in scores(contest).items()
    }
    one, other = win_rate(contest.columns, seed=0), win_rate(mirror.columns, seed=0)
    assert one.rate is not None
    assert other.rate == pytest.approx(1.0 - one.rate)
    assert [other.low, other.high] == pytest.approx([1.0 - (one.high or 0), 1.0 - (one.low or 0)])
    assert (other.consistency, other.first_position_rate) == (one.consistency, one.first_position_rate)
    assert (other.n, other.incomplete, other.unscored) == (one.n, one.incomplete, one.unscored)
    assert other.a_first.rate == pytest.approx(1.0 - (one.b_first.rate or 0) - unscored_share(contest, False))


def unscored_share(contest: Contest, a_first: bool) -> float:
    """Of the judgments in one order, the share without a verdict: in the single-order denominator."""
    reasons = [isinstance(score, str) for (_, first, _), score in scores(contest).items() if first is a_first]
    return sum(reasons) / len(reasons)


async def test_the_soft_verdict_is_of_the_author_too(store: Store) -> None:
    soft = Verdict(Preference.FIRST, 0.75, 0.15, 0.1, 0.02)
    contest = await values(
        store, {(0, True, 0, 0, "verdict-1"): soft, (0, False, 0, 0, "verdict-1"): soft.swap()}
    )
    assert contest.columns.soft == pytest.approx([0.8, 0.8])
    assert contest.columns.outside == pytest.approx([0.02, 0.02])


async def test_one_unknown_price_makes_the_whole_cost_unknown(store: Store) -> None:
    asked: Asked = {(0, True, 0, 0, "verdict-1"): FIRST}
    contest = await values(store, asked)
    assert contest.cost_usd == 0.5
    writer = store.writer((await begin(store, mirrored=False, samples=1))[1])
    call = question(1, attempt=1)
    a, b = RESPONSES[A.id, DIALOGUES[0].key], RESPONSES[B.id, DIALOGUES[0].key]
    reading = judgment(call, FIRST, first=a.id, second=b.id, dialogue=DIALOGUES[0].key)
    await writer.save(call, answer(), reading, None)
    assert (await values(store, asked)).cost_usd is None
