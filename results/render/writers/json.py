"""Renderings as JSON."""

from __future__ import annotations

from agents.output_escape import json_bytes
from results.render.format import versioned
from results.render.rendering import Rendering


def json_rendering(rendering: Rendering, *, indented: bool = True) -> bytes:
    """Return the document of a rendering with `schema_version` at its top."""
    return json_bytes(versioned(rendering.document), indented=indented)
