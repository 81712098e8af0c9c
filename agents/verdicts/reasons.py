"""Reasons after a statement: whether the text explains it or may retract it.

A statement counts as a verdict only if all text after it is an explanation: praise of the chosen response, or
a description of the other one without praise. Anything else (a doubt, a denial, a contrast in favour of the
other response, a question, a new subject) leaves the completion without a verdict.
"""

from __future__ import annotations

import re

from agents.verdicts.languages import BECAUSE
from agents.verdicts.phrases import compiled
from agents.verdicts.predicates import ABOUT_IT, describes, gives_a_reason, is_about_it, is_because
from agents.verdicts.word_lists import words

_NAMES = compiled(r"\b[RDFBP]([12])\b")
_ALLOWED = compiled(
    r"""\b(?:(?:does not|doesn't|never) (?:rush|judge|dismiss|minimi[sz]e|lecture
    |overlook|jump|assume|blame|hurry|push|belittle)
    |rather than|instead of|but also|not only|not just|not merely|without (?:judg(?:ing|ment)|rushing
    |dismissing|minimizing"""
    r"""|minimising|assuming)|no judgment|more than just|better understand(?:s|ing)?|what it would
    |even though she|even though he"""
    r"""|how (?:\w+ ){0,3}could|may be feeling|might be feeling|must be feeling|must feel|may feel
    |might feel|would feel)\b"""
)
_DOUBTS = words("reasons", "doubts")
_INFERIOR = words("reasons", "inferior")
_SUPERIOR = words("reasons", "superior")
_MORE_OF_THE_WORSE = compiled(
    r"""\b(?:(?:much |far |a bit |somewhat )?more (?:on|generic|clinical|distant|detached|formal|practical
    |superficial|dismissive"""
    r"""|focused on|solution-focused|solution-oriented|matter-of-fact|impersonal|mechanical|advice|factual
    |neutral|analytical"""
    r"""|transactional|brief|casual|surface-level|problem-solving|like|about)|more of an?|at (?:best|most)
    |best described as)\b"""
)
_META = words("reasons", "meta")
_MORE_REASONS = compiled(
    r""" ?(?:[,;:—(.] ?)?(?:and |which |where )?(?P<because>(?:because|since) (?=it |it's |its |[RFDP][12]
    |of (?:its|the)|the (?:response|reply|other|speaker|user|person|W1)|this |they |she |he |both |only )"""
    r"|as (?=it |[RFD][12]|this |the response|they |the )|in that |due to |thanks to "
    r"""|given (?:that|its)|by (?=\w+ing )|for (?=\w+ing |its )|and (?=it |also |\w+s )
    |with its |through its |especially |particularly |notably )"""
    r"""| ?[,;:—(.] ?(?:and )?(?P<it>(?=it |it's |its |the response |this response
    |the reply |(?:also |clearly |directly )?\w+ing |the speaker ))"""
    r"""| ?[,;(—]? ?(?P<other>while |whereas |unlike |compared (?:to|with) |and (?=[RFD][12])
    |where (?=[RF])|which )| ?[,;(—] (?P<other_named>(?=[RFD][12]|the other))"""
)
_ABOUT_THE_OTHER = compiled(
    r"(?:in contrast|by contrast|in comparison|by comparison|meanwhile|on the other hand|conversely) ,? ?"
)
_THE_OTHER = compiled(r"the (?:other|alternative|rejected|remaining)(?: response| reply| W1| option)?\b")
_OTHER_SUBJECT = compiled(
    r"""(?:(?:in contrast|by contrast|in comparison|by comparison|meanwhile|on the other hand
    |conversely) ,? ?)?(?:[RFD][12]|the (?:other|alternative|rejected|remaining)
    (?: response| reply| W1| option)?)(?: , (?:on the other hand|in contrast|by contrast|however|meanwhile
    |though|while \w+) ,| , which| ,)? """
)
_TURNS = compiled(
    r"\b(?:but|however|although|though|yet|nevertheless|nonetheless|still|or|unless|while|except)\b(?: ,)? "
)
_OF_THE_VERDICT = compiled(
    r"""(?:then again ,? ?|again ,? ?|perhaps |maybe |honestly ,? ?|admittedly ,? ?)*
    (?:(?:i|i'm|i'd|i've|i'll|my|we|who|so|others|opinions|nobody|no one|that's|that|this|there|there's
    |not (?:sure|certain)|hard to|difficult to
    |not(?: (?:clearly|entirely|quite|really|necessarily|definitely))?(?: so)?(?= ?[.,!]*$))\b
    |(?:it|it's|the (?:W1|difference|margin|choice|verdict|call|decision|opposite|reverse)|W1)(?= )
    (?: (?:is|was|'s))?
    (?: (?:a|very|also|really|only|just|still)){0,2}
    (?: )(?:could|may|might|debatable|questionable|arguable|hard|difficult|close|not clear|unclear|uncertain
    |depends|opposite|reverse|subjective|narrow|small|slight|true)\b)"""
)
_SPEAKER = compiled(
    r"(?:the |this )?(?:speaker|user|person|writer|author|poster|friend|she|he|someone|narrator)(?: 's)?\b"
)
_HEADING = compiled(
    r"""[#"(\[:—.•· ]*(?:my |the |a |brief |short |key )*(?:reasoning|reasons|reason|explanation
    |rationale|note
    |justification|why|analysis|because|here's why"""
    r"""|here is why|note on why|here are the reasons|here's the reasoning|here is my reasoning
    |here is the reasoning|summary|comparison|details"""
    r"""|key differences|differences|evaluation)(?: for (?:the |my )?(?:choice|verdict|decision
    |answer))?(?: \))?(?: [:.—])*"""
)
_CLOSING = compiled(
    r"""(?:i hope (?:this|that) helps|let me know if you(?:'d| would)? (?:like|need|want)[\w ,']{0,80}
    |thank you[\w ,]{0,40}|thanks|hope (?:this|that) helps)[ .!]*"""
)
_BULLET = compiled(r"(?:[—•·#*|] |[DN][12]? [.)] |[DN] [.)] )*")
_BEGUN = compiled(
    r"""(?:both|while|whereas|although|though|the (?:response|reply|other|W1|tone|key|main|reason)
    |in [RFP][12]
    |i (?:chose|choose|selected|picked|believe|think|find) (?:it|this|that|[RF][12]|because|since))\b"""
)
_CONCEDES = compiled(
    r"(?:while|whereas|although|though|even though|even if|despite|unlike|compared to|compared with) "
)
_PRAISES = words("reasons", "praises")
_BECAUSE_ABROAD = compiled(BECAUSE)
_CONTRASTS_ABROAD = words("languages", "contrasts")


def _words(text: str) -> list[str]:
    return _ALLOWED.sub("", text).split(" ")


def _of_the_chosen(text: str, chosen: str) -> bool:
    """Return whether a clause praises or merely describes the chosen response."""
    text = re.sub(rf"\bonly (?=[RF]{chosen}\b)", "", text)
    for contrast in (" while ", " whereas ", " unlike ", " compared to ", " compared with ", " than ", " ; "):
        before, separator, after = text.partition(contrast)
        if separator and contrast != " than " and _names_other(after, chosen):
            return _of_the_chosen(before, chosen) and _of_the_other(after, chosen)
        if separator and contrast == " than " and _names_other(after, chosen):
            return _of_the_chosen(before, chosen) and not _bad(after, _DOUBTS)
    return not _names_other(text, chosen) and not _bad(text, _DOUBTS) and not _bad(text, _INFERIOR)


def _of_the_other(text: str, chosen: str) -> bool:
    """Return whether a clause about the other response does not prefer it or mention the chosen one."""
    if text.count(" ") < 2 or not _is_faulty(text) or _ends_in_doubt(text):
        return False
    text = _MORE_OF_THE_WORSE.sub("", text)
    return chosen not in _NAMES.findall(text) and not _bad(text, _SUPERIOR) and not _bad(text, _META)


def _ends_in_doubt(text: str) -> bool:
    """Return whether a clause about the other response ends in a doubt about the verdict itself.

    "…, but it only advises" continues about the response; "…, but I am not sure" is about the verdict.
    """
    return any(_OF_THE_VERDICT.match(text, contrast.end()) is not None for contrast in _TURNS.finditer(text))


def _is_faulty(text: str) -> bool:
    """Return whether a clause describes the other response, or has another subject."""
    subject = _OTHER_SUBJECT.match(text)
    return subject is None or describes(text[subject.end() :], faulty=True)


_SAYS_SO = compiled(r"\b[RFD][12] says? so\b")


def _bad(text: str, words: frozenset[str]) -> bool:
    if _SAYS_SO.search(text):
        return True
    return (
        any(word in words or word.endswith("n't") or word in ("?", "…") for word in _words(text))
        if words is _DOUBTS
        else any(word in words or word == "?" for word in _words(text))
    )


def _names_other(text: str, chosen: str) -> bool:
    if chosen == "tie":
        return False
    return any(name != chosen for name in _NAMES.findall(text)) or _THE_OTHER.search(text) is not None


def _is_reason_abroad(text: str) -> bool:
    """Return whether a text is a reason in another language that names no response and retracts nothing."""
    match = _BECAUSE_ABROAD.match(text)
    if match is None or _NAMES.search(text) or "?" in text:
        return False
    return _CONTRASTS_ABROAD.isdisjoint(text[match.end() :].split(" "))


def reasons(text: str, chosen: str, *, before_other: bool = False) -> bool:
    """Return whether the rest of a sentence, after its statement, is a reason for the statement.

    Args:
        before_other: whether the other response was named last: "…, which" is then about it.
    """
    text = text.rstrip(" .!)")
    if not text:
        return True
    if chosen == "tie":
        return False
    match = _MORE_REASONS.match(text)
    if match is None or (match["other"] == "which " and not before_other):
        return match is None and _is_reason_abroad(text)
    rest = text[match.end() :].strip()
    subject = _NAMES.match(rest)
    of_the_other = bool(subject and subject[1] != chosen) or _THE_OTHER.match(rest) is not None
    if match["other"] is not None or match["other_named"] is not None:
        return _of_the_other(rest, chosen)
    if of_the_other and match["because"] is not None:
        return _of_the_other(rest, chosen)
    if match["because"] is not None:
        explained = is_because(match["because"].strip(), rest)
    else:
        explained = subject is not None or gives_a_reason(rest)
    return explained and _of_the_chosen(rest, chosen)


_JUSTIFIES = compiled(
    r""" ?(?:[,(:—] ?)?(?:because|since|as (?=it )) ?(?=.)| ?[,(:—] (?P<it>it
    |[RFDW][12]) (?P<verb>\w+)"""
)


def justifies(text: str, chosen: str) -> bool:
    """Return whether the text after a name alone is a reason to choose it: "Response 2, because …"."""
    if chosen == "tie":
        return re.match(r" [:,—] both ", text) is not None and _of_both(text.rstrip(" .!"))
    match = _JUSTIFIES.match(text)
    if match is None:
        return False
    if match["it"] is not None:
        own = match["it"] == "it" or match["it"][1] == chosen
        return (
            own
            and describes(text[match.start("verb") :])
            and _of_the_chosen(text[match.start("verb") :].rstrip(" .!)"), chosen)
        )
    return reasons(text, chosen)


def explains(text: str, chosen: str) -> bool:
    """Return whether a sentence after a verdict explains it."""
    text = text[_BULLET.match(text).end() :].strip(' .!()|"—') if text else ""  # type: ignore[union-attr]
    if not text or _CLOSING.fullmatch(text) or _HEADING.fullmatch(text):
        return True
    if chosen == "tie":
        return _of_both(text)
    heading = _HEADING.match(text)
    if heading is not None and heading[0].rstrip().endswith(":"):
        text = text[heading.end() :].strip()
        return _explains(text, chosen) or _of_the_chosen(text, chosen)
    return _explains(text, chosen)


def _explains(text: str, chosen: str) -> bool:
    turn = _ABOUT_THE_OTHER.match(text)
    if turn is not None and _names_other(text, chosen):
        return _of_the_other(text, chosen)
    if _CONCEDES.match(text):
        return _after_concession(text, chosen)
    subject = _NAMES.match(text)
    if subject is not None and subject[1] != chosen:
        return _other_then_chosen(text, chosen)
    if _THE_OTHER.match(text):
        return _of_the_other(text, chosen)
    if text.startswith("both "):
        return _both_then_chosen(text, chosen)
    return (text.startswith("P") or is_about_it(text)) and _of_the_chosen(text, chosen)


def _both_then_chosen(text: str, chosen: str) -> bool:
    both, but, after = text.partition(" but ")
    subject = _NAMES.match(after)
    if but and subject is not None and subject[1] == chosen:
        return _of_both(both) and is_about_it(after) and _of_the_chosen(after, chosen)
    return _of_both(text) and not _NAMES.search(text)


def _after_concession(text: str, chosen: str) -> bool:
    """Match a contrast of the other and the chosen: "While Response 1 is kind, Response 2 goes deeper"."""
    before, comma, after = text.partition(" , ")
    subject = _NAMES.match(after)
    praised = (subject is not None and subject[1] == chosen) or after.startswith("it ")
    if after.startswith("it ") and _bad(after, _INFERIOR):  # "While Response 2 is polite, it lacks warmth"
        return _of_the_other(_CONCEDES.sub("", before), chosen) and _of_the_other(after, chosen)
    return (
        bool(comma)
        and praised
        and _of_the_other(_CONCEDES.sub("", before), chosen)
        and _of_the_chosen(after, chosen)
    )


def _other_then_chosen(text: str, chosen: str) -> bool:
    for contrast in (" while ", " whereas ", " but ", " ; ", " , and "):
        before, separator, after = text.partition(contrast)
        if separator and (subject := _NAMES.match(after)) and subject[1] == chosen:
            return _of_the_other(before, chosen) and _of_the_chosen(after, chosen)
    return _of_the_other(text, chosen)


def _of_both(text: str) -> bool:
    return not _bad(text, _DOUBTS) and not _bad(text, _SUPERIOR - {"equally", "equal", "same", "tie", "tied"})


def praises(text: str, chosen: str) -> bool:
    """Return whether a sentence is explicit praise, without which "Response 2." alone could be a heading."""
    words = text.split(" ")
    return (
        words[:1] == ["it"]
        and len(words) > 2
        and any(word in _PRAISES for word in words[1:3])
        and explains(text, chosen)
    )


_BEGINS_TO_EXPLAIN = compiled(
    r"""(?:\(|the|this|in|it|its|it's|both|while|whereas|although|though|because|since|as|by|i|here|in
    |(?:the |this |my )?(?:response|reply|speaker|user|person)(?: 's| P[12])?
    |i (?:chose|choose|selected|picked|believe|think|find|prefer|judge|consider)(?: (?:it|this|that
    |R[12]|F[12]|the|because|since|as|for))*)"""
)


def begins_to_explain(text: str, chosen: str) -> bool:
    """Return whether a truncated sentence begins an explanation and retracts nothing so far."""
    text = text[_BULLET.match(text).end() :].strip(' )|"—') if text else ""  # type: ignore[union-attr]
    heading = _HEADING.match(text)
    if heading is not None:
        text = text[heading.end() :].strip()
    if _BEGINS_TO_EXPLAIN.fullmatch(text):
        return True
    subject = _NAMES.match(text)
    of_the_other = chosen not in ("tie", subject[1] if subject else chosen) or _THE_OTHER.match(text)
    if of_the_other and _bad(text, _SUPERIOR):
        return False
    opens = subject or ABOUT_IT.match(text) or _SPEAKER.match(text) or _BEGUN.match(text) or not text
    return bool(opens) and not _bad(text, _META | {"but", "no", "not", "actually"})


def compares(text: str, chosen: str) -> bool:
    """Return whether a clause only describes or praises the chosen response."""
    return _of_the_chosen(text, chosen)


def is_heading(text: str) -> bool:
    """Return whether a line is a heading of reasons: "Reasoning:", "## Analysis"."""
    return _HEADING.fullmatch(text) is not None
