"""Renderings as JSON."""

from __future__ import annotations

import json

from results.render.format import SCHEMA_VERSION
from results.render.rendering import Rendering
from results.render.writers.json import json_rendering


def test_a_document_has_its_schema_version_first() -> None:
    document = json.loads(json_rendering(Rendering({"rates": (0.5, None)})))
    assert list(document.items()) == [
        ("schema_version", SCHEMA_VERSION),
        ("rates", [0.5, None]),
    ]
