"""The sandbox's webhooks: signed, on a budget of five seconds, never sent again, and disabled when
they fail too often.

Source: the vendor's "Webhooks" page. What it leaves open is decided here: events of one contact are
sent one after the other, those of different contacts side by side.
"""

import asyncio
import base64
import hmac
import json
import random
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final
from weakref import WeakValueDictionary

from . import _webhook_bodies as bodies
from ._webhook_post import check_url, post
from .state import Contact, WorkspaceEvent
from .workspace import Listener, Workspace

__all__ = ["Delivery", "Webhook", "Webhooks"]

MOST_WEBHOOKS: Final = 35
"""In one workspace."""
BUDGET: Final = 5.0
"""Seconds for an answer."""
MOST_ERRORS: Final = 30
ERROR_SPAN: Final = 30 * 60.0
"""So many errors within so many seconds disable a webhook."""
_SIDE_BY_SIDE: Final = 64
"""Deliveries under way at a time."""


@dataclass(slots=True, eq=False)
class Webhook:
    """One registered URL with the signing key of its own.

    Not enabled: it failed too often; set it to True again, as a person would.
    """

    url: str
    key: str
    events: tuple[str, ...] | None
    """Which event types it gets; None: all."""
    enabled: bool = True
    missed: int = 0
    """Events that happened while it was disabled. They are never sent."""
    errors: deque[float] = field(default_factory=deque[float], repr=False)
    """When its latest errors happened, on the sandbox's clock."""
    held: asyncio.Event | None = field(default=None, repr=False)
    """Set once the event that is held back has been overtaken."""

    def wants(self, event_type: str) -> bool:
        """Whether it is registered for an event type."""
        return self.events is None or event_type in self.events


@dataclass(slots=True, eq=False)
class Delivery:
    """One event on its way to one webhook."""

    webhook: Webhook
    event_type: str
    event_id: str
    contact_id: int
    body: bytes
    time: float
    """When the event happened, in Unix seconds."""
    repeated: bool = False
    """It is the second delivery of the same event."""
    status: int | None = None
    """What was answered; None: nothing (yet)."""
    error: str | None = None
    """Why it failed, when it did."""
    seconds: float | None = None
    """How long the answer took; None: not finished."""

    @property
    def ok(self) -> bool:
        """Whether it was acknowledged."""
        return self.seconds is not None and self.error is None

    @property
    def event(self) -> dict[str, Any]:
        """The parsed body."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def signature(self) -> str:
        """Its X-Webhook-Signature."""
        return base64.b64encode(
            hmac.digest(self.webhook.key.encode(), self.body, "sha256")
        ).decode()


class Webhooks:
    """All webhooks of a sandbox's first organisation, and the record of what was sent."""

    def __init__(
        self,
        workspace: Workspace,
        lock: threading.RLock,
        events: list[Listener],
        *,
        seed: int,
        keep: int | None,
    ) -> None:
        self.budget = BUDGET
        """Seconds within which a delivery must be answered."""
        self.registered: list[Webhook] = []
        self.on_delivery: list[Callable[[Delivery], object]] = []
        """Called with every finished delivery, on the server's thread."""
        self._deliveries: deque[Delivery] = deque(maxlen=keep)
        self._workspace = workspace
        self._lock = lock
        self._events = events
        self._rng = random.Random(seed)  # noqa: S311 - which events are repeated, not secrets
        self._duplicated = self._reordered = 0.0
        self._longest_hold = 1.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._unfinished: set[Delivery] = set()
        self._orders = WeakValueDictionary[tuple[Webhook, int], asyncio.Lock]()
        """Keeps a contact's events in order on their way to a webhook."""
        self._tasks: set[asyncio.Task[None]] = set()

    def run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send on this loop from now on; what an earlier one left is forgotten."""
        self._loop = loop
        self._slots = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._unfinished.clear()
        self._orders.clear()
        for webhook in self.registered:
            webhook.held = None

    def add(self, url: str, events: Sequence[str] | None = None, key: str | None = None) -> Webhook:
        """Register a webhook; see `Sandbox.webhook`."""
        check_url(url)
        if events is not None and (
            isinstance(events, str) or not events or not set(events) <= set(bodies.EVENT_TYPES)
        ):
            raise ValueError(f"events must be some of {', '.join(bodies.EVENT_TYPES)}")
        if key is not None and not (key := key.strip()):
            raise ValueError("key must not be empty")
        with self._lock:
            if len(self.registered) >= MOST_WEBHOOKS:
                raise ValueError(f"a workspace has at most {MOST_WEBHOOKS} webhooks")
            webhook = Webhook(
                url, key or secrets.token_urlsafe(32), None if events is None else tuple(events)
            )
            self.registered.append(webhook)
            if self.publish not in self._events:
                self._events.append(self.publish)
        return webhook

    def remove(self, webhook: Webhook) -> None:
        """Send no further event to a webhook; those under way still arrive."""
        with self._lock:
            self.registered.remove(webhook)

    # Faults on demand

    def duplicate(self, rate: float) -> None:
        """Send this share of the events (0 to 1) a second time, under the same event_id."""
        self._duplicated = _share(rate)

    def reorder(self, rate: float, *, within: float = 1.0) -> None:
        """Hold back this share of the events (0 to 1) until a later one was sent to the same
        webhook, *within* seconds at most.
        """
        self._reordered, self._longest_hold = _share(rate), within

    def send(self, event_type: str, contact: Contact, **data: Any) -> None:
        """Send an event that nothing in the sandbox causes: call.ended, or a type that
        does not exist.
        """
        with self._lock:
            self.publish(WorkspaceEvent(event_type, contact, self._workspace.organisation_id, data))

    # The record

    @property
    def deliveries(self) -> list[Delivery]:
        """The latest deliveries, oldest event first, unfinished ones too."""
        with self._lock:
            return list(self._deliveries)

    @property
    def settled(self) -> bool:
        """Whether no delivery is under way."""
        with self._lock:
            return not self._unfinished

    async def wait_settled(self, timeout: float = 10.0) -> None:
        """Wait until every event so far has been delivered or has failed; TimeoutError after
        *timeout* seconds.
        """
        async with asyncio.timeout(timeout):
            while not self.settled:  # noqa: ASYNC110 - the server has a loop of its own
                await asyncio.sleep(0.005)

    # Sending

    def publish(self, event: WorkspaceEvent) -> None:
        """Send an event to those webhooks that want it.

        Called under the lock: the body is what holds at this moment.
        """
        wanting = [webhook for webhook in self.registered if webhook.wants(event.type)]
        if not wanting or event.organisation_id != self._workspace.organisation_id:
            return
        event_id, now = str(uuid.uuid4()), self._workspace.clock.wall()
        body = bodies.encode(event, event_id, self._workspace)
        for webhook in wanting:
            if webhook.enabled:
                self._start(Delivery(webhook, event.type, event_id, event.contact.id, body, now))
            else:
                webhook.missed += 1

    def _start(self, delivery: Delivery) -> None:
        self._deliveries.append(delivery)
        self._unfinished.add(delivery)
        with suppress(RuntimeError):  # that loop has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._queue, delivery)
                return
        self._finish(delivery, error="the sandbox is not running")

    def _queue(self, delivery: Delivery) -> None:
        """Give a delivery its place: behind the contact's last one, or, held back, behind the
        webhook's next.
        """
        webhook = delivery.webhook
        if webhook.held is None and self._rng.random() < self._reordered:
            webhook.held = asyncio.Event()
            task = asyncio.create_task(self._deliver_late(delivery, webhook.held))
        else:
            overtaken, webhook.held = webhook.held, None
            place = (webhook, delivery.contact_id)
            order = self._orders.setdefault(place, asyncio.Lock())
            task = asyncio.create_task(self._deliver_in_order(delivery, order, overtaken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver_late(self, delivery: Delivery, overtaken: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(overtaken.wait(), self._longest_hold)
        if delivery.webhook.held is overtaken:
            delivery.webhook.held = None
        await self._deliver(delivery, None)

    async def _deliver_in_order(
        self, delivery: Delivery, order: asyncio.Lock, overtaken: asyncio.Event | None
    ) -> None:
        async with order:
            await self._deliver(delivery, overtaken)

    async def _deliver(self, delivery: Delivery, overtaken: asyncio.Event | None) -> None:
        again = self._repeat_of(delivery)
        async with self._slots:
            await self._post(delivery)
        if overtaken is not None:
            overtaken.set()
        if again is not None:
            await self._post(again)

    def _repeat_of(self, delivery: Delivery) -> Delivery | None:
        if self._rng.random() >= self._duplicated:
            return None
        again = replace(delivery, repeated=True)
        with self._lock:
            self._deliveries.append(again)
            self._unfinished.add(again)
        return again

    async def _post(self, delivery: Delivery) -> None:
        began = time.monotonic()
        error: str | None = None
        headers = {"X-Webhook-Signature": delivery.signature, "User-Agent": "respondio-sandbox"}
        try:
            async with asyncio.timeout(self.budget):
                delivery.status = await post(delivery.webhook.url, delivery.body, headers)
            if not 200 <= delivery.status < 300:
                error = f"answered {delivery.status}"
        except TimeoutError:
            error = f"no answer within {self.budget:g} s"
        except ConnectionRefusedError:
            error = "connection refused"
        except OSError as failure:
            error = failure.strerror or "connection failed"
        self._finish(delivery, error=error, seconds=time.monotonic() - began)

    def _finish(self, delivery: Delivery, *, error: str | None, seconds: float = 0.0) -> None:
        with self._lock:
            delivery.error, delivery.seconds = error, seconds
            self._unfinished.discard(delivery)
            if error is not None:
                self._count_error(delivery.webhook)
        for listener in self.on_delivery:
            listener(delivery)

    def _count_error(self, webhook: Webhook) -> None:
        now = self._workspace.clock.now()
        webhook.errors.append(now)
        while webhook.errors[0] <= now - ERROR_SPAN:
            webhook.errors.popleft()
        if len(webhook.errors) >= MOST_ERRORS:
            webhook.enabled = False
            webhook.errors.clear()


def _share(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise ValueError("rate must be between 0 and 1")
    return rate
