"""A section of the report."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the report.

    Attributes:
        id: unique in the page, the target of links.
        title: its heading, and its name in the contents.
        html: content below the heading.
        css: CSS class, or "".
    """

    id: str
    title: str
    html: Markup
    css: str = ""
