"""Judge families: models of the same maker, and warnings about self-preference bias.

A judge may favour responses of its own family. The maker is inferred from names: of the model, of the author,
and of the teachers and the base model in a student's record. Since names are arbitrary, the inference prefers
false warnings to missed ones. Control judges, people and files have no maker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agents.types import ResponseSet

MAKER_PATTERNS = {
    "OpenAI": r"gpt|openai|davinci|\bo[134](-|\b)",
    "Anthropic": r"claude|anthropic",
    "Google": r"gemini|gemma|google|\bpalm\b",
    "Meta": r"(?<!o)llama|\bmeta\b|meta-",
    "Mistral": r"mistral|mixtral|ministral",
    "Alibaba": r"qwen|alibaba",
    "DeepSeek": r"deepseek",
    "Microsoft": r"\bphi-?\d|microsoft",
    "xAI": r"\bgrok|\bxai\b",
    "Cohere": r"cohere|\bcommand-[ar]\b",
}
_PATTERNS = {family: re.compile(pattern, re.IGNORECASE) for family, pattern in MAKER_PATTERNS.items()}
MAX_NAMED = 4
_WITHOUT_MAKER = ("control/", "file:")


@dataclass(frozen=True, slots=True)
class Lineage:
    """Origin of a student.

    Attributes:
        teachers: names of the models that taught it.
        bases: names of its base models; several if trainings have the same name.
    """

    teachers: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Yield each model of the lineage with a phrase such as "taught by openai/gpt-6.1-sol"."""
        yield from ((f"taught by {teacher}", teacher) for teacher in self.teachers)
        yield from ((f"on the base {base}", base) for base in self.bases)

    def __add__(self, other: Lineage) -> Lineage:
        """Return the lineage of trainings of one name, without duplicates."""
        return Lineage(
            tuple(dict.fromkeys(self.teachers + other.teachers)),
            tuple(dict.fromkeys(self.bases + other.bases)),
        )


@dataclass(frozen=True, slots=True)
class FamilyMatch:
    """Author of the same family as the judge.

    Attributes:
        author: name as users write it.
        set_id: id of its response set.
        family: the common maker.
        why: evidence if it is not the author's name, such as "taught by openai/gpt-6.1-sol"; else "".
    """

    author: str
    set_id: str
    family: str
    why: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the author, the family and the evidence, for JSON output."""
        return {"author": self.author, "family": self.family, "why": self.why}

    @classmethod
    def from_dict(cls, fields: Mapping[str, str]) -> FamilyMatch:
        """Create a match from the result of `to_dict`."""
        return cls(fields["author"], "", fields["family"], fields["why"])


def model_makers(name: str) -> frozenset[str]:
    """Return the makers that a name implies; none for files and control judges.

    The model's name takes precedence over the provider's.

    >>> model_makers("openai/llama-3"), model_makers("taught by openai/gpt-6.1-sol")
    (frozenset({'Meta'}), frozenset({'OpenAI'}))
    """
    if name.startswith(_WITHOUT_MAKER):
        return frozenset()
    return _match_makers(name.partition("/")[2]) or _match_makers(name)


def _match_makers(text: str) -> frozenset[str]:
    return frozenset(family for family, pattern in _PATTERNS.items() if pattern.search(text))


def family_matches(
    judge: str, sets: Iterable[ResponseSet], lineage: Mapping[str, Lineage] | None = None
) -> tuple[FamilyMatch, ...]:
    """Return the authors that belong to the judge's family.

    Args:
        judge: `provider/model`.
        sets: response sets of the authors.
        lineage: lineage of each student, by author (`results.queries.student_lineage` reads it).
    """
    judge_makers = model_makers(judge)
    matches = []
    for response_set in sets:
        origin = (lineage or {}).get(response_set.author, Lineage())
        for phrase, model in (("", response_set.author), *origin.evidence()):
            shared = judge_makers & model_makers(model)
            if shared:
                matches.append(FamilyMatch(response_set.name, response_set.id, min(shared), phrase))
                break
    return tuple(matches)


def self_preference_warning(judge: str, matches: Sequence[FamilyMatch]) -> str:
    """Return a warning about authors of the judge's family; "" if there are none.

    Only the first authors are named if there are many.
    """
    if not matches:
        return ""
    evidence = [match.author + (f" ({match.why})" if match.why else "") for match in matches]
    authors = list(dict.fromkeys(evidence))
    if len(authors) > MAX_NAMED:
        authors = [*authors[: MAX_NAMED - 1], f"{len(authors) - MAX_NAMED + 1} more"]
    families = " and ".join(sorted({match.family for match in matches}))
    return (
        f"{judge} is of the same family ({families}) as {', '.join(authors)}: "
        "it may prefer their responses (self-preference bias)"
    )
