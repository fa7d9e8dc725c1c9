"""An event that was here is known again, wherever that is remembered."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from respondio_async.errors import ConfigurationError, InvalidArgumentError
from respondio_async.webhooks import (
    Deduplicator,
    MemoryDeduplicator,
    RedisDeduplicator,
    SQLiteDeduplicator,
    WebhookRouter,
)
from tests.webhooks.payloads import KEY, message, signed


async def test_in_memory_the_oldest_are_forgotten() -> None:
    """No more than the limit is remembered: beyond it the oldest is forgotten."""
    seen = MemoryDeduplicator(limit=2)
    assert isinstance(seen, Deduplicator)
    assert [await seen.claim(name) for name in ("a", "a", "b", "b", "c", "a")] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    await seen.aclose()


async def test_in_a_file_it_outlasts_a_restart(tmp_path: Path) -> None:
    """Another process, or the next one, knows what this one had; the bound holds there too."""
    one, other = (
        SQLiteDeduplicator(tmp_path / "seen", limit=3),
        SQLiteDeduplicator(str(tmp_path / "seen"), limit=3),
    )
    assert await asyncio.gather(*[one.claim("a") for _ in range(5)]) == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert not await other.claim("a")
    await one.aclose()
    await one.aclose()
    assert not await one.claim("a")
    assert [await other.claim(name) for name in ("b", "c", "d", "a")] == [True] * 4
    await one.aclose()
    await other.aclose()


@pytest.mark.parametrize("cls", [MemoryDeduplicator, lambda limit: SQLiteDeduplicator("x", limit)])
def test_the_limit_is_checked(cls: Any) -> None:
    """Remembering nothing is a mistake."""
    with pytest.raises(ConfigurationError):
        cls(0)


async def test_a_router_with_a_file(tmp_path: Path) -> None:
    """A restart does not repeat what was taken in before."""
    seen: list[Any] = []
    for _ in range(2):
        router = WebhookRouter(KEY, deduplicator=SQLiteDeduplicator(tmp_path / "seen"))
        router.on()(seen.append)
        async with router:
            for _ in range(2):
                assert (await router.receive(*signed(message())))[0] == 200
    assert len(seen) == 1


class Slow:
    """Answers for a contact's first event last."""

    def __init__(self) -> None:
        self.delays = [3, 2, 1]

    async def claim(self, event_id: str) -> bool:
        for _ in range(self.delays.pop(0) * 5):
            await asyncio.sleep(0)
        if event_id == "event-1":
            raise ConnectionError("redis is down")
        return True

    async def aclose(self) -> None:
        raise AssertionError("closed once")


def test_a_file_is_used_by_one_event_loop_after_another(tmp_path: Path) -> None:
    """Each call of a function has a loop of its own; what one saw, the next recognises."""
    deduplicator = SQLiteDeduplicator(tmp_path / "seen")
    claims = [asyncio.run(deduplicator.claim(name)) for name in ("one", "one", "other")]
    assert claims == [True, False, True]
    asyncio.run(deduplicator.aclose())


def test_a_file_is_opened_again_on_the_next_loop_however_many_want_it(tmp_path: Path) -> None:
    """What kept them apart on the first loop keeps nobody out on the next."""
    deduplicator = SQLiteDeduplicator(tmp_path / "seen")

    async def claim() -> list[bool]:
        try:
            return await asyncio.gather(*(deduplicator.claim("one") for _ in range(3)))
        finally:
            await deduplicator.aclose()

    assert asyncio.run(claim()) == [True, False, False]
    assert asyncio.run(claim()) == [False, False, False]


async def test_a_deduplicator_built_on_the_one_in_memory_may_wait_and_fail() -> None:
    """Its error goes to `on_error`, the event is handled, and its capacity comes back."""

    class Shared(MemoryDeduplicator):
        async def claim(self, event_id: str) -> bool:
            await asyncio.sleep(0)
            raise ConnectionError("the other store is down")

    errors: list[Exception] = []
    router = WebhookRouter(
        KEY, deduplicator=Shared(), on_error=lambda error, _: errors.append(error)
    )
    assert (await router.handle(*signed(message()))).status == 200
    assert [type(error) for error in errors] == [ConnectionError]
    assert router.statistics().waiting == 0
    await router.aclose()


async def test_a_slow_store_keeps_the_order_and_a_broken_one_loses_nothing() -> None:
    """Events of one contact do not pass one another; what cannot be recognised is handled, and
    on_error hears of it.
    """
    errors: list[Any] = []
    router = WebhookRouter(KEY, deduplicator=Slow(), on_error=lambda error, _: errors.append(error))
    seen: list[str] = []
    router.on()(lambda context: seen.append(context.event.event_id))
    await router.start()
    answers = await asyncio.gather(
        *[router.receive(*signed(message(number))) for number in range(3)]
    )
    assert [status for status, _ in answers] == [200] * 3
    with pytest.raises(AssertionError, match="closed once"):
        await router.aclose()
    assert seen == ["event-0", "event-1", "event-2"]
    assert len(errors) == 1


@pytest.fixture
def redis_socket(tmp_path: Path) -> Iterator[str]:
    """Run a real Redis on a socket of its own."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("LOUD: redis-server is not installed, so RedisDeduplicator was not tried")
    path = tmp_path / "redis.sock"
    process = subprocess.Popen(
        [server, "--port", "0", "--unixsocket", str(path), "--save", ""],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if b"eady to accept connections" in line:
            break
    yield str(path)
    process.terminate()
    process.communicate()


async def test_in_redis_machines_share_it(redis_socket: str) -> None:
    """The first of many wins, and Redis forgets by itself."""
    from redis.asyncio import Redis

    redis = Redis(unix_socket_path=redis_socket)
    seen: Deduplicator = RedisDeduplicator(redis, prefix="t:", ttl=100)
    assert sorted(await asyncio.gather(*[seen.claim("a") for _ in range(5)])) == [False] * 4 + [
        True
    ]
    assert 0 < await redis.ttl("t:a") <= 100
    await seen.aclose()
    assert await seen.claim("b")
    await redis.aclose()


async def test_the_file_of_a_deduplicator_is_private_and_a_file(tmp_path: Path) -> None:
    """Under a umask that takes nothing; a name that SQLite takes for memory is refused."""
    before = os.umask(0)
    try:
        deduplicator = SQLiteDeduplicator(tmp_path / "seen")
        assert await deduplicator.claim("a")
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    await deduplicator.aclose()
    with pytest.raises(InvalidArgumentError):
        SQLiteDeduplicator(":memory:")
    with pytest.raises(ConfigurationError, match="its folder must be there"):
        await SQLiteDeduplicator(tmp_path / "missing" / "seen").claim("a")
