"""Deprecation notices in response headers: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_CHARACTERS = 80


def parse_deprecation(headers: Mapping[str, str]) -> str:
    """Return a phrase about the model's deprecation or shutdown, or "" if the headers state none.

    >>> notice_of({"Sunset": "Thu, 14 Jan 2027 00:00:00 GMT"})
    'to be shut down on 2027-01-14'
    """
    sunset = headers.get("Sunset") or headers.get("sunset")
    if sunset:
        return f"to be shut down on {_day(sunset)}"
    deprecation = headers.get("Deprecation") or headers.get("deprecation")
    if not deprecation or deprecation.strip().lower() == "false":
        return ""
    since = _day(deprecation)
    return "deprecated" if since.lower() == "true" else f"deprecated since {since}"


def _day(value: str) -> str:
    """Format a header's date as a day; return other values unchanged but truncated.

    Dates are HTTP dates or `@` and seconds since 1970.
    """
    try:
        if value.startswith("@"):
            return datetime.fromtimestamp(int(value[1:]), UTC).date().isoformat()
        return parsedate_to_datetime(value).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return value[:MAX_CHARACTERS]
