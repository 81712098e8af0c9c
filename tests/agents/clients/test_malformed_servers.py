"""Malformed servers and unreachable addresses, with both kinds of client."""

from __future__ import annotations

import asyncio
import gzip
import socket

import orjson
import pytest
from aiohttp import web

from agents.clients.errors import MAX_RESPONSE_BYTES
from agents.errors import CallError, Failure
from agents.messages import FinishReason
from agents.models.spec import ApiProtocol
from tests.agents.clients.conftest import KEY, WAYS, Client, Serve, Way, failure, question

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

PAGE = "<html><head><title>Welcome</title></head><body><h1>Welcome to our site</h1></body></html>"
BAD_GATEWAY = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>"
    "</center>\r\n<hr><center>proxy/1.2</center>\r\n</body>\r\n</html>\r\n"
)


def answer(way: Way, text: str) -> bytes:
    """A whole answer in the way's protocol."""
    forms: dict[ApiProtocol, object] = {
        ApiProtocol.OPENAI_CHAT: {
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
        },
        ApiProtocol.OPENAI_COMPLETIONS: {"choices": [{"text": text, "finish_reason": "stop"}]},
        ApiProtocol.ANTHROPIC_MESSAGES: {
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
        },
        ApiProtocol.GEMINI_GENERATE: {
            "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}]
        },
    }
    return orjson.dumps(forms[way.protocol])


async def test_a_minimal_response_is_a_completion(way: Way, kind: str, client: Client, server: Serve) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=answer(way, "Yes."), content_type="application/json")

    call = question(way.model(await server(handle)))
    completion = await client(kind, call.model).complete(call)
    assert (completion.text, completion.finish) == ("Yes.", FinishReason.STOP)
    assert completion.usage.input_tokens is None
    assert completion.server_limits is None


async def test_a_web_page_is_a_wrong_address(way: Way, kind: str, client: Client, server: Serve) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(text=PAGE, content_type="text/html")

    call = question(way.model(await server(handle)))
    error = await failure(client(kind, call.model), call)
    assert (error.failure, error.charged) == (Failure.UNKNOWN_MODEL, False)
    assert call.model.base_url in str(error)
    assert "web page" in str(error)


async def test_a_redirect_is_not_followed(way: Way, kind: str, client: Client, server: Serve) -> None:
    asked = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers)
        return web.Response(text=PAGE, content_type="text/html")

    target = await server(elsewhere)

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": target + request.path})

    call = question(way.model(await server(handle)))
    error = await failure(client(kind, call.model), call)
    assert (error.failure, error.status) == (Failure.UNKNOWN_MODEL, 307)
    assert asked == []


async def test_a_proxys_error_page_is_quoted_without_markup(
    way: Way, kind: str, client: Client, server: Serve
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text=BAD_GATEWAY, content_type="text/html")

    call = question(way.model(await server(handle)))
    error = await failure(client(kind, call.model), call)
    assert (error.failure, error.status, error.charged) == (Failure.UNAVAILABLE, 502, False)
    assert "502 Bad Gateway" in str(error)
    assert "<" not in str(error)


@pytest.mark.parametrize("length", [True, False], ids=["with length", "chunked"])
async def test_an_answer_over_the_size_limit_fails(
    way: Way, kind: str, client: Client, server: Serve, length: bool
) -> None:
    content = answer(way, "x" * MAX_RESPONSE_BYTES)

    async def handle(request: web.Request) -> web.StreamResponse:
        if length:
            return web.Response(body=content, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for start in range(0, len(content), 2**20):
            await response.write(content[start : start + 2**20])
        return response

    call = question(way.model(await server(handle)))
    error = await failure(client(kind, call.model), call)
    assert (error.failure, error.status, error.charged) == (Failure.TOO_LARGE, 200, True)
    assert "8 MiB" in str(error)


async def test_an_answer_at_the_size_limit_is_accepted(kind: str, client: Client, server: Serve) -> None:
    way = WAYS[0]
    text = "x" * (MAX_RESPONSE_BYTES - len(answer(way, "")))

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=answer(way, text), content_type="application/json")

    call = question(way.model(await server(handle)))
    assert (await client(kind, call.model).complete(call)).text == text


async def test_the_size_limit_applies_after_decompression(client: Client, server: Serve) -> None:
    packed = {
        "/small": gzip.compress(answer(WAYS[0], "Yes.")),
        "/large": gzip.compress(answer(WAYS[0], "x" * 4 * MAX_RESPONSE_BYTES), 1),
    }

    async def handle(request: web.Request) -> web.StreamResponse:
        body = packed["/" + request.path.split("/")[1]]
        return web.Response(
            body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
        )

    root = await server(handle)
    small, large = (question(WAYS[0].model(root + path)) for path in packed)
    assert (await client("http", small.model).complete(small)).text == "Yes."
    assert len(packed["/large"]) < MAX_RESPONSE_BYTES
    assert (await failure(client("http", large.model), large)).failure is Failure.TOO_LARGE


async def test_an_endless_answer_times_out(way: Way, kind: str, client: Client, server: Serve) -> None:
    started = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:  # the client goes away: writing is then cancelled
            await response.write(b" ")
            started.set()
            await asyncio.get_running_loop().run_in_executor(None, int)  # lets others run

    call = question(way.model(await server(handle)))
    while not started.is_set():  # on a busy machine the time may be over before it begins
        error = await failure(client(kind, call.model, timeout_seconds=0.1), call)
    assert (error.failure, error.charged) == (Failure.TIMEOUT, True)
    assert "0.1 s" in str(error)


async def test_an_interrupted_answer_is_a_connection_failure(
    way: Way, kind: str, client: Client, server: Serve
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.close()
        return response

    call = question(way.model(await server(handle)))
    error = await failure(client(kind, call.model), call)
    assert (error.failure, error.charged) == (Failure.CONNECTION, True)


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ("http://nobody.invalid", "(DNS)"),
        ("http://", "no connection"),
        ("https://", "no secure (TLS) connection"),
    ],
    ids=["DNS", "refused", "TLS"],
)
async def test_an_unreachable_address_is_reported_by_cause(
    way: Way, kind: str, client: Client, server: Serve, root: str, words: str
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(text="plain")

    if root == "https://":  # to a server that speaks no TLS
        root = (await server(handle)).replace("http://", root)
    with socket.socket() as taken:  # a port that is taken, and where nobody listens
        if root == "http://":
            taken.bind(("127.0.0.1", 0))
            root = f"http://127.0.0.1:{taken.getsockname()[1]}"
        call = question(way.model(root))
        error = await failure(client(kind, call.model), call)
    expected = Failure.TLS if root.startswith("https://") else Failure.CONNECTION
    assert (error.failure, error.status, error.charged) == (expected, None, False)
    assert words in str(error)
    assert root in str(error)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500, 503])
async def test_a_key_repeated_by_the_server_is_redacted(
    way: Way, kind: str, client: Client, server: Serve, status: int
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "") + request.headers.get("x-api-key", "")
        given += request.headers.get("x-goog-api-key", "")
        assert KEY in given
        body = {"error": {"message": f"no: {given} ({KEY}, {KEY[:-1]})", "code": status, "status": given}}
        return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")

    call = question(way.model(await server(handle)))
    error = await failure(client(kind, call.model), call)  # which looks for the key
    assert KEY[:-1] not in str(error)
    assert KEY not in repr(error)


async def test_concurrent_calls_get_their_own_answers(
    way: Way, kind: str, client: Client, server: Serve
) -> None:
    waiting: list[asyncio.Future[None]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        """Answers only when eight are waiting, the last one first."""
        request_text = (await request.read()).decode()
        own = asyncio.get_running_loop().create_future()
        waiting.append(own)
        if len(waiting) == 8:
            for other in reversed(waiting):
                other.set_result(None)
        await own
        number = next(piece for piece in range(8) if f"number {piece}." in request_text)
        return web.Response(body=answer(way, f"to {number}"), content_type="application/json")

    model = way.model(await server(handle))
    asked = client(kind, model)
    calls = [question(model, f"This is number {number}.") for number in range(8)]
    completions = await asyncio.gather(*(asked.complete(call) for call in calls))
    assert [completion.text for completion in completions] == [f"to {number}" for number in range(8)]


async def test_a_cancelled_call_is_cancelled_and_no_failure(
    way: Way, kind: str, client: Client, server: Serve
) -> None:
    arrived = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    call = question(way.model(await server(handle)))
    task = asyncio.create_task(client(kind, call.model).complete(call))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_defaults_of_a_call_error() -> None:
    error = CallError(Failure.TIMEOUT, "m: late", charged=True)
    assert (error.status, error.retry_after_seconds, error.charged) == (None, None, True)
