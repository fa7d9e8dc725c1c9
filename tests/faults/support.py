"""What the fault tests share: a client of any backend on a misbehaving server, and what must hold
whatever happened.
"""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2

from respondio_async import (
    DEFAULT_LIMITS,
    AsyncRespond,
    LocalRateLimiter,
    OutcomeUnknownError,
    RetryPolicy,
)
from tests.faults import server as faults
from tests.faults.server import FaultServer

KINDS = ("httpx", "aiohttp", "httpx2", "injected-httpx", "injected-httpx2")
LIBRARIES = {"injected-httpx": httpx, "injected-httpx2": httpx2}
TOKEN = "fault-token"
TRUST = ssl.create_default_context()
"""Shared, because reading the machine's certificates takes longer than most tests."""
CONNECTIONS = 3

QUICK = RetryPolicy(
    max_attempts=3,
    backoff=0.004,
    max_backoff=0.01,
    not_ready_wait=0.01,
    max_not_ready_wait=0.02,
    budget=100_000,
)

GOOD = (
    b'{"messageId": 1783918786000000, "contactId": 7, "id": 7, "name": "x", "firstName": "Ada", '
    b'"dataType": "text", '
    b'"code": 200, "message": "ok", "text": "x", "created_at": 1663274081, "items": []}'
)
"""An answer that every operation can read."""

Operation = Callable[[AsyncRespond], Awaitable[Any]]

UNSENT: dict[str, Operation] = {
    "message": lambda client: client.messages.send(7, "hi"),
    "comment": lambda client: client.comments.create(7, "note"),
    "create": lambda client: client.contacts.create("a@b.cd", first_name="Ada"),
    "merge": lambda client: client.contacts.merge(7, 8),
    "field": lambda client: client.space.create_custom_field("plan", "text"),
    "tag": lambda client: client.space.create_tag("vip"),
    "unknown POST": lambda client: client.request("POST", "/tomorrow", json={"a": 1}),
}
"""Operations that must not be repeated once they may have landed."""

ALWAYS: dict[str, Operation] = {
    "get": lambda client: client.contacts.get(7),
    "list": lambda client: client.contacts.list().collect(),
    "update": lambda client: client.contacts.update(7, first_name="Ada"),
    "delete": lambda client: client.contacts.delete(7),
    "upsert": lambda client: client.contacts.create_or_update(7, first_name="Ada"),
    "add tags": lambda client: client.contacts.add_tags(7, "vip"),
    "delete tags": lambda client: client.contacts.delete_tags(7, "vip"),
    "assign": lambda client: client.conversations.assign(7, 2),
    "update tag": lambda client: client.space.update_tag("vip", emoji="x"),
}
"""Operations that may."""


def fast_limiter() -> LocalRateLimiter:
    """The real limiter, with limits that no test reaches."""
    return LocalRateLimiter(dict.fromkeys(DEFAULT_LIMITS, 10_000.0), bounds=None)


@asynccontextmanager
async def connected(kind: str, url: str, **options: Any) -> AsyncIterator[AsyncRespond]:
    """A client over one kind of transport; afterwards no task of it is left, and no socket that
    would warn.
    """
    before = asyncio.all_tasks()
    options = {
        "retry": QUICK,
        "max_connections": CONNECTIONS,
        "timeout": 2.0,
        "deadline": 20.0,
        **options,
    }
    options.setdefault("limiter", fast_limiter())
    borrowed = LIBRARIES[kind].AsyncClient(verify=TRUST) if kind in LIBRARIES else None
    backend = {"http_client": borrowed} if borrowed is not None else {"backend": kind}
    try:
        async with AsyncRespond(TOKEN, base_url=url, **backend, **options) as client:
            yield client
    finally:
        if borrowed is not None:
            await borrowed.aclose()
    gc.collect()
    ours = [
        task
        for task in asyncio.all_tasks() - before
        if "FaultServer" not in repr(task) and "_gone" not in repr(task)
    ]
    assert not ours


async def outcome(call: Awaitable[Any]) -> BaseException | None:
    """What the caller is told: an error, or None for success."""
    try:
        await call
    except Exception as error:
        return error
    return None


def check_ledger(server: FaultServer, error: BaseException | None) -> None:
    """The promise about a write that must not be doubled, from the server's ledger and what the
    caller was told.
    """
    done = server.processed
    if error is None:
        assert done == 1, "success: done, once"
    elif isinstance(error, OutcomeUnknownError):
        assert done <= 1, "nobody knows: but never twice"
    else:
        assert done == 0, "a definite error: not done"


async def check_health(
    client: AsyncRespond, server: FaultServer, calls: int = 3 * CONNECTIONS
) -> None:
    """Later calls succeed, and the pool has every place free again."""
    server.default = faults.answer(200, GOOD)
    server.forget_plan()
    await asyncio.gather(*(client.contacts.get(7) for _ in range(calls)))
    while client.statistics().pool.busy:  # what a borrowed client was abandoned with ends by itself
        await asyncio.sleep(0.005)
    pool = client.statistics().pool
    assert (pool.busy, pool.waiting) == (0, 0)
    assert pool.open <= CONNECTIONS
    assert not any(route.waiting for route in client.statistics().routes.values())
