"""pytest fixtures: a sandbox for each test, and a client on it.

Loaded in every pytest run of everybody who has the package installed: nothing is imported before a
fixture is used.

* `respondio_sandbox`: a running `Sandbox`, calm (new contacts are ready and listed at once), the
  vendor's limits in force.
* `respondio_client`: an `AsyncRespond` on it. A coroutine test needs not close it, whichever plugin
  runs the test (anyio, pytest-asyncio in either mode): it is closed on the test's own loop when the
  test ends.
* `respondio_sandbox_options`: override it, for a module or a session, to change the sandbox's
  options.
* `@pytest.mark.respondio_sandbox(contacts=10)`: options of one test.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from respondio_async import AsyncRespond

    from ._sandbox import Sandbox


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "respondio_sandbox(**options): options of this test's respondio_sandbox"
    )


@pytest.fixture
def respondio_sandbox_options() -> dict[str, Any]:
    """Options of `Sandbox` for the tests that see this fixture; override it."""
    return {}


@pytest.fixture
def respondio_sandbox(
    request: pytest.FixtureRequest, respondio_sandbox_options: dict[str, Any]
) -> "Iterator[Sandbox]":
    """A running sandbox of this test's own."""
    from . import Quirks, Sandbox

    options: dict[str, Any] = {"quirks": Quirks.calm(), **respondio_sandbox_options}
    # The nearest mark wins.
    for mark in reversed(list(request.node.iter_markers("respondio_sandbox"))):
        options.update(mark.kwargs)
    with Sandbox(**options) as sandbox:
        yield sandbox


@pytest.fixture
def respondio_client(respondio_sandbox: "Sandbox") -> "AsyncRespond":
    """A client of `respondio_sandbox`.

    It opens nothing before its first call; a plain test that runs a loop closes it there.
    """
    from respondio_async import AsyncRespond

    return AsyncRespond(respondio_sandbox.token, base_url=respondio_sandbox.url)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Make a coroutine test close its client.

    The test is wrapped, since a fixture could do so only by being a coroutine of that plugin which
    happens to run the test.
    """
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        client = cast("AsyncRespond | None", item.funcargs.get("respondio_client"))
        if client is not None:
            item.obj = _closing(item.obj, client)


def _closing(
    test: Callable[..., Awaitable[None]], client: "AsyncRespond"
) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            await test(*args, **kwargs)
        finally:
            await client.aclose()

    return wrapper
