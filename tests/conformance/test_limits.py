"""The client under a server that enforces the vendor's limits strictly: launched all at once,
refused never.
"""

import asyncio

import pytest

from respondio_async import AsyncRespond, LocalRateLimiter
from respondio_async.sandbox import Quirks, Sandbox

pytestmark = pytest.mark.real_time  # the sandbox's limits are of the real clock

BUSY = 3
"""Refusals that a machine busy with other work may cause by holding requests up on their way; on a
quiet one there are none, and a bucket that is not shared costs many.
"""


@pytest.mark.parametrize("window", ["sliding", "fixed", "bucket"])
async def test_sixty_calls_at_once_are_never_refused(window: str) -> None:
    """Sixty calls at once are never refused: six seconds' worth of a route of ten a second; every
    request is admitted.
    """
    async with (
        Sandbox(contacts=1, quirks=Quirks.calm(), window=window) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url, limiter=LocalRateLimiter()) as client,
    ):
        contact = sandbox.contacts[0].id
        got = await asyncio.gather(*(client.contacts.get(contact) for _ in range(60)))
        assert {each.id for each in got} == {contact}
        assert sandbox.refusals <= BUSY
        assert sandbox.count("GET /contact/{identifier}") - sandbox.refusals == 60
        assert sandbox.rates("GET /contact/{identifier}") <= 10 + sandbox.refusals


async def test_routes_that_share_a_bucket_share_it_here_too() -> None:
    """Create, update and delete count together, adding and removing tags too."""
    async with (
        Sandbox(contacts=1, quirks=Quirks.calm()) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url, limiter=LocalRateLimiter()) as client,
    ):
        contact = sandbox.contacts[0].id
        await asyncio.gather(
            *(
                client.contacts.create(f"new{number}@x.example", first_name="N")
                for number in range(5)
            ),
            *(client.contacts.update(contact, first_name=f"N{number}") for number in range(5)),
            *(client.contacts.delete(f"email:gone{number}@x.example") for number in range(3)),
            *(client.contacts.add_tags(contact, f"t{number}") for number in range(5)),
            *(client.contacts.delete_tags(contact, f"t{number}") for number in range(5)),
            return_exceptions=True,
        )
        assert sandbox.refusals <= BUSY


async def test_two_clients_of_one_organisation_share_the_limit() -> None:
    """Two tokens of one organisation share one limiter, by default."""
    async with Sandbox(contacts=1, quirks=Quirks.calm(), tokens=2) as sandbox:
        first, second = (AsyncRespond(token, base_url=sandbox.url) for token in sandbox.tokens)
        async with first, second:
            contact = sandbox.contacts[0].id
            await asyncio.gather(
                *(client.contacts.get(contact) for _ in range(15) for client in (first, second))
            )
        assert sandbox.refusals <= BUSY
