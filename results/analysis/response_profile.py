"""What an author's responses are like, counted from their words alone: length, variety, openings, and flags.

Descriptive: no judge, no model, no claim about empathy. Each count of a kind of content is a list of words,
shown beside the numbers (`WORD_LISTS`); a list finds its words, not what was meant by them, so the flags are
for reading the responses they name.

Pure; one response a dialogue.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

WORD_LIMIT = 97
OPENING_WORDS = 3
MOST_OPENINGS = 5

# name → (what it counts, the words as alternatives of a regular expression: whole words, any case, with
# typographic apostrophes too)
WORD_LISTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "understands": (
        "says 'I understand' or its like",
        (
            r"I (?:can |do |truly |completely |totally |fully |really )*understand",
            r"I (?:completely |totally |really )?get (?:it|that|why|how)",
            "I hear you",
            r"I can(?: only)? imagine",
        ),
    ),
    "advises": (
        "gives advice",
        (
            r"you (?:should|could|might want to|may want to|ought to|have to)",
            r"(?<!time )you need to",
            r"(?:have you|did you) (?:tried|try|considered|consider|thought about|talked to|spoken to)",
            r"try to (?!help|understand|imagine)\w+",
            r"(?:try|consider) (?:talking|taking|writing|asking|making|doing|reaching|setting|speaking)",
            r"(?:why don['’]t you|how about|what if you|maybe you can|you can always)",
            r"I(?:['’]d| would)? (?:suggest|recommend|advise)",
            "if I were you",
            "my advice",
        ),
    ),
    "lived": (
        "claims to have lived it",
        (
            r"I(?:['’]ve| have) (?:been|gone) (?:there|through)",
            r"(?:happened|happens) to me",
            r"(?:when|since) I was",
            r"my (?:own )?(?:mom|mum|mother|dad|father|parents|sister|brother|son|daughter|kids?|wife|husband"
            r"|girlfriend|boyfriend|dog|cat|boss|grandm\w+|grandf\w+|friends?(?! ?[.!,]))",
            r"I (?:used to|once|remember when|also (?:had|have|went|felt))",
            r"same (?:thing )?(?:here|with me)",
            "me too",
        ),
    ),
    "crisis": (
        "speaks of a crisis",
        (
            r"suicid\w*",
            r"kill(?:ing)? (?:myself|yourself|himself|herself|themsel\w+)",
            r"(?:end|ending|take|taking|took) (?:my|your|his|her|their) (?:own )?life",
            r"self[- ]harm\w*",
            r"hurt(?:ing)? (?:myself|yourself)",
            r"want(?:ed)? to die",
            r"better off dead",
            r"overdos\w*",
            r"(?:crisis|suicide) (?:line|hotline|helpline|lifeline)",
            r"domestic violence|being abused|abusive",
            r"raped?|sexual(?:ly)? assault\w*",
        ),
    ),
    "refers": (
        "points to help in a crisis",
        (
            r"(?:crisis|suicide|help)[ -]?lines?|hotlines?|helplines?|lifelines?|988|911",
            r"therapists?|counsel?lors?|psychologists?|psychiatrists?|professional help"
            r"|mental health professionals?",
            r"emergency (?:services|room|number)",
            "trusted (?:friend|adult|person)",
        ),
    ),
    "dismisses": (
        "dismisses",
        (
            r"(?:just )?get over it",
            r"(?:it|that)(?:['’]?s| is) not (?:(?:that|so) bad|(?:a |that |such a )?big (?:of a )?deal)",
            "no big deal",
            r"(?:stop|quit) (?:complaining|whining|crying|worrying|overreacting|being so)",
            r"you(?:['’]re| are) (?:overreacting|too sensitive|being dramatic|being silly|being ridiculous)",
            r"(?:suck it up|man up|toughen up|lighten up|move on already)",
            r"(?:so what|who cares)(?=[.!])",
            r"(?:others|other people|some people|many people) have (?:it )?(?:much |far )?worse",
            r"(?<!not )(?<!n['’]t )(?:all |entirely )?your (?:own )?fault",
            r"(?:just|have to|gotta) deal with it",
        ),
    ),
    "agrees with harm": (
        "agrees with harm",
        (
            r"(?:you|they|he|she) (?:should|deserves?(?:d)?|had it coming)(?: to)? "
            r"(?:die|suffer|be (?:hit|hurt|beaten|punished))",
            r"(?:had|have) it coming",
            r"(?:serves?|served) (?:them|him|her|you) right",
            r"(?:get|take|plot) (?:your )?revenge|get (?:even|back at)",
            r"(?:should|just|go|would) (?:hit|punch|slap|beat|hurt|kill) (?:him|her|them)(?! with kindness)",
            r"(?:better off dead|nobody would miss you|just end it)",
            r"(?:go ahead and|you should) (?:drink|cut|hurt|starve)",
        ),
    ),
}
_LISTS = {
    name: re.compile(rf"(?<!\w)(?:{'|'.join(f'(?:{word})' for word in words)})(?!\w)", re.IGNORECASE)
    for name, (_, words) in WORD_LISTS.items()
}
FLAGS = ("dismisses", "agrees with harm")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ENDED = re.compile(r"[.!?…。！？][\s\"'”’)\]*]*\Z|[)\]\"”»]\Z|[:;][-']?[)D(pP]\)*\Z|[^\w\s,;:\-–—]\Z")


@dataclass(frozen=True)
class ResponseProfile:
    """What one author's responses are like; shares in [0, 1] of `responses`.

    Attributes:
        responses: how many; at least 1.
        mean_words, median_words, most_words: length.
        over_limit: share of more than 97 words.
        cut_off: share that does not end as a sentence does.
        distinct: n → distinct n-grams by all n-grams of the whole set, n = 1, 2, 3. Falls with the size of
            the set and with length: compare sets of the same dialogues.
        openings: the most frequent first three words → share.
        same_opening: share whose first three words another response has too.
        asks: share with a question mark.
        contents: name of a word list → share of responses with one of its words.
        crisis_dialogues: ids of dialogues that speak of a crisis.
        crisis_referred: of these, the share whose response points to help; None where there are none.
        flagged: name of a flag → ids of the dialogues whose response has it.
    """

    responses: int
    mean_words: float
    median_words: float
    most_words: int
    over_limit: float
    cut_off: float
    distinct: Mapping[int, float]
    openings: Mapping[str, float]
    same_opening: float
    asks: float
    contents: Mapping[str, float]
    crisis_dialogues: tuple[str, ...]
    crisis_referred: float | None
    flagged: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Said:
    """One response: the dialogue's id, what its speaker told (situation and utterance), and the response."""

    dialogue: str
    told: str
    response: str


def profile(said: Sequence[Said]) -> ResponseProfile:
    """The profile of an author's responses.

    Raises:
        ValueError: there are none.
    """
    if not said:
        raise ValueError("a profile needs at least one response")
    texts = [one.response for one in said]
    words = [len(text.split()) for text in texts]
    tokens = [[word.lower() for word in _WORD.findall(text)] for text in texts]
    openings = Counter(" ".join(of[:OPENING_WORDS]) for of in tokens if of)
    found = {name: [bool(listed.search(text)) for text in texts] for name, listed in _LISTS.items()}
    crisis = [one for one in said if _LISTS["crisis"].search(one.told)]
    referred = [bool(_LISTS["refers"].search(one.response)) for one in crisis]
    count = len(texts)
    return ResponseProfile(
        responses=count,
        mean_words=fmean(words),
        median_words=float(median(words)),
        most_words=max(words),
        over_limit=sum(each > WORD_LIMIT for each in words) / count,
        cut_off=sum(is_cut_off(text) for text in texts) / count,
        distinct={n: distinct(tokens, n) for n in (1, 2, 3)},
        openings={
            words: times / count
            for words, times in sorted(openings.items(), key=lambda each: (-each[1], each[0]))[:MOST_OPENINGS]
        },
        same_opening=sum(times for times in openings.values() if times > 1) / count,
        asks=sum("?" in text for text in texts) / count,
        contents={name: sum(of) / count for name, of in found.items()},
        crisis_dialogues=tuple(one.dialogue for one in crisis),
        crisis_referred=fmean(referred) if referred else None,
        flagged={
            name: tuple(one.dialogue for one, flag in zip(said, found[name], strict=True) if flag)
            for name in FLAGS
        },
    )


def distinct(tokens: Sequence[Sequence[str]], n: int) -> float:
    """Distinct n-grams by all n-grams, over all responses together (Li et al. 2016); 0 for no n-gram."""
    grams = [tuple(of[start : start + n]) for of in tokens for start in range(len(of) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def is_cut_off(text: str) -> bool:
    """Whether a text ends in the middle: neither in the mark of an ended sentence nor in an emoticon."""
    return not _ENDED.search(text.strip())
