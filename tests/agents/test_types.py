"""Domain types: symmetries, content ids and the hierarchy of errors."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.errors import CallError, EmpathyError, EndpointDisabled, Failure, Fault, UserError
from agents.types import (
    Comparison,
    Dialogue,
    Fidelity,
    Method,
    Preference,
    Response,
    Strategy,
    Unscored,
    UnscoredReason,
    Verdict,
)

dialogues = st.builds(
    Dialogue, st.text(), st.text(), st.text(), emotion=st.text(), sentiment=st.text(), part=st.text()
)
responses = st.builds(
    Response, dialogue=st.text(), author=st.text(), text=st.text(), set_id=st.text(), raw=st.text()
)
comparisons = st.builds(Comparison, dialogues, responses, responses)
shares = st.none() | st.floats(0, 1)
verdicts = st.builds(Verdict, st.sampled_from(Preference), shares, shares, shares, shares)
outcomes = verdicts | st.builds(Unscored, st.sampled_from(UnscoredReason), st.text())


@given(comparisons)
def test_swapping_twice_changes_nothing(comparison: Comparison) -> None:
    swapped = comparison.swap()
    assert swapped.swap() == comparison
    assert (swapped.first, swapped.second) == (comparison.second, comparison.first)
    assert swapped.dialogue == comparison.dialogue


@given(comparisons)
def test_both_orders_are_the_pair_and_its_swap(comparison: Comparison) -> None:
    assert comparison.both_orders() == (comparison, comparison.swap())
    assert set(comparison.swap().both_orders()) == set(comparison.both_orders())
    assert (comparison == comparison.swap()) == (comparison.first == comparison.second)


@given(outcomes)
def test_an_outcome_swaps_with_its_comparison(outcome: Verdict | Unscored) -> None:
    swapped = outcome.swap()
    assert swapped.swap() == outcome
    if isinstance(outcome, Verdict) and isinstance(swapped, Verdict):
        assert (swapped.p_first, swapped.p_second) == (outcome.p_second, outcome.p_first)
        assert (swapped.p_tie, swapped.outside) == (outcome.p_tie, outcome.outside)
        assert swapped.preference is outcome.preference.swap()
    else:
        assert swapped == outcome


def test_a_tie_is_the_only_preference_that_swapping_keeps() -> None:
    assert [preference for preference in Preference if preference.swap() is preference] == [Preference.TIE]


@given(dialogues, dialogues)
def test_a_dialogues_key_depends_on_its_content(one: Dialogue, other: Dialogue) -> None:
    same = (one.id, one.situation, one.utterance) == (other.id, other.situation, other.utterance)
    assert (one.key == other.key) == same
    assert replace(one, emotion="calm", sentiment="", part="9").key == one.key
    assert one.key.startswith("dialogue-1:")


@given(responses, responses)
def test_a_responses_id_depends_on_author_text_and_settings(one: Response, other: Response) -> None:
    same = (one.dialogue, one.set_id, one.text) == (other.dialogue, other.set_id, other.text)
    assert (one.id == other.id) == same
    assert replace(one, raw="before it was cut").id == one.id


def test_white_space_is_part_of_a_text() -> None:
    dialogue = Dialogue("1", "I moved.", "We moved. ")
    assert dialogue.key != replace(dialogue, utterance="We moved.").key


def test_words_are_those_of_the_paper() -> None:
    assert [strategy.value for strategy in Strategy] == [
        "naive",
        "cognitive",
        "affective",
        "compassionate",
        "all-dimensions",
        "sequential",
        "lacking-dimension",
    ]
    assert [method.value for method in Method] == ["direct", "over-human", "over-llm"]
    assert [fidelity.value for fidelity in Fidelity] == ["paper", "released", "ours"]


# ---- errors ----------------------------------------------------------------------------------------------


def test_a_fault_is_formatted_without_its_missing_fields() -> None:
    assert str(Fault("no such judge")) == "no such judge."
    assert str(Fault("no such judge.", "--judge")) == "--judge: no such judge."
    assert str(Fault("no such judge", "", "'gpt4'")) == "no such judge. Found: 'gpt4'."
    assert (
        str(Fault("no such judge", "--judge", "'gpt4'", "Write openai/gpt-4o."))
        == "--judge: no such judge. Found: 'gpt4'. Write openai/gpt-4o."
    )


def test_a_users_error_shows_all_its_faults() -> None:
    faults = [Fault("is empty", "data.csv:3"), Fault("is twice there", "data.csv:9", "'12'")]
    error = UserError("the data cannot be used", code="test.error", where="data.csv", faults=faults)
    assert error.faults == tuple(faults)
    assert str(error).splitlines() == [
        "[test.error] data.csv: the data cannot be used.",
        "  data.csv:3: is empty.",
        "  data.csv:9: is twice there. Found: '12'.",
    ]


def test_error_classes_form_one_hierarchy() -> None:
    call_error = CallError(Failure.RATE_LIMITED, "m: slow down", status=429, retry_after_seconds=1.5)
    stopped = EndpointDisabled("openai/m", call_error)
    assert stopped.cause is call_error
    assert str(stopped) == "openai/m: m: slow down"
    assert all(
        isinstance(error, EmpathyError) for error in (call_error, stopped, UserError("x", code="test.error"))
    )
    assert len({failure.value for failure in Failure}) == len(Failure)
