"""The control judges' laws: they are floors, so what each one does must be certain."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.control_judges import ratings_model, rules
from agents.hashing import canonical, content_id
from agents.judge import Judge
from agents.messages import Usage
from agents.types import Comparison, Dialogue, Preference, Response, Verdict
from agents.verdicts.parser import parse_verdict
from prompts import Library
from tests.errors import user_error

PROMPT = Library()["judge/pairwise"]
WORDS = "I i'm sorry so proud of you ! ? ... but help maybe great understand the dog"
words = st.sampled_from(WORDS.split())
texts = st.lists(words, max_size=14).map(" ".join) | st.text(max_size=40)
dialogues = st.builds(Dialogue, st.just("1"), texts, texts)
AUTHORS = ["dataset:human", "dataset:gpt-4", "dataset:llama-2-70b", "student:x", "base"]


def compared(first: str, second: str, utterance: str = "My dog is ill.", *authors: str) -> Comparison:
    dialogue = Dialogue("1", "At the vet's.", utterance)
    names = authors or ("a", "b")
    one, other = (
        Response(dialogue.key, name, text, name) for name, text in zip(names, (first, second), strict=True)
    )
    return Comparison(dialogue, one, other)


def verdict(name: str, comparison: Comparison) -> Verdict:
    """What a control judge says, by the way that every answer takes."""
    judge = Judge(rules.model(name), PROMPT)
    completion = rules.answer(judge.model, judge.call(comparison).messages[-1].content)
    assert completion.usage == Usage(0, 0), "control judges cost nothing"
    outcome = parse_verdict(completion, rules.ANSWERS)
    assert isinstance(outcome, Verdict), "a control judge always answers"
    return outcome


def both(name: str, comparison: Comparison) -> tuple[Verdict, Verdict]:
    here, there = comparison.both_orders()
    return verdict(name, here), verdict(name, there)


# ---- without a position bias -----------------------------------------------------------------------------


@given(texts, texts, texts)
def test_ratings_are_antisymmetric(first: str, second: str, utterance: str) -> None:
    here, there = both("ratings", compared(first, second, utterance))
    assert there.preference is here.preference.swap()
    p_here, p_there = (
        ratings_model.p_first(first, second, utterance),
        ratings_model.p_first(second, first, utterance),
    )
    assert p_here + p_there == pytest.approx(1.0)
    assert 0.0 < p_here < 1.0
    if here.p_first is not None:
        assert here.p_first == pytest.approx(p_here)
        assert there.p_second == pytest.approx(p_here)
        assert here.outside == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", ["longer", "author"])
@given(first=texts, second=texts, authors=st.tuples(st.sampled_from(AUTHORS), st.sampled_from(AUTHORS)))
def test_longer_and_author_are_antisymmetric(
    name: str, first: str, second: str, authors: tuple[str, str]
) -> None:
    here, there = both(name, compared(first, second, "Hm.", *authors))
    assert there == here.swap()


@pytest.mark.parametrize("name", ["ratings", "longer", "author"])
@given(text=texts)
def test_equal_responses_tie(name: str, text: str) -> None:
    assert verdict(name, compared(text, text, "Hm.", "base", "base")).preference is Preference.TIE


# ---- each by itself --------------------------------------------------------------------------------------


@given(texts, texts)
def test_first_is_always_the_first(first: str, second: str) -> None:
    assert [each.preference for each in both("first", compared(first, second))] == [Preference.FIRST] * 2


@given(texts, texts)
def test_longer_compares_word_counts_only(first: str, second: str) -> None:
    difference = len(first.split()) - len(second.split())
    expected = {True: Preference.FIRST, False: Preference.SECOND}[difference > 0]
    outcome_read = verdict("longer", compared(first, second)).preference
    assert outcome_read is (Preference.TIE if difference == 0 else expected)


@given(texts, texts)
def test_random_is_decided_by_content(first: str, second: str) -> None:
    outcome_read = verdict("random", compared(first, second))
    assert outcome_read == verdict("random", compared(first, second, "My dog is ill.", "c", "d")), (
        "not by authors"
    )
    assert outcome_read.preference is not Preference.TIE


def test_random_is_balanced_and_ignores_the_order() -> None:
    pairs = [both("random", compared(f"Oh no, {number}.", "I see.")) for number in range(600)]
    firsts = sum(here.preference is Preference.FIRST for here, _ in pairs)
    consistent = sum(there == here.swap() for here, there in pairs)
    for count in (firsts, consistent):  # four standard deviations around 300
        assert abs(count - 300) < 4 * math.sqrt(600) / 2


def test_author_prefers_the_author_rated_higher_in_training() -> None:
    means = ratings_model.weights()["author_means"]
    ranked = sorted(means, key=means.__getitem__)
    for lower, higher in pairwise(ranked):
        assert verdict("author", compared("x", "y", "z", higher, lower)).preference is Preference.FIRST
    for unknown in ("student:x", "base", "openai/gpt-4o", "file:x.jsonl"):
        for known in ranked:
            assert verdict("author", compared("x", "y", "z", unknown, known)).preference is Preference.TIE


@given(texts, texts)
def test_only_the_author_judge_receives_authors(first: str, second: str) -> None:
    comparison = compared(first, second, "Hm.", "dataset:human", "dataset:gpt-4")
    for name in rules.NAMES:
        shown = rules.question(name, comparison)
        assert ("dataset:human" in shown.values()) == (name == "author" or first == "dataset:human")
        assert (shown["first"], shown["second"]) == (first, second)


# ---- identity and weights --------------------------------------------------------------------------------


def test_the_id_of_a_control_judge_depends_on_version_and_weights() -> None:
    identities = {name: rules.model(name).identity for name in rules.NAMES}
    weights = ratings_model.weights()["id"]
    assert identities["ratings"] == identities["author"] == f"{rules.VERSION} {weights}"
    assert identities["longer"] == rules.VERSION
    assert [rules.model(name).id for name in rules.NAMES] == [f"control/{name}" for name in rules.NAMES]
    with user_error("judge.unknown-control", found="'control/oracle'") as error:
        rules.model("oracle")
    assert "control/ratings" in error.fault.remedy


def test_the_weights_are_identified_by_their_content() -> None:
    shipped = ratings_model.weights()
    content = {"features": shipped["features"], "author_means": shipped["author_means"]}
    assert shipped["id"] == content_id("weights-1", [rules.VERSION, content])
    assert tuple(shipped["features"]) == ratings_model.FEATURES


def test_the_docs_state_the_measured_accuracy() -> None:
    """docs/judges.md states the accuracies in the weights file."""
    docs = (Path(__file__).resolve().parents[3] / "docs" / "judges.md").read_text(encoding="utf-8")
    provenance: dict[str, Any] = ratings_model.weights()["made"]
    assert provenance["script"] in docs
    for name in ("ratings_train_out_of_fold", "ratings_test", "author_test", "longer_test"):
        assert f"{provenance[name]:.4f}" in docs, f"docs/judges.md states another {name}"
    for name in ("train_pairs", "test_pairs"):
        assert f"{provenance[name]:,}" in docs
    assert 0.5 < provenance["ratings_test"] < provenance["author_test"] < 0.7


def test_the_weights_contain_only_counts_and_means_of_the_dataset() -> None:
    text = json.dumps(ratings_model.weights())
    assert len(text) < 4000
    assert canonical(ratings_model.weights())


@given(texts, texts)
def test_features_are_counts_that_do_not_depend_on_case_or_curly_apostrophes(
    text: str, utterance: str
) -> None:
    counted = ratings_model.features(text, utterance)
    assert len(counted) == len(ratings_model.FEATURES)
    assert all(math.isfinite(value) for value in counted)
    if text.isascii():
        assert ratings_model.features(text.upper().replace("'", "’"), utterance) == counted
