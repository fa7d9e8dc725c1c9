"""A misbehaving server and every kind of client, for each test."""

from collections.abc import AsyncIterator

import pytest

from respondio_async._transport import _borrowed
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.faults.support import GOOD, KINDS
from tests.support.virtual import VIRTUAL_NO_DEBUG


@pytest.fixture
def anyio_backend() -> object:
    """Server and client share a loop, so that virtual time serves: a timeout is reached where the
    server stays silent, and not where the machine is slow.
    """
    return VIRTUAL_NO_DEBUG


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A borrowed client's abandoned requests are given up soon, and not after half a minute."""
    monkeypatch.setattr(_borrowed, "ABANDONED", 0.05)


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer(default=faults.answer(200, GOOD)) as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param
