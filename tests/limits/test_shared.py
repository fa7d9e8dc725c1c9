"""One limiter an organisation."""

import asyncio
import gc
import threading
import time
from base64 import urlsafe_b64encode

import pytest

from respondio_async.limits import Feedback, LocalRateLimiter, _shared, limiter_for
from respondio_async.limits._tuning import KEPT
from tests.limits.helpers import calls
from tests.simulation.servers import SlidingLog
from tests.support.virtual import run

URL = "https://api.respond.io/v2"


def token(payload: bytes, signature: str = "sig") -> str:
    """A JWT with this payload."""
    return f"eyJhbGciOiJIUzI1NiJ9.{urlsafe_b64encode(payload).decode().rstrip('=')}.{signature}"


def test_tokens_of_one_organisation_share_a_limiter() -> None:
    """The limits are the organisation's, whichever of its tokens is used; a trailing slash is no
    other host.
    """
    first = limiter_for(URL, token(b'{"orgId": 7, "id": 1}'))
    assert limiter_for(URL + "/", token(b'{"orgId": 7, "id": 2}', "other")) is first
    assert limiter_for(URL, token(b'{"orgId": 8}')) is not first
    assert limiter_for("http://127.0.0.1:1/v2", token(b'{"orgId": 7}')) is not first


@pytest.mark.parametrize(
    "odd",
    [
        "", "plain", "a.b", "a.b.c", "..", "a.!!!.c", "a.\udcff.c", "é.é.é",
        token(b"[]"), token(b"{}"), token(b"\xff\xfe"), token(b'{"orgId": null}'),
            token(b'{"orgId": []}'),
        token(b'{"orgId": true}'), token(b'{"orgId": ""}'), token(b"[" * 5000),
    ],
)  # fmt: skip
def test_a_token_of_another_form_stands_for_itself(odd: str) -> None:
    """Whatever the token looks like, it gets a limiter, the same one each time, and no other
    token's.
    """
    limiter = limiter_for(URL, odd)
    assert isinstance(limiter, LocalRateLimiter)
    assert limiter_for(URL, odd) is limiter
    assert limiter_for(URL, odd + "x") is not limiter


def test_a_limiter_outlives_its_last_user_for_as_long_as_it_matters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The registry holds a hash of the token, and forgets a limiter that nobody uses and that has
    not been used for minutes.
    """
    limiter = limiter_for(URL, "very-secret-token")
    assert not any("very-secret-token" in part for key in _shared._limiters for part in key)
    key = next(key for key, each in _shared._limiters.items() if each is limiter)
    del limiter
    gc.collect()
    assert key in _shared._limiters
    now = time.monotonic()
    monkeypatch.setattr(_shared, "monotonic", lambda: now + KEPT + 1)
    used = limiter_for(URL, "another")
    gc.collect()
    assert key not in _shared._limiters
    assert limiter_for(URL, "another") is used


@pytest.mark.parametrize(("clients", "reads", "limit"), [(6, 5, 10), (6, 5, 5), (30, 1, 10)])
def test_clients_that_come_and_go_keep_to_the_limit(clients: int, reads: int, limit: int) -> None:
    """A client for each job, each with an event loop of its own: none of their reads is refused."""
    server, url, elapsed = SlidingLog(limit), f"{URL}/{clients}/{limit}", [0.0]
    refused, real = [0], time.monotonic()

    async def job() -> None:
        loop = asyncio.get_running_loop()
        limiter, began = limiter_for(url, "jobs"), loop.time()

        async def read() -> None:
            reservation = await limiter.reserve("GET /space/user/{id}")
            await reservation.permit()
            await asyncio.sleep(0.04)
            # Between two loops the limiter counts real time, and a collection takes some.
            now = elapsed[0] + loop.time() - began + time.monotonic() - real
            refused[0] += not server.arrive(now).accepted
            await asyncio.sleep(0.04)
            limiter.update(reservation, Feedback(200, round_trip=0.08))

        limiter._limits["GET /space/user/{id}"] = limit
        await asyncio.gather(*(read() for _ in range(reads)))
        elapsed[0] += loop.time() - began

    for _ in range(clients):
        run(job())
        gc.collect()
    assert refused == [0]


def test_threads_that_ask_at_once_get_the_same_one() -> None:
    """Of many threads none gets a limiter of its own."""
    got: list[LocalRateLimiter] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        got.append(limiter_for(URL, "threads"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(limiter) for limiter in got}) == 1


def test_one_event_loop_after_another_uses_it() -> None:
    """`asyncio.run` again and again with the same default limiter."""
    limiter = limiter_for(URL, "loops")
    for _ in range(3):
        run(calls(limiter, 3))
