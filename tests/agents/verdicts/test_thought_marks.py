"""Visible text of completions: thinking marks, channels, control tokens and tags are removed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.verdicts.thought_marks import extract_visible_text

PIECES = (
    *("<think>", "</think>", "<|im_start|>", "<|im_end|>", "<answer>", "</answer>", "[THINK]", "<b>"),
    *("[/THINK]", "x"),
    *("<|channel|>", "final", "<|message|>", "analysis", "assistantfinal", "◁think▷"),
    *("◁/think▷", "</s>", "<", "1 ", "\n"),
)


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_remaining_characters_keep_their_positions(text: str) -> None:
    spoken = extract_visible_text(text)
    assert len(spoken.text) == len(text)
    assert all(one == other or one in " \n" for one, other in zip(spoken.text, text, strict=True))
    assert all(0 <= start < end <= len(text) for start, end in (*spoken.parts,))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2", "2"),
        ("<think>1</think>2", "2"),
        ("<Thinking budget='4'>1</Thinking>2", "2"),
        ("<think>a<think>b</think>1</think>2", "2"),
        ("1</think>2", "2"),
        ("[THINK]1[/THINK]2", "2"),
        ("◁think▷1◁/think▷2", "2"),
        ("<seed:think>1</seed:think>2", "2"),
        ("<|begin_of_thought|>1<|end_of_thought|><|begin_of_solution|>2<|end_of_solution|>", "2"),
        ("<|START_THINKING|>1<|END_THINKING|><|START_RESPONSE|>2<|END_RESPONSE|>", "2"),
        ("<|channel|>analysis<|message|>1<|end|><|start|>assistant<|channel|>final<|message|>2", "2"),
        ("analysisSo 1.assistantfinal2", "2"),
        ("Here is my thought process: 1. Here is my response: 2", "2"),
        ("<unused94>thought\n1<unused95>2", "2"),
        ("<|im_start|>assistant\n2<|im_end|>", "2"),
        ("<s>2</s>", "2"),
        ("2 < 3 <3", "2 < 3 <3"),
    ],
)
def test_visible_text_is_extracted(text: str, said: str) -> None:
    spoken = extract_visible_text(text)
    assert not spoken.unfinished
    start, end = spoken.parts[-1]
    assert spoken.text[start:end].strip() == said


@pytest.mark.parametrize(
    "text",
    [
        *("<think>1", "<think>1</think><think>2", "<draft>1", "<answer>1", "<|xyz|>1", "[INST]1", "◁think▷1"),
        *("<|channel|>analysis<|message|>1", "analysisThe answer is 1.", "Here is my thought process: 1"),
        *("1<|im_end|><|im_start|>user\n2", "<|user|>1"),
    ],
)
def test_an_unclosed_mark_is_unfinished(text: str) -> None:
    assert extract_visible_text(text).unfinished


def test_answer_tags_contain_the_answer() -> None:
    spoken = extract_visible_text("So <answer>2</answer>")
    assert [spoken.text[start:end] for start, end in spoken.wrapped] == ["2"]
