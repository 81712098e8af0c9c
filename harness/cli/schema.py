"""Command `empathy schema KIND [NAME]`: print the JSON Schema of results and of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from agents.errors import UserError
from agents.output_escape import json_bytes
from harness.terminal.output import print_document


def _result_schema(name: str) -> dict[str, Any]:
    """Return the schema of one result document, or of all."""
    from harness.cli.result_documents import DOCUMENTS, result_schema

    if name and name not in DOCUMENTS:
        raise UserError(
            "unknown document",
            code="schema.unknown-document",
            where="NAME",
            found=repr(name),
            remedy=f"Name one of: {', '.join(DOCUMENTS)}.",
        )
    return result_schema((name,)) if name else result_schema()


SCHEMAS: Mapping[str, Callable[[str], dict[str, Any]]] = {"result": _result_schema}
"""Function that returns the schema, by kind; its argument is NAME or ""."""


@click.command()
@click.argument("kind", metavar="KIND", type=click.Choice(list(SCHEMAS)))
@click.argument("name", metavar="[NAME]", default="")
def schema(kind: str, name: str) -> None:
    """Print a JSON Schema (draft 2020-12).

    KIND is `result`: what commands print with --json. NAME is the value of a result's field "document".

    \b
    empathy schema result
    empathy schema result judging
    """
    print_document(json_bytes(SCHEMAS[kind](name)))
