"""Limits on the wire: which requests share one, and what a refusal says."""

from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from respondio_async.sandbox import Sandbox
from respondio_async.sandbox.windows import TokenBucket
from tests.sandbox.conftest import serving

USERS = "GET /space/user"


async def test_a_refusal_names_the_wait_and_the_limit() -> None:
    """A refusal names the wait and the limit: 429 with Retry-After in whole seconds and both
    headers.
    """
    async with serving(limits={USERS: 0.01}) as api:
        first = await api.call("GET", "/space/user")
        assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == (
            "0.01",
            "0",
        )
        answer = await api.call("GET", "/space/user")
        assert answer.status_code == 429
        assert answer.json() == {"code": 429, "message": "Too Many Requests"}
        assert 90 < int(answer.headers["Retry-After"]) <= 100
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        api.sandbox.advance(100)
        await api.ok("GET", "/space/user")
        assert api.sandbox.refusals == 1


async def test_a_large_limit_is_written_in_digits() -> None:
    """No exponent, which no server writes."""
    async with serving(limits={USERS: 2_500_000}) as api:
        answer = await api.call("GET", "/space/user")
        assert answer.headers["X-RateLimit-Limit"] == "2500000"


async def test_the_headers_are_switchable() -> None:
    """The headers are switchable: no X-RateLimit headers; Retry-After as a date, or not at all."""
    async with serving(limits={USERS: 0.01}) as api:
        await api.ok("GET", "/space/user")
        api.sandbox.quirks.rate_limit_headers = False
        api.sandbox.quirks.retry_after = "date"
        answer = await api.call("GET", "/space/user")
        assert "X-RateLimit-Limit" not in answer.headers
        moments = [parsedate_to_datetime(answer.headers[name]) for name in ("Retry-After", "Date")]
        assert 98 <= (moments[0] - moments[1]).total_seconds() <= 100
        api.sandbox.quirks.retry_after = "missing"
        assert "Retry-After" not in (await api.call("GET", "/space/user")).headers


async def test_rows_of_the_table_share_a_limit() -> None:
    """Create, update and delete of a contact are one bucket; reading is another."""
    async with serving(contacts=1, limits={"POST|PUT|DELETE /contact/{identifier}": 0.01}) as api:
        await api.ok("PUT", "/contact/id:100000001", {})
        for method in ("PUT", "POST", "DELETE"):
            assert (await api.call(method, "/contact/id:100000001", {})).status_code == 429
        await api.ok("GET", "/contact/id:100000001")


async def test_an_organisations_tokens_share_its_limits() -> None:
    """Another organisation's do not."""
    async with serving(limits={USERS: 0.01}, tokens=2) as api:
        other = api.sandbox.add_organisation()
        statuses = []
        for token in (*api.sandbox.tokens, other):
            statuses.append(
                (
                    await api.call(
                        "GET", "/space/user", headers={"Authorization": f"Bearer {token}"}
                    )
                ).status_code
            )
        assert statuses == [200, 429, 200]


async def test_wrong_requests_count_too() -> None:
    """What is refused with 400 or 404 was counted; what has no token was not."""
    async with serving(limits={"GET /space/user/{id}": 0.01}) as api:
        assert (
            await api.call("GET", "/space/user/9", headers={"Authorization": "Bearer x"})
        ).status_code == 401
        assert (await api.call("GET", "/space/user/9")).status_code == 404
        assert (await api.call("GET", "/space/user/9")).status_code == 429


async def test_a_limit_can_be_renegotiated_while_it_runs() -> None:
    """The header shows it from the next request on."""
    async with serving(limits={}) as api:
        assert (await api.call("GET", "/space/user")).headers["X-RateLimit-Limit"] == "5"
        api.sandbox.set_limit(USERS, 50)
        assert (await api.call("GET", "/space/user")).headers["X-RateLimit-Limit"] == "50"
        assert api.sandbox.limits[USERS] == 50


def test_the_table_can_be_multiplied_replaced_or_switched_off() -> None:
    """An override is taken as it is, not multiplied."""
    sandbox = Sandbox(limits={USERS: 7}, limits_factor=20)
    assert (sandbox.limits[USERS], sandbox.limits["POST /contact/merge"]) == (7, 100)
    sandbox = Sandbox(limits=None)
    assert sandbox.limits == {}
    sandbox.set_limit(USERS, 3)
    assert sandbox.limits == {USERS: 3}


@pytest.mark.parametrize(
    ("options", "text"),
    [({"limits": {"GET /nowhere": 5}}, "unknown route"), ({"limits": {USERS: 0}}, "positive"),
     ({"limits": {USERS: float("nan")}}, "positive"), ({"limits_factor": 0}, "limits_factor")],
)  # fmt: skip
def test_wrong_limits_are_refused(options: dict[str, Any], text: str) -> None:
    """A misspelt route would be enforced nowhere."""
    with pytest.raises(ValueError, match=text):
        Sandbox(**options)


async def test_any_window_can_be_given() -> None:
    """Any window can be given by name or as a function from a limit to a window."""
    async with serving(
        limits={USERS: 2.0}, window=lambda limit: TokenBucket(limit / 1e6, burst=limit)
    ) as api:
        statuses = [(await api.call("GET", "/space/user")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
    async with serving(limits={USERS: 0.01}, window="gcra") as api:
        statuses = [(await api.call("GET", "/space/user")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
