"""The clients that `benchmarks.peers` compares: what people write for such an API, each as its
documentation recommends, and ours.

A contestant is an asynchronous context manager that gives `call(operation)`, which raises when the
operation failed. All read the answer as JSON, wait up to 30 seconds for it, and keep one client.
Those that limit themselves have a limiter for each route, made from the vendor's table times
*share*: what a user who has read the vendor's page would write.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import cache, partial
from importlib.metadata import version
from typing import Any, NamedTuple

from respondio_async.limits import DEFAULT_LIMITS


class Operation(NamedTuple):
    """One request of a job."""

    kind: str
    contact: int

    @property
    def method(self) -> str:
        return "GET" if self.kind == "get" else "POST"

    @property
    def path(self) -> str:
        return PATHS[self.kind].format(contact=self.contact)

    @property
    def body(self) -> Any:
        return BODIES[self.kind]


PATHS = {
    "upsert": "/contact/create_or_update/id:{contact}",
    "get": "/contact/id:{contact}",
    "tag": "/contact/id:{contact}/tag",
    "lifecycle": "/contact/id:{contact}/lifecycle/update",
    "message": "/contact/id:{contact}/message",
    "comment": "/contact/id:{contact}/comment",
}
ROUTES = {
    "upsert": "POST /contact/create_or_update/{identifier}",
    "get": "GET /contact/{identifier}",
    "tag": "POST|DELETE /contact/{identifier}/tag",
    "lifecycle": "POST /contact/{identifier}/lifecycle/update",
    "message": "POST /contact/{identifier}/message",
    "comment": "POST /contact/{identifier}/comment",
}
BODIES = {
    "upsert": {"firstName": "Jo"},
    "get": None,
    "tag": ["imported"],
    "lifecycle": {"name": "Customer"},
    "message": {"channelId": None, "message": {"type": "text", "text": "Hello"}},
    "comment": {"text": "Imported"},
}

Call = Callable[[Operation], Awaitable[object]]


class Where(NamedTuple):
    """What a contestant is told."""

    url: str
    token: str
    share: float = 1.0
    """This process's part of the limits."""
    redis: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "User-Agent": "benchmark",
        }


Contestant = Callable[[Where], AbstractAsyncContextManager[Call]]


@asynccontextmanager
async def vendor_policy(where: Where) -> AsyncIterator[Call]:
    """Do what the vendor's TypeScript SDK 0.3.0 does (its src/client.ts), over httpx.

    Three attempts at whatever ended with 429, 5xx or no answer, POST too; Retry-After only if both
    X-RateLimit headers came, else 2 s, then 4 (10 at most). No limit of connections: Node's agent
    has none.
    """
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(headers=where.headers, timeout=30, limits=limits) as client:

        async def call(operation: Operation) -> object:
            for attempt in (1, 2, 3):
                delay = min(2.0**attempt, 10.0)
                try:
                    response = await client.request(
                        operation.method, where.url + operation.path, json=operation.body
                    )
                except httpx.TransportError:
                    if attempt == 3:
                        raise
                else:
                    if attempt == 3 or response.status_code < 500 and response.status_code != 429:
                        return response.raise_for_status().json()
                    told = response.headers
                    if (
                        "retry-after" in told
                        and "x-ratelimit-limit" in told
                        and "x-ratelimit-remaining" in told
                    ):
                        delay = float(told["retry-after"])
                await asyncio.sleep(delay)
            raise AssertionError

        yield call


@asynccontextmanager
async def sleeps_retry_after(where: Where) -> AsyncIterator[Call]:
    """Sleep for as long as Retry-After says and ask again, until it is accepted; over httpx."""
    import httpx

    async with httpx.AsyncClient(headers=where.headers, timeout=30) as client:

        async def call(operation: Operation) -> object:
            while True:
                response = await client.request(
                    operation.method, where.url + operation.path, json=operation.body
                )
                if response.status_code != 429:
                    return response.raise_for_status().json()
                await asyncio.sleep(float(response.headers["retry-after"]))

        yield call


@asynccontextmanager
async def httpx_with(where: Where, *, limited: bool, retried: bool) -> AsyncIterator[Call]:
    """Call through httpx with `AsyncLimiter(L, 1)` for each route (aiolimiter's README), with
    tenacity, or with both.

    tenacity: exponential back-off with jitter as in its documentation, six attempts, if the request
    broke or was answered 429 or 5xx.
    """
    import httpx
    import tenacity
    from aiolimiter import AsyncLimiter

    limiter = cache(lambda kind: AsyncLimiter(DEFAULT_LIMITS[ROUTES[kind]] * where.share, 1))

    def may_pass(error: BaseException) -> bool:
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code == 429 or error.response.status_code >= 500
        return isinstance(error, httpx.TransportError)

    async with httpx.AsyncClient(headers=where.headers, timeout=30) as client:

        async def call(operation: Operation) -> object:
            async with limiter(operation.kind) if limited else nullcontext():
                response = await client.request(
                    operation.method, where.url + operation.path, json=operation.body
                )
            return response.raise_for_status().json()

        again = tenacity.retry(
            retry=tenacity.retry_if_exception(may_pass),
            wait=tenacity.wait_random_exponential(multiplier=1, max=60),
            stop=tenacity.stop_after_attempt(6),
            reraise=True,
        )
        yield again(call) if retried else call


@asynccontextmanager
async def aiohttp_throttled(where: Where) -> AsyncIterator[Call]:
    """Call through aiohttp with asyncio-throttle's `Throttler(L)` for each route (its README)."""
    import aiohttp
    from asyncio_throttle import Throttler

    throttler = cache(
        lambda kind: Throttler(rate_limit=int(DEFAULT_LIMITS[ROUTES[kind]] * where.share))
    )
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(
        headers=where.headers, timeout=timeout, raise_for_status=True
    ) as session:

        async def call(operation: Operation) -> object:
            async with (
                throttler(operation.kind),
                session.request(
                    operation.method, where.url + operation.path, json=operation.body
                ) as response,
            ):
                return await response.json()

        yield call


@asynccontextmanager
async def requests_threads(where: Where) -> AsyncIterator[Call]:
    """Call through requests in 20 threads, a session each, with urllib3's Retry: five retries,
    back-off from a second, Retry-After obeyed.

    Its default is to repeat reads, PUT and DELETE only, so a POST that is refused has failed.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    own = threading.local()
    policy = Retry(total=5, backoff_factor=1, status_forcelist=[429, 500, 502, 503, 504])

    def open_session() -> None:
        own.session = requests.Session()
        own.session.headers.update(where.headers)
        own.session.mount("http://", HTTPAdapter(max_retries=policy))

    def send(operation: Operation) -> object:
        response = own.session.request(
            operation.method, where.url + operation.path, json=operation.body, timeout=30
        )
        response.raise_for_status()
        return response.json()

    with ThreadPoolExecutor(20, initializer=open_session) as pool:
        loop = asyncio.get_running_loop()
        yield lambda operation: loop.run_in_executor(pool, send, operation)


@asynccontextmanager
async def ours(where: Where, *, backend: Any = "httpx") -> AsyncIterator[Call]:
    """Call through respondio_async as its documentation has it; `share=` or Redis where several
    processes use the organisation.
    """
    from respondio_async import AsyncRespond
    from respondio_async.limits import LocalRateLimiter

    redis = None
    limiter: Any = LocalRateLimiter(share=where.share)
    if where.redis:
        from redis.asyncio import Redis

        from respondio_async.limits.redis import RedisRateLimiter

        redis = Redis.from_url(where.redis)
        limiter = RedisRateLimiter(redis, where.token, share=0.5)
    try:
        async with AsyncRespond(
            where.token, base_url=where.url, backend=backend, limiter=limiter
        ) as client:
            calls: dict[str, Callable[[int], Awaitable[object]]] = {
                "upsert": lambda contact: client.contacts.create_or_update(
                    contact, first_name="Jo"
                ),
                "get": client.contacts.get,
                "tag": lambda contact: client.contacts.add_tags(contact, "imported"),
                "lifecycle": lambda contact: client.contacts.update_lifecycle(contact, "Customer"),
                "message": lambda contact: client.messages.send(contact, "Hello"),
                "comment": lambda contact: client.comments.create(contact, "Imported"),
            }
            yield lambda operation: calls[operation.kind](operation.contact)
    finally:
        if redis is not None:
            await redis.aclose()


CONTESTANTS: dict[str, Contestant] = {
    "vendor's SDK policy": vendor_policy,
    "httpx + tenacity": partial(httpx_with, limited=False, retried=True),
    "httpx + AsyncLimiter": partial(httpx_with, limited=True, retried=False),
    "httpx + AsyncLimiter + tenacity": partial(httpx_with, limited=True, retried=True),
    "aiohttp + asyncio-throttle": aiohttp_throttled,
    "requests, 20 threads + Retry": requests_threads,
    "respondio_async": ours,
    "respondio_async[httpx2]": partial(ours, backend="httpx2"),
    "respondio_async[aiohttp]": partial(ours, backend="aiohttp"),
}

BESIDE: dict[str, Contestant] = {
    "httpx, sleeps Retry-After": sleeps_retry_after,
    **{
        name: CONTESTANTS[name]
        for name in (
            "httpx + AsyncLimiter + tenacity",
            "requests, 20 threads + Retry",
            "respondio_async",
        )
    },
}
"""Those that `benchmarks.peers_beside` compares: the plainest, the best of the others, and ours."""


def is_ours(name: str) -> bool:
    return name.startswith("respondio_async")


def versions() -> str:
    """The libraries that were measured."""
    names = (
        "httpx",
        "httpx2",
        "aiohttp",
        "aiolimiter",
        "tenacity",
        "asyncio-throttle",
        "requests",
        "urllib3",
        "redis",
    )
    return ", ".join(f"{name} {version(name)}" for name in names)
