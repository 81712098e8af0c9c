"""Descriptive profile of an author's responses: length, lexical variety, openings, word lists and flags.

The profile uses no judge and no model and makes no claim about empathy. Each kind of content is counted with
a word list (`WORD_LISTS`), which matches words, not their meaning. Read the responses that a flag names.
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

# name → (description, alternatives of a regular expression that matches whole words in any case and with
# typographic apostrophes)
WORD_LISTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "understands": (
        "says 'I understand' or similar",
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
        "claims a similar experience",
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
        "mentions a crisis",
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
        "refers to crisis help",
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
    """Profile of one author's responses; shares are in [0, 1].

    Attributes:
        responses: number of responses, ≥ 1.
        mean_words, median_words, most_words: length in words.
        over_limit: share of responses with more than 97 words.
        cut_off: share of responses that do not end like a sentence.
        distinct: n → share of distinct n-grams in the whole set, n = 1, 2, 3. It falls with the size of the
            set and with length, so compare sets of the same dialogues.
        openings: most frequent first three words → share.
        same_opening: share of responses that share their first three words with another response.
        asks: share of responses with a question mark.
        contents: word list → share of responses with one of its words.
        crisis_dialogues: ids of dialogues that mention a crisis.
        crisis_referred: share of their responses that refer to help; None without such dialogues.
        flagged: flag → ids of the dialogues whose response has it.
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
class ProfiledResponse:
    """Response to profile.

    Attributes:
        dialogue: id of the dialogue.
        speaker_text: situation and utterance.
        response: text of the response.
    """

    dialogue: str
    speaker_text: str
    response: str


def profile(responses: Sequence[ProfiledResponse]) -> ResponseProfile:
    """Compute the profile of an author's responses, one per dialogue.

    Raises:
        ValueError: no responses.
    """
    if not responses:
        raise ValueError("a profile needs at least one response")
    texts = [item.response for item in responses]
    words = [len(text.split()) for text in texts]
    tokens = [[word.lower() for word in _WORD.findall(text)] for text in texts]
    openings = Counter(" ".join(tokens_of[:OPENING_WORDS]) for tokens_of in tokens if tokens_of)
    matches_by_list = {name: [bool(listed.search(text)) for text in texts] for name, listed in _LISTS.items()}
    crisis = [item for item in responses if _LISTS["crisis"].search(item.speaker_text)]
    referred = [bool(_LISTS["refers"].search(item.response)) for item in crisis]
    n_responses = len(texts)
    return ResponseProfile(
        responses=n_responses,
        mean_words=fmean(words),
        median_words=float(median(words)),
        most_words=max(words),
        over_limit=sum(pair_ > WORD_LIMIT for pair_ in words) / n_responses,
        cut_off=sum(is_cut_off(text) for text in texts) / n_responses,
        distinct={n: distinct(tokens, n) for n in (1, 2, 3)},
        openings={
            words: times / n_responses
            for words, times in sorted(openings.items(), key=lambda pair_: (-pair_[1], pair_[0]))[
                :MOST_OPENINGS
            ]
        },
        same_opening=sum(times for times in openings.values() if times > 1) / n_responses,
        asks=sum("?" in text for text in texts) / n_responses,
        contents={name: sum(tokens_of) / n_responses for name, tokens_of in matches_by_list.items()},
        crisis_dialogues=tuple(item.dialogue for item in crisis),
        crisis_referred=fmean(referred) if referred else None,
        flagged={
            name: tuple(
                item.dialogue for item, flag in zip(responses, matches_by_list[name], strict=True) if flag
            )
            for name in FLAGS
        },
    )


def distinct(tokens: Sequence[Sequence[str]], n: int) -> float:
    """Return the share of distinct n-grams over all responses (Li et al. 2016); 0 without n-grams."""
    ngrams = [tuple(words[start : start + n]) for words in tokens for start in range(len(words) - n + 1)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def is_cut_off(text: str) -> bool:
    """Return whether a text ends neither with a sentence-ending mark nor with an emoticon."""
    return not _ENDED.search(text.strip())
