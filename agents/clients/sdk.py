"""The providers' own SDKs: the general way (`client = "sdk"`), for Azure, Vertex, Bedrock and the like.

Sends the very body that the wire formats make and hash, and reads the very JSON that they read: the SDK is
the carrier, so both ways give the same completions under the same key. Its own retries are off: retrying
is one layer of ours. No redirection is followed: the key would go with it. Several times the CPU of plain
HTTP; not the way for speed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

import orjson

from agents.clients.base import ModelRequest
from agents.clients.errors import MAX_RESPONSE_BYTES, connection_error, response_too_large, timeout_error
from agents.clients.http_transport import IDEMPOTENCY_KEY
from agents.errors import CallError, Failure
from agents.messages import Completion
from agents.models.spec import ApiProtocol, Model
from agents.protocols import FORMATS, parse_response
from agents.protocols.deprecation_headers import parse_deprecation
from agents.protocols.error_mapping import parse_error_response, redact_secrets
from agents.protocols.rate_limit_headers import server_limits


class _Carrier(Protocol):
    """One SDK: sends a body, gives the answer's headers and bytes; raises its own errors."""

    async def send(self, call: ModelRequest) -> tuple[Mapping[str, str], bytes]: ...

    def refused(self, error: Exception) -> tuple[int, Mapping[str, str], bytes] | None: ...

    async def close(self) -> None: ...


class SdkClient:
    """One model, asked through its provider's SDK."""

    def __init__(self, model: Model, key: str, timeout_seconds: float = 120.0) -> None:
        self._model = model
        self._key = key
        self._timeout_seconds = timeout_seconds
        carriers: dict[ApiProtocol, type[_OpenAI] | type[_Anthropic] | type[_Google]] = {
            ApiProtocol.OPENAI_CHAT: _OpenAI,
            ApiProtocol.OPENAI_COMPLETIONS: _OpenAI,
            ApiProtocol.ANTHROPIC_MESSAGES: _Anthropic,
            ApiProtocol.GEMINI_GENERATE: _Google,
        }
        self._carrier: _Carrier = carriers[model.protocol](model, key or "none", timeout_seconds)

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask once.

        Raises:
            CallError: there was no answer, and why.
        """
        sent_at = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_seconds):  # the SDKs' own are per read, not per answer
                headers, content = await self._carrier.send(call)
        except Exception as error:  # each SDK has its own family of errors
            refused = self._carrier.refused(error)
            if refused is None:
                raise self._unanswered(error) from error
            status, headers, content = refused
            completion = parse_error_response(
                self._model, status, headers, content, self._key, datetime.now(UTC), call.body
            )
            return completion.with_measurements(time.perf_counter() - sent_at, None)
        if len(content) > MAX_RESPONSE_BYTES:
            raise response_too_large(self._model, 200)
        now = datetime.now(UTC)
        completion = parse_response(self._model, content, headers, key=self._key, now=now, sent=call.body)
        seconds = time.perf_counter() - sent_at
        return completion.with_measurements(seconds, server_limits(headers, now), parse_deprecation(headers))

    async def close(self) -> None:
        """Close the SDK's connections."""
        await self._carrier.close()

    def _unanswered(self, error: Exception) -> CallError:
        unmade = connection_error(self._model, self._key, error)
        if unmade is not None:
            return unmade
        name = type(error).__name__
        if "Timeout" in name:
            return timeout_error(self._model, self._timeout_seconds)
        words = redact_secrets(f"{self._model.id}: {name}: {error}", self._key)
        return CallError(Failure.MALFORMED, words[:500], status=200, charged=True)


class _OpenAI:
    def __init__(self, model: Model, key: str, timeout_seconds: float) -> None:
        import openai

        self._status_error = openai.APIStatusError
        self._path = FORMATS[model.protocol].path(model)
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=model.base_url,
            max_retries=0,
            timeout=timeout_seconds,
            http_client=openai.DefaultAioHttpClient(follow_redirects=False),
        )

    async def send(self, call: ModelRequest) -> tuple[Mapping[str, str], bytes]:
        body = orjson.loads(call.body)
        headers = {IDEMPOTENCY_KEY: call.key}
        if self._path == "/completions":
            told = await self._client.completions.with_raw_response.create(
                model=body["model"], prompt=body["prompt"], extra_body=body, extra_headers=headers
            )
            return told.headers, told.content
        response = await self._client.chat.completions.with_raw_response.create(
            model=body["model"], messages=body["messages"], extra_body=body, extra_headers=headers
        )
        return response.headers, response.content

    def refused(self, error: Exception) -> tuple[int, Mapping[str, str], bytes] | None:
        if not isinstance(error, self._status_error):
            return None
        return error.status_code, error.response.headers, error.response.content

    async def close(self) -> None:
        await self._client.close()


class _Anthropic:
    def __init__(self, model: Model, key: str, timeout_seconds: float) -> None:
        import anthropic

        self._status_error = anthropic.APIStatusError
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=model.base_url,
            max_retries=0,
            timeout=timeout_seconds,
            http_client=anthropic.DefaultAioHttpClient(follow_redirects=False),
        )

    async def send(self, call: ModelRequest) -> tuple[Mapping[str, str], bytes]:
        body = orjson.loads(call.body)
        response = await self._client.messages.with_raw_response.create(
            model=body["model"],
            max_tokens=body["max_tokens"],
            messages=body["messages"],
            extra_body=body,
            extra_headers={IDEMPOTENCY_KEY: call.key},
        )
        return response.headers, await response.read()

    def refused(self, error: Exception) -> tuple[int, Mapping[str, str], bytes] | None:
        if not isinstance(error, self._status_error):
            return None
        return error.status_code, error.response.headers, error.response.content

    async def close(self) -> None:
        await self._client.close()


class _Google:
    def __init__(self, model: Model, key: str, timeout_seconds: float) -> None:
        from google import genai
        from google.genai import errors, types

        self._types = types
        self._status_error = errors.APIError
        self._model = model.name
        root, _, version = model.base_url.rpartition("/")
        self._client = genai.Client(
            api_key=key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=root,
                api_version=version,
                timeout=int(timeout_seconds * 1000),
                async_client_args={"allow_redirects": False},
                retry_options=types.HttpRetryOptions(attempts=1),  # without it, it asks again by itself
            ),
        )

    async def send(self, call: ModelRequest) -> tuple[Mapping[str, str], bytes]:
        body = orjson.loads(call.body)
        # the whole body is given as it is: its own types would rename keys and make 4.0 of 4
        options = self._types.HttpOptions(headers={IDEMPOTENCY_KEY: call.key}, extra_body=body)
        try:
            response = await self._client.aio.models.generate_content(
                model=self._model,
                contents=[self._types.Content.model_validate(turn) for turn in body["contents"]],
                config=self._types.GenerateContentConfig(
                    http_options=options, should_return_http_response=True
                ),
            )
        except json.JSONDecodeError as error:
            return {}, error.doc.encode()  # what came instead, for our own reader
        carried = response.sdk_http_response
        headers = {name.lower(): value for name, value in ((carried and carried.headers) or {}).items()}
        body = carried.body if carried is not None else None
        return headers, (body or "").encode("utf-8", "replace")

    def refused(self, error: Exception) -> tuple[int, Mapping[str, str], bytes] | None:
        if not isinstance(error, self._status_error):
            return None
        headers = getattr(error.response, "headers", None) or {}
        content = orjson.dumps(error.details) if error.details is not None else b""
        return error.code, {name.lower(): value for name, value in headers.items()}, content

    async def close(self) -> None:
        await self._client.aio.aclose()
        self._client.close()
