"""Renderings as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from agents.output_escape import json_bytes
from results.render.format import SCHEMA_VERSION
from results.render.rendering import Rendering


def json_document(document: Mapping[str, object], *, indented: bool = True) -> bytes:
    """Return a document as JSON with `schema_version` at its top; every result is written here.

    Dataclasses become objects, NumPy arrays become lists.
    """
    return json_bytes({"schema_version": SCHEMA_VERSION, **document}, indented=indented)


def json_rendering(rendering: Rendering) -> bytes:
    """Return the document of a rendering as JSON."""
    return json_document(rendering.document)
