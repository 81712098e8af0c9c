"""Recognition of predicates that describe what a response is or does.

The allowlist contains verbs of `word_lists.toml` with their complements, and forms of "to be" with a
descriptive adjective or noun. "It is a myth", "it depends" and "it deserves the prize" do not describe a
response.
"""

from __future__ import annotations

import re

from agents.verdicts.phrases import compiled
from agents.verdicts.word_lists import words

_VERBS = words("predicates", "verbs")
_ADJECTIVES = words("predicates", "adjectives")
_NOUNS = words("predicates", "nouns")
_FAULTS = words("predicates", "faults")
_INFERIOR = words("reasons", "inferior")
_EMPATHISES = words("predicates", "empathises")  # the other one does so too, or not as well
_PRAISES = words("reasons", "praises")
_ADVERBS = compiled(
    r"""(?:(?:\w+ly|also|just|even|then|both|not only|first|W1|at first|in contrast|in turn|instead|too
    |very|so
    |quite|rather|somewhat|still|more|most|much|far|a bit|a little|slightly|always|never|overall|, however ,
    |however ,) )*"""
)
_COPULA = compiled(
    r"""(?:is|was|'s|are|feels|felt|sounds|reads|comes across|comes off|stays|seems|appears)
    (?: as| like)?(?= |$)"""
)
_DENIED = compiled(r"(?:does not|doesn't|did not|didn't|do not|don't|is not|isn't|never|hardly|barely)\b")
_LIGHT = compiled(
    r"""(?:takes (?:the time|time|in|up|her|his|their|a|on|seriously|into)|takes the speaker
    |goes (?:straight|directly|deeper|beyond (?!that|this|it)\w+|a step|on|to|into|one)|goes W1 step
    |makes (?:her|him|them|the speaker|room|space|it|a|no|an|assumptions|clear|sure)
    |gets (?:to|straight|lost|stuck)|has (?:no|little|less|few|fewer|an?|more|some|warmth|the) (?!edge)\w+
    |(?:opens|begins|starts|ends|closes) (?:with|by|on)|says Q|does (?:so|this|more|less|little|it by)
    |puts (?:her|him|the|it|them|more|feelings)
    |keeps (?:the|a|her|him)|turns (?:to|the|it|away)|moves (?:to|on|quickly|straight|too))\b"""
)
_INTENSIFIED = compiled(
    r"\b(?!(?:on|mere|simp|main|primari|most|large|over|quick|immediate|direct|brief|fair|relative|general|slight"
    r"|pure|sole|part|main|too)ly )(?:\w+ly|so|very) "
)
_CONTRASTED = compiled(
    r"\b(?:but|only|also|too|as well|though|although|while|rather|less|not|without|then)\b"
)
_EXTRAPOSED = compiled(r"\w+ (?:to|that|whether|who|if|how|when|or|question|enough)\b")
_THE_BEST = compiled(
    r"the (?:more|most|better|best|only|stronger|warmer) (?:\w+ ){0,2}(?:W1|response|reply|option|choice)\b"
)


# of these the participle tells from where one looks, not what a response does: "taking tone alone"
_VIEWS = words("predicates", "views")


def _participles() -> frozenset[str]:
    """Return the participles of the verbs: "acknowledging" for "acknowledges"."""
    stems = (re.sub(r"(?<=[sxz])es$|(?<=ch|sh)es$|s$", "", verb) for verb in (_PRAISES | _VERBS) - _VIEWS)
    return frozenset(re.sub(r"(?<=[^e])e$", "", stem) + "ing" for stem in stems)


_PARTICIPLES = _participles()


def describes(predicate: str, *, faulty: bool = False) -> bool:
    """Return whether a predicate (canonical, from its verb on) describes a response.

    Args:
        faulty: whether it is about the response that was not chosen; it may then name a fault or a denial.
    """
    skipped = _ADVERBS.match(predicate)
    text = predicate[skipped.end() :] if skipped else predicate
    if faulty and _DENIED.match(text):
        return True
    verb = text.partition(" ")[0]
    if faulty and _INTENSIFIED.search(predicate[: len(predicate) - len(text)]):
        return False
    copula = _COPULA.match(text)
    if copula is not None:
        return _is_descriptive(text[copula.end() :].lstrip(), faulty)
    if _LIGHT.match(text):
        return True
    if faulty and verb in _EMPATHISES and not _CONTRASTED.search(predicate) and not _names_a_fault(text):
        return False
    return verb in _VERBS or verb in _PRAISES - {"takes", "makes"} or (faulty and _is_fault(verb))


def _names_a_fault(text: str) -> bool:
    return any(_is_fault(word) for word in text.split(" "))


def _is_fault(word: str) -> bool:
    return word in _FAULTS or word in _INFERIOR


def _is_descriptive(complement: str, faulty: bool) -> bool:
    """Return whether the complement of "is" is a quality or a kind of reply."""
    if not faulty and _THE_BEST.match(complement):
        return True
    complement = re.sub(r"^(?:an?|its|also an?) ", "", complement)
    skipped = _ADVERBS.match(complement)
    text = complement[skipped.end() :] if skipped else complement
    if _EXTRAPOSED.match(text) or (faulty and _INTENSIFIED.search(complement[: len(complement) - len(text)])):
        return False
    word = text.partition(" ")[0]
    known = word in _ADJECTIVES or word in _NOUNS or word in _PARTICIPLES
    return known or (
        faulty
        and (_is_fault(word) or _DENIED.match(text) is not None or word in ("less", "not", "no", "like"))
    )


ABOUT_IT = compiled(
    r"""(?:and |also |overall ,? ?|here ,? ?|specifically ,? ?|in particular ,? ?|moreover ,? ?
    |furthermore ,? ?|additionally ,? ?"""
    r"|in addition ,? ?|first ,? |W1 ,? )*"
    r"""(?:it |it's |its |this (?:response|reply|one|W1|makes|shows|creates|helps|demonstrates|conveys
    |reflects|gives|validates)\b"""
    r"""|that (?:response|reply|W1)\b|the (?:response|reply)\b|the (?:chosen|selected|winning|better
    |more empathetic
    |preferred) (?:response|reply|W1|option)"""
    r"|by \w+ing |\w+ing |because |since )"
)
_SITUATION = compiled(
    r"""(?:the |this )?(?:speaker|user|person|writer|author|poster|friend|she|he|narrator)(?: 's \w+)?
    (?: \w+ly| just| also| clearly)*
    (?:(?: is| was|'s) (?!to |the only|free|sure|right|able)|(?: feels| felt| needs| needed| wants| wanted
    | expresses| expressed| shares| shared| describes| described| mentions| mentioned| lost| sounds) )"""
)
_THIS = frozenset(
    ("makes", "shows", "creates", "helps", "demonstrates", "conveys", "reflects", "gives", "validates")
)
_TAKEN_AWAY = compiled(r"\b(?:removed|left out|omitted|cut|aside|excluded|deleted)$")
_AN_IDIOM = compiled(r"(?:the (?:saying|story|phrase) goes|it (?:were|happens|is said|is called|stands))\b")
_ITS_QUALITY = compiled(
    r"""its (?:\w+ )*?(?:empathy|warmth|validation|understanding|care|compassion|support|tone|acknowledg\w+
    |kindness|concern|comfort|recognition|presence|attention|honesty|focus|attunement|sensitivity|sincerity
    |depth|opening|question|questions|language|words|wording|approach|offer|emotional \w+)\b"""
)
_SUBJECT = compiled(r"(?:and |also |overall , )*[RFD][12](?: , (?:however|in turn) ,)? ")


def is_about_it(text: str) -> bool:
    """Return whether a sentence describes the chosen response, by name or as "it", or the speaker."""
    named = _SUBJECT.match(text)
    if named is not None:
        return describes(text[named.end() :].removeprefix("'s "))
    about = ABOUT_IT.match(text)
    return _is_about(text, about) if about is not None else _SITUATION.match(text) is not None


def _is_about(text: str, about: re.Match[str]) -> bool:
    last, rest = about[0].split()[-1], text[about.end() :]
    if last in ("because", "since") or about[0].startswith("by "):
        return True
    if last.endswith("ing"):
        return last in _PARTICIPLES
    if last == "its":
        return _ITS_QUALITY.match(text, about.end() - 4) is not None
    if last in _THIS:
        return describes(last + rest)
    return describes("is " + rest if last == "it's" else rest.strip().removeprefix("'s "))


def gives_a_reason(clause: str) -> bool:
    """Return whether a clause after a comma gives a reason: "validating her anger", "it names the fear"."""
    clause = re.sub(r"^(?:and |also |clearly |directly |\w+ly )+(?=\w+ing |it |it's )", "", clause)
    return is_about_it(clause)


def is_because(conjunction: str, clause: str) -> bool:
    """Return whether a clause after "because", "for", "and" … is a reason rather than a restriction."""
    if conjunction in ("for", "with its", "through its", "given its", "and"):
        if _TAKEN_AWAY.search(clause):
            return False
        if conjunction in ("for", "and"):
            return gives_a_reason(clause) or (conjunction == "and" and describes(clause))
    return conjunction != "as" or _AN_IDIOM.match(clause) is None
