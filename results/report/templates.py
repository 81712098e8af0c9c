"""Jinja templates of the report: filters, escaping and the content security policy.

Every text by a model or a person is escaped, and invisible characters are made visible
(`agents/output_escape.py`).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from results.render import charts
from results.render.format import format_count, format_moment, format_usd, format_value
from results.render.writers.html import html_table, html_text
from results.report.verdict_texts import DialogueVerdicts

LONG = 1_200  # characters of a response that are shown before it is folded
LONGEST = 20_000  # characters of a response that are in the page at all


def render_template(name: str, **values: Any) -> Markup:
    """Render a section's template, or the page's ("template"), with these values."""
    return Markup(_environment().get_template(f"{name}.html.j2").render(**values))


def as_json(value: Mapping[str, Any]) -> str:
    """Return indented JSON with sorted keys, not ASCII-escaped."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def plain_json(value: object) -> str:
    """Return a parameter's value as JSON; the template escapes it."""
    return json.dumps(value, ensure_ascii=False)


def score(opinion: DialogueVerdicts) -> str:
    """Return a dialogue's score as text."""
    return "–" if opinion.score is None else f"{opinion.score:.2f}".rstrip("0").rstrip(".")


def policy(style: str, script: str) -> str:
    """Return the content security policy: only this style and this script, no requests, forms or frames."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def asset(name: str) -> str:
    """Return a file of this package by its path."""
    text = resources.files("results.report").joinpath(name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _template(name: str) -> str:
    return asset(name if name == "template.html.j2" else f"sections/{name}")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=html_text,
    )
    environment.filters |= {
        "usd": format_usd,
        "moment": format_moment,
        "as_json": as_json,
        "tojson_plain": plain_json,
        "score": score,
    }
    environment.globals |= {
        "counted": format_count,
        "format": format_value,
        "html_table": html_table,
        "symbol": charts.symbol,
        "legend_symbol": charts.legend_symbol,
        "LONG": LONG,
        "LONGEST": LONGEST,
    }
    return environment
