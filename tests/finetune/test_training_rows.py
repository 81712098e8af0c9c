"""Training rows: one per selected response, exclusions counted by reason."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.types import Dialogue, Fidelity
from finetune.dialogue_selection import (
    HUMAN,
    IMPROVED,
    LLMS,
    DialogueSelection,
    DpoEntry,
    RatedDialogue,
    SftEntry,
    direct_combined,
)
from finetune.training_rows import DUPLICATE, EMPTY, IDENTICAL, MISSING, UnusableResponse, build_rows
from tests.errors import user_error

texts = st.sampled_from(["yes", "no", " yes ", "", "  ", UnusableResponse("refused"), None])
entries = st.tuples(st.booleans(), texts, texts)


@given(st.lists(entries, max_size=20), st.sampled_from(Fidelity))
def test_every_selected_row_is_built_or_excluded_with_a_reason(
    selection: list[tuple[bool, str | UnusableResponse | None, str | UnusableResponse | None]],
    fidelity: Fidelity,
) -> None:
    dialogues = {f"d{n}": Dialogue(f"d{n}", "s", "u") for n in range(len(selection))}
    responses: dict[tuple[str, str], str | UnusableResponse] = {}
    sft, dpo = [], []
    for number, (is_example, original, improved) in enumerate(selection):
        name = f"d{number}"
        for role, text in ((HUMAN, original), (IMPROVED, improved)):
            if text is not None:
                responses[name, role] = text
        if is_example:
            sft.append(SftEntry(name, (HUMAN, IMPROVED)))
        else:
            dpo.append(DpoEntry(name, IMPROVED, HUMAN))
    rows = build_rows(DialogueSelection(tuple(sft), tuple(dpo)), dialogues, responses, fidelity)
    left = {stage: sum(exclusion.stage == stage for exclusion in rows.excluded) for stage in ("sft", "dpo")}
    assert len(rows.sft) + left["sft"] == 2 * len(sft)
    assert len(rows.dpo) + left["dpo"] == len(dpo)
    assert all(row.chosen != row.rejected for row in rows.dpo)
    assert all(text == text.strip() != "" for row in rows.dpo for text in (row.chosen, row.rejected))
    assert all(row.text == row.text.strip() != "" for row in rows.sft)
    assert sum(rows.count_excluded_by_reason().values()) == len(rows.excluded)
    assert {exclusion.reason for exclusion in rows.excluded} <= {
        "refused",
        MISSING,
        EMPTY,
        IDENTICAL,
        DUPLICATE,
    }
    if fidelity is not Fidelity.OURS:
        assert DUPLICATE not in {exclusion.reason for exclusion in rows.excluded}


def test_combined_repeats_human_rows_in_paper_and_excludes_them_in_ours() -> None:
    rated = [RatedDialogue("d", 3, dict.fromkeys(LLMS, 3))]
    dialogues = {"d": Dialogue("d", "s", "u")}
    responses: dict[tuple[str, str], str | UnusableResponse] = {("d", llm): f"by {llm}" for llm in LLMS}
    responses["d", HUMAN] = "by a person"
    paper = build_rows(direct_combined(rated), dialogues, responses)
    assert [row.role for row in paper.sft].count(HUMAN) == 4
    unique = build_rows(direct_combined(rated, Fidelity.OURS), dialogues, responses, Fidelity.OURS)
    assert [row.role for row in unique.sft].count(HUMAN) == 1
    assert unique.count_excluded_by_reason() == {f"sft: {DUPLICATE}": 3}


def test_an_unchanged_improvement_gives_two_examples_and_no_pair() -> None:
    dialogues = {"d": Dialogue("d", "s", "u")}
    responses: dict[tuple[str, str], str | UnusableResponse] = {
        ("d", HUMAN): "same",
        ("d", IMPROVED): "same ",
    }
    selection = DialogueSelection((SftEntry("d", (HUMAN, IMPROVED)),), (DpoEntry("d", IMPROVED, HUMAN),))
    rows = build_rows(selection, dialogues, responses)
    assert (len(rows.sft), len(rows.dpo)) == (2, 0)
    assert rows.count_excluded_by_reason() == {f"dpo: {IDENTICAL}": 1}


def test_responses_over_the_word_limit_are_counted_and_kept() -> None:
    responses: dict[tuple[str, str], str | UnusableResponse] = {
        ("d", HUMAN): "word " * 98,
        ("d", IMPROVED): "word " * 97,
    }
    selection = DialogueSelection((SftEntry("d", (HUMAN, IMPROVED)),), ())
    rows = build_rows(selection, {"d": Dialogue("d", "s", "u")}, responses)
    assert (len(rows.sft), rows.count_over_word_limit()) == (2, 1)


def test_an_unknown_dialogue_is_refused() -> None:
    with user_error("dialogue.unknown"):
        build_rows(DialogueSelection((SftEntry("x", (HUMAN,)),), ()), {}, {})
