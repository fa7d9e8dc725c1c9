"""A bot under test: a webhook router that a sandbox sends its events to."""

import asyncio
from typing import TYPE_CHECKING, Final

from ._app import Receive, Scope, Send
from ._sandbox import Sandbox

if TYPE_CHECKING:
    from respondio_async.webhooks import WebhookRouter

_LOOK: Final = 0.005
_PATH: Final = "/bot"
_KEY: Final = "the sandbox's key for the bot under test"


class RunningBot:
    """A router that receives every event of a sandbox, on the event loop of its test."""

    def __init__(self, router: "WebhookRouter", sandbox: Sandbox) -> None:
        self.router = router
        self.sandbox = sandbox
        receiver = router.asgi()

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await router.start()  # an earlier test may have closed it
            await receiver(scope, receive, send)

        sandbox.mount(_PATH, serve)
        router.add_key(_KEY)
        self._webhook = sandbox.webhook(sandbox.root_url + _PATH, key=_KEY)

    async def settle(self, timeout: float = 10.0) -> None:
        """Wait until every event so far, and what its handlers caused, has been handled.

        TimeoutError after *timeout* seconds.
        """
        async with asyncio.timeout(timeout):
            while not self._is_settled:  # noqa: ASYNC110 - the sandbox has a loop of its own
                await asyncio.sleep(_LOOK)

    @property
    def _is_settled(self) -> bool:
        # In this order: a delivery that has ended has left its event with the router.
        settled = self.sandbox.webhooks.settled
        now = self.router.statistics()
        return settled and not now.waiting and not now.running and self.sandbox.webhooks.settled

    async def aclose(self) -> None:
        """Send it nothing more, and let it end. Repeating it does nothing."""
        if self._webhook in self.sandbox.webhooks.registered:
            self.sandbox.webhooks.remove(self._webhook)
        await self.sandbox.webhooks.wait_settled()
        await self.router.aclose()
