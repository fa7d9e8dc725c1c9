"""What the transport's tests share: every kind of transport, and one call through it."""

from collections.abc import Callable
from typing import Any

import httpx
import httpx2

from respondio_async._transport import Answer, Request, SendError, Transport

OWN_KINDS = ("httpx", "aiohttp", "aiohttp-traced", "httpx2")
KINDS = (*OWN_KINDS, "injected-httpx", "injected-httpx2")
"""Traced: something watches the session by aiohttp's tracing, as Sentry and OpenTelemetry do."""
TOKEN = "canary-token-7f3a"
TARGET = "/contact/phone:%2B60123456789/message?limit=5"
HEADERS = (
    ("Authorization", f"Bearer {TOKEN}"),
    ("User-Agent", "test"),
    ("Accept", "application/json"),
)
LIBRARIES = {"injected-httpx": httpx, "injected-httpx2": httpx2}


def backend_of(kind: str) -> Any:
    """Return the argument *backend* of a kind that is not injected."""
    return kind.removesuffix("-traced")


Connect = Callable[..., Transport]

GET = Request("GET", TARGET, HEADERS)
POST = Request("POST", TARGET, (*HEADERS, ("Content-Type", "application/json")), b'{"text":"hi"}')


async def call(
    transport: Transport,
    request: Request = GET,
    *,
    timeout: float | None = 5.0,
    phases: object = None,
) -> Answer:
    connection = await transport.acquire()
    try:
        return await connection.send(request, timeout=timeout, phases=phases)
    finally:
        connection.release()


async def failed(
    transport: Transport,
    request: Request = POST,
    *,
    timeout: float | None = 5.0,
    phases: object = None,
) -> SendError:
    """Make a call that must fail, and return how."""
    try:
        await call(transport, request, timeout=timeout, phases=phases)
    except SendError as error:
        return error
    raise AssertionError("the call should have failed")
