"""The line in front of the connections."""

import asyncio

import pytest

from respondio_async._transport._pool import Gate


async def test_place_of_a_caller_cancelled_as_it_is_let_in() -> None:
    """A place that was handed to a cancelled caller goes on to the next in the queue."""
    gate = Gate(1)
    assert await gate.enter()
    first, second = asyncio.create_task(gate.enter()), asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    gate.leave()
    first.cancel()  # its place is there, but it has not run yet
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second
    gate.leave()
    assert (gate.free, gate.waiting) == (1, 0)


async def test_cancelled_just_before_it_is_let_in() -> None:
    """A place is not handed to a caller that has been cancelled already."""
    gate = Gate(1)
    await gate.enter()
    first, second = asyncio.create_task(gate.enter()), asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    first.cancel()
    gate.leave()
    assert await second
    assert (gate.free, gate.waiting) == (0, 0)


async def test_closing_turns_away() -> None:
    """Who waits and who comes is turned away; a caller cancelled in the same turn gives back no
    place it never had.
    """
    gate = Gate(1)
    await gate.enter()
    waiting, cancelled, gone = (asyncio.create_task(gate.enter()) for _ in range(3))
    await asyncio.sleep(0)
    gone.cancel()
    gate.close()
    cancelled.cancel()
    assert await waiting is False
    assert await gate.enter() is False
    gate.leave()
    assert gate.free == 1
