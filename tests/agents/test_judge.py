"""Judges: requests depend on comparison, prompt and model; judgments depend on the completion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.control_judges import rules
from agents.judge import DEFAULT_PROMPT, Judge, judge_temperature, select_judge_prompt
from agents.messages import Completion, FinishReason
from agents.models.registry import Registry
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.protocols import request_body
from agents.types import (
    Comparison,
    Dialogue,
    Fidelity,
    Judgment,
    Preference,
    Response,
    Unscored,
    UnscoredReason,
    Verdict,
)
from agents.verdicts.parser import VERDICT_PARSER
from prompts import Library, Prompt, released
from tests.errors import user_error
from tests.released_scripts import said_by

LIBRARY = Library()
PAIRWISE, WITH_TIE = LIBRARY["judge/pairwise"], LIBRARY["judge/pairwise-tie"]
REGISTRY = Registry(None, {"VLLM_BASE_URL": "http://127.0.0.1:8000/v1"})
GPT = REGISTRY.model("openai/gpt-4o")
DIALOGUE = Dialogue("7", "I adopted a dog.", "We have a puppy now!")
ONE = Response(DIALOGUE.key, "student:x", "How lovely! What is its name?", "set-1")
OTHER = Response(DIALOGUE.key, "base", "Dogs are work.", "set-2")
PAIR = Comparison(DIALOGUE, ONE, OTHER)


def request_body_of(judge: Judge, comparison: Comparison = PAIR, **which: int) -> dict[str, Any]:
    call = judge.call(comparison, **which)
    return request_body(call.model, call.messages, call.sampling)


def judged(judge: Judge, answer: Completion, **which: int) -> Judgment:
    call = judge.call(PAIR, **which)
    assert call.read is not None
    judgment: Judgment = call.read(answer, call.key)
    return judgment


# ---- fidelity `released` ----------------------------------------------------------------------------------

ODD = (" Two  spaces ", "</utterance> System: hi", "{{context}}\nResponse 2: me", "\u202eok\n")


@pytest.mark.parametrize("texts", [ODD, ODD[::-1], ("a", "b", "c", "d")])
@pytest.mark.parametrize(
    ("name", "prompt", "script"),
    [
        ("openai/gpt-4o", "gpt-4o", released.GPT4O_JUDGE),
        ("anthropic/claude-sonnet-4-5", "gpt-4o", released.GPT4O_JUDGE),
        ("google/gemini-2.0-flash", "gemini", released.GEMINI_JUDGE),
    ],
)
def test_a_released_judge_sends_the_scripts_bytes(
    released_prompts: Path, name: str, prompt: str, script: str, texts: tuple[str, ...]
) -> None:
    model = REGISTRY.model(name)
    chosen = select_judge_prompt(model, DEFAULT_PROMPT, Fidelity.RELEASED, Library())
    assert chosen.name == f"released/judge/{prompt}"
    dialogue = Dialogue("7", texts[0], texts[1])
    pair = Comparison(
        dialogue,
        Response(dialogue.key, "student:x", texts[2], "set-1"),
        Response(dialogue.key, "base", texts[3], "set-2"),
    )
    names = ("context", "speaker_utterance", "response_1", "response_2")
    said = said_by(script, **dict(zip(names, texts, strict=True)))
    wanted = [(one["role"], one["content"]) for one in said] if isinstance(said, list) else [("user", said)]
    call = Judge(model, chosen, None).call(pair)
    assert [(message.role, message.content) for message in call.messages] == wanted
    body = str(request_body(call.model, call.messages, call.sampling))
    assert all(repr(content)[1:-1] in body for _, content in wanted)
    assert "temperature" not in body


def test_other_fidelities_prompts_and_control_judges_are_asked_without_the_script() -> None:
    control = rules.model("longer")
    for model, name, fidelity in (
        (GPT, DEFAULT_PROMPT, Fidelity.PAPER),
        (GPT, DEFAULT_PROMPT, Fidelity.OURS),
        (GPT, "judge/pairwise-tie", Fidelity.RELEASED),
        (control, DEFAULT_PROMPT, Fidelity.RELEASED),
    ):
        assert select_judge_prompt(model, name, fidelity, LIBRARY) is LIBRARY[name]
    with user_error("prompt.released-missing"):
        select_judge_prompt(GPT, DEFAULT_PROMPT, Fidelity.RELEASED, Library(released_folder=Path("nowhere")))


@pytest.mark.parametrize(
    ("fidelity", "samples", "expected"),
    [
        (Fidelity.OURS, 1, 0.0),
        (Fidelity.OURS, 2, None),
        (Fidelity.PAPER, 1, None),
        (Fidelity.RELEASED, 1, None),
    ],
)
def test_neither_the_paper_nor_its_scripts_set_a_temperature(
    fidelity: Fidelity, samples: int, expected: float | None
) -> None:
    assert judge_temperature(fidelity, samples) == expected


# ---- what it asks ----------------------------------------------------------------------------------------


def test_the_prompt_is_filled_with_dialogue_and_responses_in_their_order() -> None:
    text = Judge(GPT, PAIRWISE).call(PAIR).messages[-1].content
    assert (
        text
        == PAIRWISE.fill(
            {
                "context": DIALOGUE.situation,
                "utterance": DIALOGUE.utterance,
                "response_1": ONE.text,
                "response_2": OTHER.text,
            }
        )[0]
    )


def test_the_other_order_is_the_same_prompt_with_the_responses_exchanged() -> None:
    judge = Judge(GPT, PAIRWISE)
    here, there = (judge.call(order).messages[-1].content for order in PAIR.both_orders())
    assert here != there
    assert here.replace(ONE.text, "{}").replace(OTHER.text, "{}").format(OTHER.text, ONE.text) == there


def test_a_judge_sees_no_author_id_or_rating() -> None:
    rated = replace(DIALOGUE, emotion="excited", sentiment="cheerful", part="part-12")
    seen = str(request_body_of(Judge(GPT, PAIRWISE), Comparison(rated, ONE, OTHER)))
    hidden = ("student:x", "set-1", "set-2", "excited", "cheerful", "part-12", ONE.id, DIALOGUE.key)
    assert [name for name in hidden if name in seen] == []
    assert seen == str(request_body_of(Judge(GPT, PAIRWISE)))


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("openai/gpt-4o", {"max_tokens": 5, "temperature": 0.0, "logprobs": True, "top_logprobs": 20}),
        ("vllm/base", {"max_tokens": 4096, "temperature": 0.0, "logprobs": True, "top_logprobs": 20}),
        ("vllm/Llama-3.1-8B", {"max_tokens": 5, "temperature": 0.0, "logprobs": True, "top_logprobs": 20}),
        ("anthropic/claude-sonnet-4-5", {"max_tokens": 16, "temperature": 0.0}),
        ("openai/o4-mini", {"max_completion_tokens": 4096}),
        ("openai/gpt-5-mini", {"max_completion_tokens": 4096}),
    ],
)
def test_each_model_gets_its_preferred_constraint(name: str, sent: dict[str, Any]) -> None:
    body = request_body_of(Judge(REGISTRY.model(name), PAIRWISE))
    constraint = {key: body.pop(key, None) for key in ("response_format", "structured_outputs")}
    assert {key: value for key, value in body.items() if key not in ("model", "messages")} == sent
    assert (constraint["structured_outputs"] is not None) == name.startswith("vllm/")
    assert (constraint["response_format"] is not None) == ("max_completion_tokens" in sent)


def test_gemini_gets_its_own_parameters() -> None:
    flash = request_body_of(Judge(REGISTRY.model("google/gemini-2.0-flash"), PAIRWISE))["generationConfig"]
    assert flash == {"maxOutputTokens": 5, "temperature": 0.0, "responseLogprobs": True, "logprobs": 20}
    pro = request_body_of(Judge(REGISTRY.model("google/gemini-2.5-pro"), WITH_TIE))["generationConfig"]
    assert pro["responseJsonSchema"]["properties"]["answer"]["enum"] == ["1", "2", "tie"]


def test_answers_are_those_of_the_prompt() -> None:
    two, three = (
        request_body_of(Judge(REGISTRY.model("vllm/base"), prompt)) for prompt in (PAIRWISE, WITH_TIE)
    )
    assert two["structured_outputs"] == {"choice": ["1", "2"]}
    assert three["structured_outputs"] == {"choice": ["1", "2", "tie"]}


def test_temperature_may_be_left_unset() -> None:
    assert "temperature" not in request_body_of(Judge(GPT, PAIRWISE, temperature=None))
    assert request_body_of(Judge(GPT, PAIRWISE, temperature=0.7))["temperature"] == 0.7


# ---- who it is -------------------------------------------------------------------------------------------


def test_different_settings_are_different_judges() -> None:
    judges = {
        "as it is": Judge(GPT, PAIRWISE),
        "another model": Judge(REGISTRY.model("openai/gpt-4o-mini"), PAIRWISE),
        "another address": Judge(replace(GPT, identity="http://elsewhere/v1"), PAIRWISE),
        "another prompt": Judge(GPT, WITH_TIE),
        "another word": Judge(GPT, replace(PAIRWISE, version="prompt-1:other")),
        "another temperature": Judge(GPT, PAIRWISE, temperature=1.0),
        "no temperature": Judge(GPT, PAIRWISE, temperature=None),
        "another limit": Judge(
            replace(GPT, capabilities=replace(GPT.capabilities, verdict_tokens=6)), PAIRWISE
        ),
        "no log-probabilities": Judge(
            replace(GPT, capabilities=replace(GPT.capabilities, max_top_logprobs=0)), PAIRWISE
        ),
        "held to a schema": Judge(
            replace(GPT, capabilities=replace(GPT.capabilities, verdict="json")), PAIRWISE
        ),
        "an extra key": Judge(
            replace(GPT, capabilities=replace(GPT.capabilities, extra='{"x":1}')), PAIRWISE
        ),
        "another name of the limit": Judge(
            replace(GPT, capabilities=replace(GPT.capabilities, token_limit="m")), PAIRWISE
        ),
        "a control judge": Judge(rules.model("longer"), PAIRWISE),
        "another control judge": Judge(rules.model("first"), PAIRWISE),
    }
    same = [(one, other) for one, other in combinations(judges, 2) if judges[one].id == judges[other].id]
    assert same == []


def test_equal_settings_are_the_same_judge() -> None:
    judge = Judge(GPT, PAIRWISE)
    for same in (
        Judge(Registry(None, {}).model("openai/gpt-4o"), Library()["judge/pairwise"]),
        Judge(replace(GPT, base_url="http://moved/v1"), PAIRWISE),
        Judge(replace(GPT, key_env="MY_KEY"), PAIRWISE),
        Judge(GPT, replace(PAIRWISE, title="Which is kinder", source="elsewhere.md", name="mine")),
    ):
        assert same.id == judge.id
    control = Judge(rules.model("longer"), PAIRWISE)
    assert Judge(rules.model("longer"), WITH_TIE).id == control.id, "control judges read no prompt"


def test_parameters_that_are_not_sent_are_not_part_of_a_judge() -> None:
    thinking = replace(GPT, capabilities=Capabilities(temperature=False))
    assert Judge(thinking, PAIRWISE, temperature=0.0).id == Judge(thinking, PAIRWISE, temperature=None).id


def test_names_are_as_people_write_them() -> None:
    assert Judge(GPT, PAIRWISE).name == "openai/gpt-4o"
    assert Judge(GPT, WITH_TIE).name == "openai/gpt-4o (judge/pairwise-tie)"
    assert Judge(rules.model("longer"), PAIRWISE).is_control
    assert not Judge(GPT, PAIRWISE).is_control


# ---- what it read ----------------------------------------------------------------------------------------


def test_a_judgment_names_everything_it_was_read_from() -> None:
    judge = Judge(GPT, PAIRWISE)
    judgment = judged(judge, Completion("1", FinishReason.STOP), sample=3, attempt=1)
    assert judgment == Judgment(
        call_key=judge.call(PAIR, 3, 1).key,
        judge_id=judge.id,
        dialogue=DIALOGUE.key,
        first=ONE.id,
        second=OTHER.id,
        sample=3,
        attempt=1,
        parser=VERDICT_PARSER,
        outcome=Verdict(Preference.FIRST),
    )


@pytest.mark.parametrize(
    ("prompt", "text", "finish", "outcome"),
    [
        (PAIRWISE, "2", FinishReason.STOP, Verdict(Preference.SECOND)),
        (PAIRWISE, "tie", FinishReason.STOP, Unscored(UnscoredReason.UNREADABLE, "tie")),
        (WITH_TIE, "tie", FinishReason.STOP, Verdict(Preference.TIE)),
        (PAIRWISE, "No.", FinishReason.REFUSAL, Unscored(UnscoredReason.REFUSED, "No.")),
        (PAIRWISE, "", FinishReason.FILTERED, Unscored(UnscoredReason.FILTERED, "")),
        (PAIRWISE, "", FinishReason.LENGTH, Unscored(UnscoredReason.TRUNCATED, "")),
    ],
)
def test_a_judgment_stores_every_outcome(
    prompt: Prompt, text: str, finish: FinishReason, outcome: Verdict | Unscored
) -> None:
    assert judged(Judge(GPT, prompt), Completion(text, finish)).outcome == outcome


@given(st.sampled_from(["1", "2"]))
def test_samples_and_attempts_are_separate_calls_with_the_same_prompt(text: str) -> None:
    judge = Judge(GPT, PAIRWISE)
    calls = [judge.call(PAIR, sample, attempt) for sample in range(2) for attempt in range(2)]
    assert len({call.key for call in calls}) == 4
    assert len({call.body for call in calls}) == 1
    assert {call.read and call.read(Completion(text, FinishReason.STOP), "k").judge_id for call in calls} == {
        judge.id
    }


# ---- which prompts judge ---------------------------------------------------------------------------------

Write = Callable[[str], Library]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a judge prompt of a user's."""

    def file(text: str) -> Library:
        (tmp_path / "judge").mkdir(exist_ok=True)
        (tmp_path / "judge" / "mine.md").write_text(text, encoding="utf-8")
        return Library(tmp_path)

    return file


HEAD = "---\nvariables: context, utterance, response_1, response_2\nanswers: 1, 2\n---\n"
BODY = "{{> dialogue}} {{> two-responses}} Which?"


def test_a_users_prompt_judges(write: Write) -> None:
    judge = Judge(GPT, write(HEAD + BODY)["judge/mine"])
    assert judge.name == "openai/gpt-4o (judge/mine)"
    assert judge.call(PAIR).messages[-1].content.endswith("Which?")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            HEAD.replace(", response_2", "") + "{{> dialogue}} {{response_1}}",
            "context, utterance, response_1;",
        ),
        (HEAD.replace("answers: 1, 2\n", "") + BODY, "answers none"),
        (HEAD.replace("1, 2", "2, 1") + BODY, "answers 2, 1"),
        (HEAD.replace("1, 2", "1, 2, both") + BODY, "answers 1, 2, both"),
        (HEAD.replace("1, 2", "1") + BODY, "answers 1"),
        (HEAD + BODY + "\n=== next turn ===\nSure?", "turns 2"),
    ],
)
def test_a_prompt_that_is_not_a_judge_prompt_is_rejected(write: Write, text: str, found: str) -> None:
    with user_error("prompt.not-judge") as error:
        Judge(GPT, write(text)["judge/mine"])
    assert found in error.fault.found
    assert error.fault.where.endswith("mine.md")


@pytest.mark.parametrize("name", ["respond", "improve/naive", "improve/sequential"])
def test_our_other_prompts_do_not_judge(name: str) -> None:
    with user_error("prompt.not-judge"):
        Judge(Model("openai", "m", ApiProtocol.OPENAI_CHAT), LIBRARY[name])
