"""Shutdown dates of models from OpenAI's `GET /models`.

The list is requested once; if it cannot be read, no dates are known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import orjson

from agents.clients.aiohttp_transport import AiohttpSession
from agents.clients.errors import CONNECTION_ERRORS, MAX_RESPONSE_BYTES
from agents.clients.http_transport import ContentEncodingError, ResponseTooLargeError
from agents.models.lifecycle import Lifecycle, parse_shutdown_dates, today
from agents.models.response_model import is_at_provider
from agents.models.spec import ApiProtocol, Model
from agents.protocols import FORMATS

SECONDS = 5.0


def lists_shutdown_dates(model: Model) -> bool:
    """Return whether the provider's model list states shutdown dates."""
    return model.provider == "openai" and model.protocol is ApiProtocol.OPENAI_CHAT and is_at_provider(model)


async def fetch_shutdown_dates(keys: Mapping[Model, str]) -> dict[str, Lifecycle]:
    """Request the shutdown dates of models; return the lifecycles by model name.

    Args:
        keys: the models with their keys; one list is requested per address.
    """
    by_address = {model.base_url: (model, key) for model, key in keys.items() if lists_shutdown_dates(model)}
    if not by_address:
        return {}
    lifecycles: dict[str, Lifecycle] = {}
    async with AiohttpSession() as session:
        lists = await asyncio.gather(*(_fetch_list(*each, session) for each in by_address.values()))
    for dates in lists:
        lifecycles |= dates
    return lifecycles


async def _fetch_list(model: Model, key: str, session: AiohttpSession) -> dict[str, Lifecycle]:
    url = f"{model.base_url}/models"
    headers = FORMATS[model.protocol].headers(key)
    try:
        async with asyncio.timeout(SECONDS):
            response = await session.get(url, headers, MAX_RESPONSE_BYTES)
        listing = orjson.loads(response.content) if response.status == 200 else None
    except (*CONNECTION_ERRORS, ContentEncodingError, ResponseTooLargeError, orjson.JSONDecodeError):
        return {}  # TimeoutError is an OSError
    return parse_shutdown_dates(listing, url, today())
