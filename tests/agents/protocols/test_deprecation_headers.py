"""Deprecation and sunset headers of responses."""

from __future__ import annotations

import pytest

from agents.protocols.deprecation_headers import parse_deprecation


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, ""),
        ({"Deprecation": "false"}, ""),
        ({"Deprecation": "true"}, "deprecated"),
        ({"deprecation": "@1799884800"}, "deprecated since 2027-01-14"),
        ({"Deprecation": "Thu, 14 Jan 2027 00:00:00 GMT"}, "deprecated since 2027-01-14"),
        ({"Sunset": "Thu, 14 Jan 2027 00:00:00 GMT", "Deprecation": "true"}, "to be shut down on 2027-01-14"),
        ({"sunset": "some day"}, "to be shut down on some day"),
        ({"Deprecation": "@no number"}, "deprecated since @no number"),
    ],
)
def test_deprecation_and_sunset_headers_are_parsed(headers: dict[str, str], words: str) -> None:
    assert parse_deprecation(headers) == words
