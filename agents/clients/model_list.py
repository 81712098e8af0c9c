"""What a provider lists of its models: OpenAI's `GET /models` states when each shuts down.

One request, and no error: a list that cannot be read says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
import orjson

from agents.clients.errors import CONNECTION_ERRORS
from agents.clients.http import open_session
from agents.models.lifecycle import Lifecycle, parse_shutdown_dates, today
from agents.models.response_model import is_at_provider
from agents.models.spec import ApiProtocol, Model
from agents.protocols import FORMATS

SECONDS = 5.0


def lists_shutdown_dates(model: Model) -> bool:
    """Whether the model's provider states in its list of models when they shut down."""
    return model.provider == "openai" and model.protocol is ApiProtocol.OPENAI_CHAT and is_at_provider(model)


async def fetch_shutdown_dates(keys: Mapping[Model, str]) -> dict[str, Lifecycle]:
    """When models shut down, as their providers state it now: model name → lifecycle.

    Args:
        keys: the models that are to be asked, each with its key; one list is read for each address.
    """
    asked = {model.base_url: (model, key) for model, key in keys.items() if lists_shutdown_dates(model)}
    if not asked:
        return {}
    found: dict[str, Lifecycle] = {}
    async with open_session() as session:
        for each in await asyncio.gather(*(_ends(*of, session) for of in asked.values())):
            found |= each
    return found


async def _ends(model: Model, key: str, session: aiohttp.ClientSession) -> dict[str, Lifecycle]:
    url = f"{model.base_url}/models"
    headers = FORMATS[model.protocol].headers(key)
    try:
        async with asyncio.timeout(SECONDS), session.get(url, headers=headers, allow_redirects=False) as got:
            content = await got.read()
            listing = orjson.loads(content) if got.status == 200 else None
    except (*CONNECTION_ERRORS, TimeoutError, orjson.JSONDecodeError):
        return {}
    return parse_shutdown_dates(listing, url, today())
