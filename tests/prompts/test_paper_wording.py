"""The seven improvement prompts, word for word against the paper's appendix.

The quoted texts are from H. J. Xie, J. Zhang, X. Zhang and K. Liu, "Distilling Empathy from Large Language
Models", Appendix A (white space normalised, nothing else). Where the appendix slips, `SLIPS` says what it
prints and what we say; every slip listed must really occur, and nothing else may differ.
"""

from __future__ import annotations

import pytest

from prompts import Library

BELOW = "Below is a response to a given speaker utterance in a given context."
GENERATE = (
    "Generate a new improved empathetic response, using on average 28 words and a maximum of 97 words, that "
    "is of higher empathetic quality and also retains the original meaning, intention, and emotion of the "
    "original response."
)

APPENDIX: dict[str, tuple[str, ...]] = {
    "naive": (
        "Below is a response to a given speaker utterance in a given context. Generate a new improved "
        "empathetic response, using on average 28 words and a maximum of 97 words, that is of higher "
        "empathetic quality and also retains the original meaning, intention, and emotion of the original "
        "response.",
    ),
    "cognitive": (
        "Below is a response to a given speaker utterance in a given context. Generate a new improved "
        "empathetic response, using on average 28 words and a maximum of 97 words, that is of higher "
        "empathetic quality and also retains the original meaning, intention, and emotion of the original "
        "response. Your higher quality response should be improved specifically along the cognitive "
        "dimension of empathy. Cognitive empathy is the ability to understand another person's thoughts, "
        "beliefs, and intentions. It is being able to see the world through their eyes and understand their "
        "point of view.",
    ),
    "affective": (
        "Below is a response to a given speaker utterance in a given context. Generate a new improved "
        "empathetic response, using on average 28 words and a maximum of 97 words, that is of higher "
        "empathetic quality and also retains the original meaning, intention, and emotion of the original "
        "response. Your higher quality response should be improved specifically along the affective "
        "(emotional) dimension of empathy. Affective empathy is the ability to experience the emotions of "
        "another person. It is feeling what they are feeling, both positive and negative.",
    ),
    "compassionate": (
        "Your higher quality response should be improved specifically along the compassionate dimension of "
        "empathy. Compassionate empathy is the ability to not only understand and share another person's "
        "feelings, but also to be moved to help if needed. It involves a deeper level of emotional "
        "engagement than cognitive empathy, prompting action to alleviate another's distress or suffering.",
    ),
    "all-dimensions": (
        "Below is a response to a given speaker utterance in a given context. Generate a new improved "
        "empathetic response, using on average 28 words and a maximum of 97 words, that is of higher "
        "empathetic quality and also retains the original meaning, intention, and emotion of the original "
        "response. Your higher quality response should be improved along the three dimensions of empathy: "
        "cognitive, affective(emotional), and compassionate empathy. Cognitive empathy is the ability to "
        "understand another person's thoughts, beliefs, and intentions. It is being able to see the world "
        "through their eyes and understand their point of view. Affective empathy is the ability to "
        "experience the emotions of another person. It is feeling what they are feeling, both positive and "
        "negative. Compassionate empathy is the ability to not only understand and share another person's "
        "feelings, but also to be moved to help if needed. It involves a deeper level of emotional "
        "engagement than cognitive empathy, prompting action to alleviate another's distress or suffering.",
    ),
    "sequential": (
        "Below is a response to a given speaker utterance in a given context. Generate a new improved "
        "empathetic response, using on average 28 words and a maximum of 97 words, that is of higher "
        "empathetic quality and also retains the original meaning, intention, and emotion of the original "
        "response. Your higher quality response should be improved specifically along the cognitive "
        "dimension of empathy. Cognitive empathy is the ability to understand another person's thoughts, "
        "beliefs, and intentions. It is being able to see the world through their eyes and understand their "
        "point of view.",
        "Generate a new improved empathetic response, using on average 28 words and a maximum of 97 words, "
        "that is of higher empathetic quality and also retains the original meaning, intention, and emotion "
        "of the original response. Your higher quality response should be improved specifically along the "
        "affective(emotional) dimension of empathy. Affective empathy is the ability to experience the "
        "emotions of another person. It is feeling what they are feeling, both positive and negative.",
        "Generate a new improved empathetic response, using on average 28 words and a maximum of 97 words, "
        "that is of higher empathetic quality and also retains the original meaning, intention, and emotion "
        "of the original response. Your higher quality response should be improved specifically along the "
        "compassionate dimension of empathy. Compassionate empathy is the ability to not only understand "
        "and share another person's feelings, but also to be moved to help if needed. It involves a deeper "
        "level of emotional engagement than cognitive empathy, prompting action to alleviate another's "
        "distress or suffering.",
    ),
    "lacking-dimension": (
        "Below is a response to a given speaker utterance in a given context. Generate a new improved "
        "empathetic response, using on average 28 words and a maximum of 97 words, that is of higher "
        "empathetic quality and also retains the original meaning, intention, and emotion of the original "
        "response. In the process of generating a higher quality empathetic response, you should identify "
        "the dimension of empathy(cognitive, affective, and compassionate dimensions) that the original "
        "response lacks most of, and specifically improve along the lines of the dimension you identified. "
        "Cognitive empathy is the ability to understand another person's thoughts, beliefs, and intentions. "
        "It is being able to see the world through their eyes and understand their point of view. Affective "
        "empathy is the ability to experience the emotions of another person. It is feeling what they are "
        "feeling, both positive and negative. Compassionate empathy is the ability to not only understand "
        "and share another person's feelings, but also to be moved to help if needed. It involves a deeper "
        "level of emotional engagement than cognitive empathy, prompting action to alleviate another's "
        "distress or suffering.",
    ),
}

# (prompt, turn) → what the appendix prints, what we say (as section 5.2 prints it)
SLIPS: dict[tuple[str, int], tuple[str, str]] = {
    ("all-dimensions", 0): ("affective(emotional)", "affective (emotional)"),
    ("sequential", 1): ("affective(emotional)", "affective (emotional)"),
    ("lacking-dimension", 0): ("empathy(cognitive", "empathy (cognitive"),
    ("compassionate", 0): ("Your higher quality", f"{BELOW} {GENERATE} Your higher quality"),
}

# Section 5.2 prints "other's" where the appendix, twice, has "another's": the appendix is what was said.
SECTION_5_2_COMPASSIONATE = (
    "Compassionate empathy is the ability to not only understand and share another person's feelings, but "
    "also to be moved to help if needed. It involves a deeper level of emotional engagement than cognitive "
    "empathy, prompting action to alleviate other's distress or suffering."
)

LIBRARY = Library()
NUMBERS = {
    "naive": "N",
    "cognitive": "1.1",
    "affective": "1.2",
    "compassionate": "1.3",
    "all-dimensions": "2",
    "sequential": "3",
    "lacking-dimension": "4",
}


def normalised(text: str) -> str:
    return " ".join(text.split())


def instruction(turn: str) -> str:
    """What a turn says before the dialogue that it quotes."""
    return normalised(turn.partition("<context>")[0])


def expected(name: str) -> list[str]:
    turns = []
    for index, text in enumerate(APPENDIX[name]):
        printed, corrected = SLIPS.get((name, index), ("", ""))
        assert text.count(printed) == 1 or not printed, "a slip that the appendix does not have"
        turns.append(normalised(text.replace(printed, corrected) if printed else text))
    return turns


@pytest.mark.parametrize("name", APPENDIX)
def test_an_improvement_prompt_says_what_the_appendix_says(name: str) -> None:
    assert [instruction(turn) for turn in LIBRARY[f"improve/{name}"].turns] == expected(name)


@pytest.mark.parametrize("name", APPENDIX)
def test_an_improvement_prompt_quotes_dialogue_and_response_once_and_ends_with_them(name: str) -> None:
    prompt = LIBRARY[f"improve/{name}"]
    shown = (
        "<context>\n{{context}}\n</context>\n\n<utterance>\n{{utterance}}\n</utterance>\n\n"
        "<response>\n{{response}}\n</response>"
    )
    assert prompt.turns[0].endswith(shown)
    assert sum(turn.count("{{") for turn in prompt.turns) == 3
    assert prompt.paper == NUMBERS[name]
    assert prompt.answers == ()


def test_exactly_seven_prompts_are_the_papers() -> None:
    theirs = {prompt.name for prompt in LIBRARY if prompt.paper}
    assert theirs == {f"improve/{name}" for name in APPENDIX}
    assert {name for name, _ in SLIPS} <= set(APPENDIX)


def test_prompts_are_composed_as_in_section_5_2() -> None:
    """{Naive prompt} {strategy} {definitions}, everywhere; so 1.3 begins as the others do."""
    naive = instruction(LIBRARY["improve/naive"].turns[0])
    assert naive == f"{BELOW} {GENERATE}"
    assert all(instruction(LIBRARY[f"improve/{name}"].turns[0]).startswith(naive) for name in APPENDIX)
    three = [
        instruction(LIBRARY[f"improve/{name}"].turns[0]).removeprefix(naive).split(" of empathy. ")[1]
        for name in ("cognitive", "affective", "compassionate")
    ]
    for name in ("all-dimensions", "lacking-dimension"):
        assert instruction(LIBRARY[f"improve/{name}"].turns[0]).endswith(" ".join(three))
    assert three[2] == SECTION_5_2_COMPASSIONATE.replace("other's", "another's")


def test_the_growing_conversation_contains_below_once() -> None:
    """In fidelity `released` a later turn has nothing below it, and its improved response stands above it."""
    first, second, third = LIBRARY["improve/sequential"].turns
    assert instruction(first) == instruction(LIBRARY["improve/cognitive"].turns[0])
    for turn, name in ((second, "affective"), (third, "compassionate")):
        alone = instruction(LIBRARY[f"improve/{name}"].turns[0])
        assert turn == alone.removeprefix(f"{BELOW} ")
        assert turn.startswith(GENERATE)
        assert "Below" not in turn


@pytest.mark.parametrize("name", ["respond", "judge/pairwise", "judge/pairwise-tie"])
def test_our_own_prompts_define_empathy_with_the_papers_words(name: str) -> None:
    corrected = normalised(LIBRARY[name].turns[0])
    three = instruction(LIBRARY["improve/all-dimensions"].turns[0])
    assert three[three.index("Cognitive empathy is") :] in corrected
    assert len(LIBRARY[name].turns) == 1


def test_the_direct_prompt_has_the_papers_lengths_and_the_judges_ask_for_one_word() -> None:
    assert "on average 28 words and a maximum of 97 words" in LIBRARY["respond"].turns[0]
    for name, answers in (("judge/pairwise", "12"), ("judge/pairwise-tie", ("1", "2", "tie"))):
        last = LIBRARY[name].turns[-1].splitlines()[-1]
        assert all(answer in last for answer in answers)
        assert "and nothing else" in last
        assert LIBRARY[name].turns[-1].index("<response_1>") < LIBRARY[name].turns[-1].index("<response_2>")
