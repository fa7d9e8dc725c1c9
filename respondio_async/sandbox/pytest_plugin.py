"""pytest fixtures: a sandbox for each test, and a client on it.

Loaded in every pytest run of everybody who has the package installed: nothing is imported before a
fixture is used.

* `respondio_sandbox`: a running `Sandbox`, calm (new contacts are ready and listed at once), the
  vendor's limits in force.
* `respondio_client`: an `AsyncRespond` on it. Nobody needs to close it, whichever plugin runs the
  test (anyio, pytest-asyncio in either mode), and fixtures may use it before and after the test. It
  is closed on the loop that used it, after all that depends on it.
* `respondio_bot`: `bot = respondio_bot(router)` in a test sends the sandbox's events to a
  `WebhookRouter`, which runs on the test's own loop; `await bot.settle()` waits until all is
  handled. A router without a client gets `respondio_client`.
* `respondio_sandbox_options`: override it, for a module or a session, to change the sandbox's
  options.
* `@pytest.mark.respondio_sandbox(contacts=10)`: options of one test.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from respondio_async import AsyncRespond
    from respondio_async.webhooks import WebhookRouter

    from ._bot import RunningBot
    from ._sandbox import Sandbox


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "respondio_sandbox(**options): options of this test's respondio_sandbox"
    )
    if config.pluginmanager.hasplugin("asyncio"):
        config.pluginmanager.register(_asyncio_loop(), "respondio_asyncio_loop")


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
def respondio_client(
    request: pytest.FixtureRequest, respondio_sandbox: "Sandbox"
) -> "Iterator[AsyncRespond]":
    """A client of `respondio_sandbox`.

    It opens nothing before its first call; a plain test that runs a loop of its own closes it
    there.
    """
    from respondio_async import AsyncRespond

    _keep_loop(request)
    loops: set[asyncio.AbstractEventLoop] = set()
    client = AsyncRespond(
        respondio_sandbox.token,
        base_url=respondio_sandbox.url,
        hooks=[lambda _event: loops.add(asyncio.get_running_loop())],
    )
    yield client
    for loop in loops:  # one at most: a client belongs to one loop
        if not loop.is_closed():
            loop.run_until_complete(client.aclose())


@pytest.fixture
def respondio_bot(
    respondio_sandbox: "Sandbox", respondio_client: "AsyncRespond"
) -> "Iterator[Callable[[WebhookRouter], RunningBot]]":
    """Run a bot's router against `respondio_sandbox`, on the loop of the test that calls this."""
    from ._bot import RunningBot

    running: list[tuple[asyncio.AbstractEventLoop, RunningBot, bool]] = []

    def run(router: "WebhookRouter") -> RunningBot:
        loop = asyncio.get_running_loop()
        borrows_client = router.client is None
        if borrows_client:
            router.client = respondio_client
        running.append((loop, bot := RunningBot(router, respondio_sandbox), borrows_client))
        return bot

    yield run
    for loop, bot, borrows_client in running:
        loop.run_until_complete(bot.aclose())
        if borrows_client:  # a router of a module serves other tests, with other clients
            bot.router.client = None


def _keep_loop(request: pytest.FixtureRequest) -> None:
    """Make the test's event loop outlive the client: fixtures end in the reverse order of their
    beginning.
    """
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend")
        name = backend if isinstance(backend, str) else backend[0]
        if name != "asyncio":
            pytest.skip(f"respondio_client runs on asyncio only, not on {name}")
        request.getfixturevalue("_respondio_anyio_loop")
    elif request.config.pluginmanager.hasplugin("asyncio"):
        request.getfixturevalue("_respondio_asyncio_loop")


@pytest.fixture
async def _respondio_anyio_loop() -> AsyncIterator[None]:
    """Keep anyio's runner, and with it the loop."""
    yield  # noqa: PT022 - the runner is kept until what stands here is over


def _asyncio_loop() -> object:
    """Make the plugin that keeps the loop of pytest-asyncio, whose strict mode runs only the
    fixtures that it has marked itself.
    """
    import pytest_asyncio

    class AsyncioLoop:
        @pytest_asyncio.fixture
        async def _respondio_asyncio_loop(self) -> AsyncIterator[None]:
            yield

    return AsyncioLoop()
