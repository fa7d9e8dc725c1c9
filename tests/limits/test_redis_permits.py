"""RedisRateLimiter in one process, on a real server: reservations, priorities, cancellation,
deadlines, pauses, calibration.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import redis.asyncio

from respondio_async import RateLimit
from respondio_async.errors import ConfigurationError, DeadlineExceededError, InvalidArgumentError
from respondio_async.limits._protocol import Feedback, Priority, RateLimiter, Reservation
from respondio_async.limits.redis import RedisRateLimiter

from .redis_server import RedisServer, redis_server

pytestmark = pytest.mark.real_time

ROUTE = "GET /contact/{identifier}"
SLOW = "POST /contact/merge"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator["redis.asyncio.Redis"]:
    server.command("FLUSHALL")
    client = redis.asyncio.Redis.from_url(server.url)
    yield client
    await client.aclose()


def limiter_on(client: "redis.asyncio.Redis", **options: object) -> RedisRateLimiter:
    return RedisRateLimiter(client, "acme", **{"limits": {ROUTE: 20, SLOW: 1}, **options})  # type: ignore[arg-type]


async def granted(limiter: RateLimiter, route: str = ROUTE, **options: object) -> Reservation:
    reservation = await limiter.reserve(route, **options)  # type: ignore[arg-type]
    assert await reservation.permit()
    return reservation


async def test_no_window_holds_more_than_the_limit(client: "redis.asyncio.Redis") -> None:
    """Of many calls at once, no more than the limit go within any second, and each permit costs one
    script call.
    """
    limiter = limiter_on(client)
    sends: list[float] = []

    async def call() -> None:
        reservation = await granted(limiter)
        sends.append(time.monotonic())
        limiter.update(reservation, Feedback(status=200, round_trip=0.001))

    await asyncio.gather(*(call() for _ in range(50)))
    assert all(late - early > 1.0 for early, late in zip(sends, sends[20:], strict=False))
    statistics = limiter.statistics()[ROUTE]
    assert (statistics.granted, statistics.waiting, statistics.refused) == (50, 0, 0)
    assert statistics.limit == 20
    assert 0.005 < statistics.margin < 0.061
    assert 0 < statistics.wait_p50 < statistics.wait_p99


async def test_first_come_first_served_within_a_priority_and_interactive_first(
    client: "redis.asyncio.Redis",
) -> None:
    """Interactive calls overtake waiting bulk calls; within a priority the order of arrival
    holds.
    """
    limiter = limiter_on(client)
    order: list[str] = []

    async def call(name: str, priority: Priority) -> None:
        await granted(limiter, priority=priority)
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for priority in ("bulk", "interactive"):
            for number in range(5):
                group.create_task(call(f"{priority} {number}", priority))
                await asyncio.sleep(0)
    leader, *rest = order
    assert leader == "bulk 0"
    assert rest == [*(f"interactive {n}" for n in range(5)), *(f"bulk {n}" for n in range(1, 5))]


async def test_a_cancelled_waiter_never_stalls_the_line(client: "redis.asyncio.Redis") -> None:
    """Cancelled at any point, the script call included, a call leaves the others their permits."""
    limiter = limiter_on(client)
    done = 0

    async def call() -> None:
        nonlocal done
        await granted(limiter)
        done += 1

    tasks = [asyncio.create_task(call()) for _ in range(40)]
    for number, task in enumerate(tasks[:30]):
        if number % 3 == 0:
            await asyncio.sleep(0.0007)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done >= 10
    assert sum(not task.cancelled() for task in tasks) == done
    assert limiter.statistics()[ROUTE].waiting == 0


async def test_what_nobody_uses_is_given_back(client: "redis.asyncio.Redis") -> None:
    """A reservation that is abandoned, and one whose request never left, are taken out of the
    shared log.
    """
    limiter = limiter_on(client)
    reservation = await limiter.reserve(ROUTE)
    reservation.abandon()
    reservation.abandon()
    sent = await granted(limiter)
    limiter.update(sent, Feedback(status=None, sent=False))
    limiter.update(sent, Feedback(status=200))
    await granted(limiter)
    await asyncio.sleep(0.05)
    assert await client.zcard(f"{{respondio:acme}}:{ROUTE}:log") == 1


async def test_a_wait_beyond_the_timeout_is_refused_at_once(client: "redis.asyncio.Redis") -> None:
    """A caller whose permit cannot come in time gets that time in its error, and the
    queue goes on.
    """
    limiter = limiter_on(client)
    await granted(limiter, SLOW)
    with pytest.raises(DeadlineExceededError) as refusal:
        await limiter.reserve(SLOW, timeout=0.3)
    assert refusal.value.needed is not None
    assert 0.3 < refusal.value.needed < 1.1
    leader = asyncio.create_task(limiter.reserve(SLOW))
    await asyncio.sleep(0.01)
    with pytest.raises(DeadlineExceededError):
        await limiter.reserve(SLOW, timeout=0.2)
    waiting = [asyncio.create_task(limiter.reserve(SLOW, timeout=1.85)) for _ in range(2)]
    reservation = await leader
    assert await reservation.permit()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert any(isinstance(outcome, DeadlineExceededError) for outcome in outcomes)
    for outcome in outcomes:
        if not isinstance(outcome, BaseException):
            outcome.abandon()
    assert limiter.statistics()[SLOW].waiting == 0


async def test_a_waiter_leaves_when_its_time_is_up(client: "redis.asyncio.Redis") -> None:
    """Behind a leader that takes its time, a call waits as long as it may, and one that is
    cancelled not even so long.
    """
    limiter = limiter_on(client)
    leader = await limiter.reserve(ROUTE)
    cancelled = asyncio.create_task(limiter.reserve(ROUTE))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(DeadlineExceededError) as refusal:
        await limiter.reserve(ROUTE, timeout=0.15)
    assert refusal.value.needed is not None
    assert refusal.value.needed > 0.15
    assert limiter.statistics()[ROUTE].waiting == 1
    assert await leader.permit()
    await granted(limiter)


async def test_an_overdue_permit_is_not_used(client: "redis.asyncio.Redis") -> None:
    """A leader that comes for its permit long after its time gets a new one: the others have
    counted on the old one's slot.
    """
    limiter = limiter_on(client)
    leader = await limiter.reserve(ROUTE)
    await asyncio.sleep(0.3)
    assert await leader.permit()
    assert await client.zcard(f"{{respondio:acme}}:{ROUTE}:log") == 2


async def test_turns_that_were_never_granted_teach_nothing(client: "redis.asyncio.Redis") -> None:
    """Only permits are observed; an answer that never came holds its slot for longer."""
    limiter = limiter_on(client)
    reservation = await limiter.reserve(ROUTE)
    limiter.update(reservation, Feedback(status=429, retry_after=30.0))
    assert await reservation.permit()
    limiter.update(reservation, Feedback(status=None))
    statistics = limiter.statistics()[ROUTE]
    assert (statistics.refused, statistics.paused) == (0, 0.0)


async def test_a_refusal_pauses_the_route_everywhere(client: "redis.asyncio.Redis") -> None:
    """A 429 in one process pauses its route, and no other, in the others too; it is never
    shortened.
    """
    one, other = limiter_on(client), limiter_on(client)
    reservation = await granted(one)
    one.update(reservation, Feedback(status=429, retry_after=40.0))
    await asyncio.sleep(0.05)
    with pytest.raises(DeadlineExceededError) as refusal:
        await other.reserve(ROUTE, timeout=1.0)
    assert refusal.value.needed is not None
    assert 38 < refusal.value.needed <= 40.5
    with pytest.raises(DeadlineExceededError):
        await one.reserve(ROUTE, timeout=1.0)
    await granted(other, SLOW)
    paused = one.statistics()[ROUTE]
    assert (paused.pauses, paused.refused) == (1, 1)
    assert 38 < paused.paused <= 40


async def test_a_pause_lasts_a_minute_at_most(client: "redis.asyncio.Redis") -> None:
    """A Retry-After of days pauses for a minute; the next refusal may renew it."""
    limiter = limiter_on(client)
    limiter.update(await granted(limiter), Feedback(status=429, retry_after=259_200.0))
    assert 59 < limiter.statistics()[ROUTE].paused <= 60


async def test_a_paused_leader_gives_its_connection_back(client: "redis.asyncio.Redis") -> None:
    """With *max_wait*, a permit that a pause has moved away is not waited for; the place in the
    queue is kept.
    """
    limiter = limiter_on(client)
    first = await granted(limiter)
    leader = await limiter.reserve(ROUTE)
    limiter.update(first, Feedback(status=429, retry_after=1.0))
    assert await leader.permit(max_wait=0.05) is False
    await leader.wait_until_near()
    assert await leader.permit(max_wait=0.5) is True
    with pytest.raises(RuntimeError):
        await leader.permit()
    await leader.wait_until_near()


async def test_the_advertised_limit_is_shared(client: "redis.asyncio.Redis") -> None:
    """A lower X-RateLimit-Limit holds for all processes at once; a higher one is approached by
    doubling, once a second.
    """
    one, other = limiter_on(client), limiter_on(client)
    one.update(
        await granted(one), Feedback(status=200, rate_limit=RateLimit(limit=10.0), round_trip=0.001)
    )
    await asyncio.sleep(0.05)
    reservation = await granted(other)
    assert other.statistics()[ROUTE].limit == 10
    await asyncio.sleep(1.0)  # until then an answer that names the lower one may be under way
    other.update(
        reservation, Feedback(status=200, rate_limit=RateLimit(limit=50.0), round_trip=0.001)
    )
    await granted(other)
    assert other.statistics()[ROUTE].limit == 20
    await granted(one)
    assert one.statistics()[ROUTE].limit == 20


@pytest.mark.parametrize(
    ("bounds", "advertised"), [((1.0, 100.0), 600.0), ((1.0, 100.0), 0.5), (None, 10.0)]
)
async def test_a_limit_out_of_bounds_is_ignored(
    client: "redis.asyncio.Redis", bounds: tuple[float, float] | None, advertised: float
) -> None:
    """What the header says beyond the bounds is taken for another unit, and without bounds it is
    not followed at all.
    """
    limiter = limiter_on(client, bounds=bounds)
    told = Feedback(status=200, rate_limit=RateLimit(limit=advertised))
    limiter.update(await granted(limiter), told)
    await granted(limiter)
    assert limiter.statistics()[ROUTE].limit == 20


async def test_a_refusal_after_a_raise_takes_it_back(client: "redis.asyncio.Redis") -> None:
    """The limit that a header had raised is given up when the server refuses."""
    limiter = limiter_on(client)
    limiter.update(await granted(limiter), Feedback(status=200, rate_limit=RateLimit(limit=40.0)))
    reservation = await granted(limiter)
    assert limiter.statistics()[ROUTE].limit == 40
    limiter.update(reservation, Feedback(status=429, retry_after=0.1))
    await asyncio.sleep(0.05)
    assert limiter.statistics()[ROUTE].limit == 20


async def test_high_rates_reserve_several_permits_at_once(
    server: RedisServer, client: "redis.asyncio.Redis"
) -> None:
    """At 1,000 a second most permits cost no script call of their own, and the limit still
    holds.
    """
    limiter = limiter_on(client, limits={ROUTE: 1000})
    before = server.calls()
    sends: list[float] = []

    async def call() -> None:
        await granted(limiter)
        sends.append(time.monotonic())

    await asyncio.gather(*(call() for _ in range(1500)))
    assert all(late - early > 1.0 for early, late in zip(sends, sends[1000:], strict=False))
    assert server.calls() - before < 0.1 * len(sends)


async def test_less_than_one_a_second_is_one_in_so_many_seconds(
    client: "redis.asyncio.Redis",
) -> None:
    """A limit of 0.5 lets one call go and says two seconds to the next."""
    limiter = limiter_on(client, limits={ROUTE: 0.5})
    await granted(limiter)
    with pytest.raises(DeadlineExceededError) as refusal:
        await limiter.reserve(ROUTE, timeout=0.5)
    assert refusal.value.needed is not None
    assert 1.8 < refusal.value.needed < 2.1


async def test_keys_are_named_expire_and_hold_no_personal_data(
    client: "redis.asyncio.Redis",
) -> None:
    """All keys share one hash tag and a time to live; they hold numbers and random ids only."""
    limiter = limiter_on(client)
    limiter.update(await granted(limiter), Feedback(status=200, round_trip=0.001))
    keys = await client.keys("*")
    assert sorted(keys) == [
        f"{{respondio:acme}}:{ROUTE}:{what}".encode() for what in ("given", "log", "state")
    ]
    for key in keys:
        assert 0 < await client.pttl(key) <= 3_600_000
    assert repr(limiter) == "<RedisRateLimiter {respondio:acme} sharing>"


async def test_the_clients_settings_do_not_matter(server: RedisServer) -> None:
    """A client that decodes answers, speaks RESP2 and has one connection works as well; it is not
    closed.
    """
    async with redis.asyncio.Redis.from_url(
        server.url, decode_responses=True, protocol=2, max_connections=1
    ) as client:
        limiter = limiter_on(client)
        assert isinstance(limiter, RateLimiter)
        await asyncio.gather(
            granted(limiter), granted(limiter, SLOW), granted(limiter, "GET /nobody/knows")
        )
        assert await client.ping()


@pytest.mark.parametrize("name", ["", "a{b", "a}b"])
@pytest.mark.parametrize("argument", ["organisation", "prefix"])
def test_names_that_break_the_hash_tag_are_refused(name: str, argument: str) -> None:
    """Braces would put a route's keys on different nodes of a cluster."""
    given = {"organisation": "acme", "prefix": "respondio", argument: name}
    with pytest.raises(InvalidArgumentError) as refusal:
        RedisRateLimiter(redis.asyncio.Redis(), given["organisation"], prefix=given["prefix"])
    assert refusal.value.argument == argument


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": 0}, InvalidArgumentError),
        ({"share": 0.0}, ConfigurationError),
        ({"limits": {"GET /nowhere": 1.0}}, ConfigurationError),
        ({"limits": {ROUTE: -1.0}}, ConfigurationError),
    ],
)
def test_settings_that_cannot_work_are_refused(
    options: dict[str, object], error: type[Exception]
) -> None:
    """Mistakes show when the limiter is made, not when it is used."""
    with pytest.raises(error):
        limiter_on(redis.asyncio.Redis(), **options)


async def test_calls_that_cannot_work_are_refused(client: "redis.asyncio.Redis") -> None:
    """An unknown priority and a timeout that is no number are named."""
    limiter = limiter_on(client)
    with pytest.raises(InvalidArgumentError):
        await limiter.reserve(ROUTE, priority="express")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError):
        await limiter.reserve(ROUTE, timeout=float("nan"))


def test_a_second_event_loop_is_told_what_to_do(server: RedisServer) -> None:
    """The connections belong to the first loop; a clear error, not a hang."""
    client = redis.asyncio.Redis.from_url(server.url)
    limiter = limiter_on(client)

    async def first() -> None:
        await granted(limiter)
        await client.aclose()

    asyncio.run(first())
    with pytest.raises(ConfigurationError, match="for each event loop"):
        asyncio.run(limiter.reserve(ROUTE))  # type: ignore[arg-type]


def test_without_redis_py_the_extra_is_named() -> None:
    """Importing the module without its extra says which one to install."""
    program = "import sys; sys.modules['redis'] = None; import respondio_async.limits.redis"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "respondio-async[redis]" in run.stderr
