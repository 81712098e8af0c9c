"""Client over the providers' SDKs (`client = "sdk"`), for Azure, Vertex, Bedrock and similar services.

It sends the same body as the HTTP client and parses the same JSON, so both give the same completions under
the same keys. The SDKs' retries are disabled, because the engine retries. Redirects are not followed, because
they would forward the key. This client needs several times the CPU time of plain HTTP.
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
    """Adapter of one SDK: sends a request and returns the headers and the body of the response."""

    async def send(self, call: ModelRequest) -> tuple[Mapping[str, str], bytes]: ...

    def refused(self, error: Exception) -> tuple[int, Mapping[str, str], bytes] | None: ...

    async def close(self) -> None: ...


class SdkClient:
    """Client for one model over its provider's SDK.

    Args:
        timeout_seconds: time limit of a request, from sending it to the last byte of the response.
    """

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
            async with asyncio.timeout(self._timeout_seconds):  # the SDKs limit single reads only
                headers, content = await self._carrier.send(call)
        except Exception as error:  # every SDK has its own exceptions
            refused = self._carrier.refused(error)
            if refused is None:
                raise self._convert_error(error) from error
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

    def _convert_error(self, error: Exception) -> CallError:
        """Convert an exception of an SDK that carries no HTTP response."""
        converted = connection_error(self._model, self._key, error)
        if converted is not None:
            return converted
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
            completion = await self._client.completions.with_raw_response.create(
                model=body["model"], prompt=body["prompt"], extra_body=body, extra_headers=headers
            )
            return completion.headers, completion.content
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
                retry_options=types.HttpRetryOptions(attempts=1),  # disables retries
            ),
        )

    async def send(self, call: ModelRequest) -> tuple[Mapping[str, str], bytes]:
        body = orjson.loads(call.body)
        # the body is passed unchanged, because the SDK's types would rename keys and turn 4 into 4.0
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
            return {}, error.doc.encode()  # for our own parser
        http_response = response.sdk_http_response
        stated = (http_response and http_response.headers) or {}
        headers = {name.lower(): value for name, value in stated.items()}
        body = http_response.body if http_response is not None else None
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
