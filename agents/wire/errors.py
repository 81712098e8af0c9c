"""A provider's refusal, whatever its form, as a `CallError` that names the kind and no secret.

The message keeps the provider's own words where they help, short and with anything like a key struck out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from agents.errors import CallError, Failure
from agents.models import Model
from agents.wire.limits import retry_after_seconds

LONGEST_MESSAGE = 300
_LIKE_A_KEY = re.compile(r"\b(?:(?:sk|pk|rk|gsk|hf|xai|nvapi)[-_]|AIza|Bearer )[A-Za-z0-9*_.\-]{8,}")
_EXHAUSTED = ("insufficient_quota", "billing", "credit balance", "per day")


def without_secrets(text: str, key: str = "") -> str:
    """The text with the key, and anything that looks like one, struck out."""
    if key:
        text = text.replace(key, "***")
    return _LIKE_A_KEY.sub("***", text)


def refusal(
    model: Model, status: int, headers: Mapping[str, str], content: bytes, key: str, now: datetime
) -> CallError:
    """The error that an answer with another status than 200 means."""
    if key:
        content = content.replace(key.encode(), b"***")
    body = _json(content)
    said = _words(body) if body is not None else _plain(content)
    failure = _kind(status, body, said)
    message = f"{model.id}: {failure}, HTTP {status}."
    if failure is Failure.AUTHENTICATION:
        message += f" The key in {model.key_env} is not accepted." if model.key_env else " It wants a key."
    elif failure is Failure.UNKNOWN_MODEL:
        message += f" Is the model's name right, and its address ({model.base_url})?"
    if said and (failure is not Failure.AUTHENTICATION or status == 403):  # 403: a country, a closed project
        message += f" It says: {without_secrets(said, key)[:LONGEST_MESSAGE]}"
    wait = retry_after_seconds(headers, body, now) if status in (408, 429) or status >= 500 else None
    return CallError(failure, message, status=status, retry_after_seconds=wait)


def _kind(status: int, body: Any, said: str) -> Failure:
    if status in (401, 403) or (status == 400 and "API key" in said):  # Google answers 400 to a bad key
        return Failure.AUTHENTICATION
    if status in (404, 405, 410) or 300 <= status < 400:  # elsewhere, or a web site that takes no questions
        return Failure.UNKNOWN_MODEL
    if status == 402 or (status == 400 and "credit balance" in said):  # Anthropic answers 400 to no money
        return Failure.QUOTA_EXHAUSTED
    if status == 429:
        return Failure.QUOTA_EXHAUSTED if _is_exhausted(body, said) else Failure.RATE_LIMITED
    if status in (408, 409, 425) or status >= 500:
        return Failure.SERVER
    return Failure.BAD_REQUEST


def _is_exhausted(body: Any, said: str) -> bool:
    """Whether waiting minutes will not help. Google speaks of billing even where a minute would do: what
    counts there is which quota it names, and whether it says when to come back."""
    everything = orjson.dumps(body).decode()
    if "PerDay" in everything:
        return True
    if "PerMinute" in everything or "RetryInfo" in everything:
        return False
    return any(word in said + everything for word in _EXHAUSTED)


def _json(content: bytes) -> Any:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return body[0] if isinstance(body, list) and body else body  # Gemini wraps some errors in a list


def _words(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    words = error.get("message") if isinstance(error, dict) else error
    said = str(words or body.get("message") or "")
    return _plain(said.encode()) if said.lstrip().startswith("<") else said


def _plain(content: bytes) -> str:
    """The text of an error page, without its markup."""
    text = re.sub(r"<[^>]*>", " ", content[:4000].decode("utf-8", "replace"))
    return " ".join(text.split())
