"""What each author's responses are like."""

from __future__ import annotations

from results.profile import WORD_LISTS
from results.report.gathering import Material
from results.report.manner import manner_of, to_read
from results.report.markup import filled
from results.report.sections.section import Section


def responses(material: Material) -> Section | None:
    """The table of profiles; None where there is no response."""
    authors = [one for one in material.authors.values() if one.profile]
    if not authors:
        return None
    authors.sort(key=lambda one: one.name)
    html = filled(
        "responses",
        groups=manner_of(authors),
        names=[one.name for one in authors],
        to_read=to_read(authors),
        lists=WORD_LISTS.values(),
    )
    return Section("responses", "What the responses are like", html)
