"""A section of the report as blocks, each in HTML and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from agents.output_escape import markdown_text
from results.render.table import Table
from results.render.writers.html import html_list, html_table, html_text
from results.render.writers.markdown import markdown_list, markdown_table

EMPTY = Markup("")


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a section in both formats; what is empty is left out of that format."""

    html: Markup = EMPTY
    markdown: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the report.

    Attributes:
        id: unique in the page, the target of links.
        title: its heading, and its name in the contents.
        blocks: its content.
        css: CSS class, or "".
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    css: str = ""

    @property
    def html(self) -> Markup:
        """Return the content in HTML, without the heading."""
        return Markup("\n").join(block.html for block in self.blocks if block.html)

    @property
    def markdown(self) -> str:
        """Return the content in Markdown, without the heading."""
        return "\n\n".join(block.markdown for block in self.blocks if block.markdown)


def paragraph(text: str, css: str = "", label: str = "") -> Block:
    """Return a paragraph with a CSS class and an id, if given; nothing for an empty text."""
    if not text:
        return Block()
    attributes = Markup("").join(
        Markup(' {}="{}"').format(name, value) for name, value in (("id", label), ("class", css)) if value
    )
    return Block(Markup("<p{}>{}</p>").format(attributes, html_text(text)), markdown_text(text))


def bullets(texts: Iterable[str], css: str = "caveats-short") -> Block:
    """Return a list with a CSS class; nothing for no texts."""
    items = list(texts)
    return Block(html_list(items, css), markdown_list(items)) if items else Block()


def heading(text: str, label: str) -> Block:
    """Return a heading within the section, with the id that names a table."""
    return Block(Markup('<h3 id="{}">{}</h3>').format(label, html_text(text)), f"### {markdown_text(text)}")


def tabulated(table: Table, label: str, css: str = "") -> Block:
    """Return a table, named by the element with the id `label`."""
    return Block(html_table(table, label, css), markdown_table(table))
