"""The sandbox itself: organisations, switches and the record around one server."""

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from ._app import BASE, App, ASGIApp, Receive, Scope, Send
from ._seed import seed_contacts, seed_space
from ._thread import ServerThread, on_loop
from .customers import Customer
from .delivery import last_channel, receive, send
from .faults import KINDS, Fault, FaultKind
from .limits import Meter
from .operations import ROUTES
from .organisation import MOST_TOKENS, Organisation
from .quirks import Answers, Quirks
from .record import Arrival, Duplicate, RouteRecord, done, duplicates
from .state import Contact, Message
from .webhooks import Webhook, Webhooks
from .windows import WINDOWS, WindowFactory
from .workspace import Clock, Listener, Workspace

if TYPE_CHECKING:
    from .inbox import Inbox

__all__ = ["Sandbox", "WindowName"]

WindowName = Literal[
    "sliding", "sliding_counting", "sliding_counter", "fixed", "fixed_first_hit", "bucket", "gcra"
]

_LOOPBACK: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a look-up
"""How a sandbox that listens on every address is reached from this machine."""
_VENDOR: Final[Mapping[str, float]] = MappingProxyType({})
_PATHS: Final = frozenset(
    text for route in ROUTES for text in (route.path, route.template, route.bucket)
)


class Sandbox:
    """A stand-in for respond.io on a loopback socket: stateful, as strict as the server and as odd.

    `async with Sandbox() as sandbox:` or `with Sandbox() as sandbox:`, then give `sandbox.url` and
    `sandbox.token` to a client. It runs in a thread of its own. Everything may be switched while it
    runs: `sandbox.quirks.list_lag = 0`.

    * *contacts*: how many made-up contacts there are, each with *messages* old messages.
    * *limits*: None enforces nothing; a mapping overrides routes of the vendor's table
      (`VENDOR_LIMITS`), which
      *limits_factor* multiplies.
    * *window*: how requests are counted, a name or a function from a limit to a window
      (`windows.TokenBucket`, …).
    * *latency*: seconds between a request's effect and its answer. *jitter*: up to so many seconds
      before it is counted, at random.
    * *quirks*, *answers*: the server's habits, and its answers to what the documentation leaves
      open.
    * *delivery*: seconds after which a message is sent, delivered and read; None: never.
    * *tokens*: how many the first organisation has, 1 to 10.
    * *keep*: how many of the latest requests stay in `requests`; None keeps all.
    """

    def __init__(
        self,
        *,
        contacts: int = 0,
        messages: int = 0,
        limits: Mapping[str, float] | None = _VENDOR,
        limits_factor: float = 1.0,
        window: WindowName | WindowFactory = "sliding",
        latency: float = 0.0,
        jitter: float = 0.0,
        quirks: Quirks | None = None,
        answers: Answers | None = None,
        delivery: tuple[float, float | None, float | None] = (0.1, 0.5, 2.0),
        tokens: int = 1,
        keep: int | None = 100_000,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
    ) -> None:
        self.clock: Clock = Clock()
        self.quirks: Quirks = quirks or Quirks()
        self.answers: Answers = answers or Answers()
        self.on_event: list[Listener] = []
        """Called with every `WorkspaceEvent`, under the sandbox's lock, on the thread that caused
        it: a request's is the server's.
        """
        self.organisations: list[Organisation] = []
        self._limits = limits
        self._factor = limits_factor
        self._window: WindowFactory = WINDOWS[window] if isinstance(window, str) else window
        self._delivery = delivery
        self._seed = seed
        self._host = host
        self._port = port
        self._app = App(
            clock=self.clock,
            quirks=self.quirks,
            keep=keep,
            latency=latency,
            jitter=jitter,
            seed=seed,
        )
        self._thread: ServerThread | None = None
        self.add_organisation(contacts=contacts, messages=messages, tokens=tokens)
        self.webhooks: Webhooks = Webhooks(
            self.state, self._app.lock, self.on_event, seed=seed, keep=keep
        )
        self._inbox: Inbox | None = None
        self._app.mounts.append(("/inbox", self._serve_inbox))

    def __repr__(self) -> str:
        return f"<Sandbox {self.url}>" if self._thread is not None else "<Sandbox, not running>"

    # Running

    async def __aenter__(self) -> Self:
        with self._launch() as thread:
            self._port = await asyncio.wrap_future(thread.started)
        return self

    async def __aexit__(self, *_: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()
            # The end of a thread can't be awaited; it takes a few milliseconds.
            while not thread.ended:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving; returns once requests are answered.

        On the same port again when it served before.
        """
        with self._launch() as thread:
            self._port = thread.started.result()

    def stop(self) -> None:
        """Stop serving: open connections are cut. What it holds can still be read."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()
            thread.join()

    @contextmanager
    def _launch(self) -> Generator[ServerThread]:
        if self._thread is not None:
            raise RuntimeError("the sandbox is running already")
        thread = self._thread = ServerThread(self._app, host=self._host, port=self._port)
        self.webhooks.run_on(thread.loop)
        try:
            yield thread
        except BaseException:
            self._thread = None
            thread.stop()
            raise

    @property
    def url(self) -> str:
        """The base URL for clients on this machine."""
        if self._port == 0:
            raise RuntimeError("the sandbox is not running: `async with Sandbox() as sandbox`")
        host = _LOOPBACK.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}{BASE}"

    @property
    def inbox_url(self) -> str:
        """A page for a browser on this machine: write as a customer, and watch the bot, the events
        and the API calls.
        """
        return f"{self.root_url}/inbox"

    @property
    def root_url(self) -> str:
        """Where applications are mounted."""
        return self.url.removesuffix(BASE)

    async def _serve_inbox(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Made when it is first looked at, and costs nothing before.
        if self._inbox is None:
            from .inbox import Inbox

            self._inbox = Inbox(self._app, self.state, self.on_event, self.webhooks)
        await self._inbox(scope, receive, send)

    def mount(self, prefix: str, app: ASGIApp) -> None:
        """Serve another ASGI application below `root_url`, outside of the API, its tokens and its
        limits; the latest comes first. It runs on the event loop that mounts it, where a bot's
        client is at home; without a running one, on the sandbox's.
        """
        with suppress(RuntimeError):  # there is no running loop
            app = on_loop(app, asyncio.get_running_loop())
        self._app.mounts.insert(0, (prefix, app))

    # Organisations and tokens

    @property
    def token(self) -> str:
        """The first organisation's first token."""
        return self.organisations[0].tokens[0]

    @property
    def tokens(self) -> list[str]:
        """The first organisation's tokens."""
        return list(self.organisations[0].tokens)

    def add_organisation(self, *, contacts: int = 0, messages: int = 0, tokens: int = 1) -> str:
        """Add an organisation with its own workspace and its own limits; its token."""
        if not 1 <= tokens <= MOST_TOKENS:
            raise ValueError(f"tokens must be 1 to {MOST_TOKENS}")
        number = 7_001 + len(self.organisations)
        workspace = Workspace(
            organisation_id=number,
            clock=self.clock,
            quirks=self.quirks,
            answers=self.answers,
            delivery=self._delivery,
            listeners=self.on_event,
            seed=self._seed + number,
        )
        meter = Meter(
            self._limits,
            factor=self._factor,
            window=self._window,
            clock=self.clock,
            quirks=self.quirks,
        )
        organisation = Organisation(number, workspace, meter)
        seed_space(workspace)
        seed_contacts(workspace, contacts, messages=messages)
        with self._app.lock:
            self.organisations.append(organisation)
            for _ in range(tokens):
                self._app.by_token[organisation.add_token()] = organisation
        return organisation.tokens[0]

    def organisation(self, token: str) -> Organisation:
        """The organisation of a token."""
        return self._app.by_token[token]

    def add_token(self, organisation: Organisation | None = None) -> str:
        """Make another token for an organisation (None: the first)."""
        owner = organisation or self.organisations[0]
        with self._app.lock:
            token = owner.add_token()
            self._app.by_token[token] = owner
        return token

    def revoke(self, token: str) -> None:
        """From now on the token answers 401."""
        with self._app.lock:
            self._app.by_token.pop(token).tokens.remove(token)

    # The state

    @property
    def state(self) -> Workspace:
        """The first organisation's workspace."""
        return self.organisations[0].workspace

    def contact(self, identifier: int | str) -> Contact:
        """A contact of the first organisation by id, phone ("+60…") or email; KeyError without
        one.
        """
        with self._app.lock:
            contact = self.state.contact(identifier)
        if contact is None:
            raise KeyError("no such contact")
        return contact

    @property
    def contacts(self) -> list[Contact]:
        """The first organisation's contacts, oldest first."""
        with self._app.lock:
            return list(self.state.contacts.values())

    def add_contacts(self, count: int, *, messages: int = 0) -> list[Contact]:
        """Add made-up contacts to the first organisation, created over the last year and listed at
        once.
        """
        with self._app.lock:
            return seed_contacts(self.state, count, messages=messages)

    def receive_message(
        self,
        contact: Contact | int | str,
        text: str | Mapping[str, Any],
        *,
        channel_id: int | None = None,
    ) -> Message:
        """Let a customer of the first organisation write: a text, or a whole message object; on the
        last channel unless told which.
        """
        content = {"type": "text", "text": text} if isinstance(text, str) else dict(text)
        with self._app.lock:
            sender = contact if isinstance(contact, Contact) else self.contact(contact)
            return receive(
                self.state,
                sender,
                content,
                None if channel_id is None else self.state.channels[channel_id],
            )

    def send_message(
        self,
        contact: Contact | int | str,
        text: str | Mapping[str, Any],
        *,
        source: str = "user",
        user_id: int | None = None,
        channel_id: int | None = None,
    ) -> Message:
        """Let somebody other than a client write to a contact of the first organisation: a person
        in respond.io ("user", the workspace's first unless *user_id* says whom) or in the channel's
        own app ("echo"), or a "workflow", "broadcast", …; on the last channel unless told which.
        """
        content = {"type": "text", "text": text} if isinstance(text, str) else dict(text)
        with self._app.lock:
            receiver = contact if isinstance(contact, Contact) else self.contact(contact)
            channel = self.state.channels[channel_id] if channel_id else last_channel(receiver)
            sender: dict[str, Any] = {"source": source}
            if source == "user":
                sender["userId"] = next(iter(self.state.users)) if user_id is None else user_id
            channel = channel or next(iter(self.state.channels.values()))
            return send(self.state, receiver, content, channel, sender)

    def customer(
        self, identifier: int | str, *, name: str | None = None, channel: int | str | None = None
    ) -> Customer:
        """Play a customer of the first organisation: `sandbox.customer("+60123456789").says("hi")`.

        *channel*: id or source.
        """
        return Customer(self.state, self._app.lock, identifier, name=name, channel=channel)

    def webhook(
        self, url: str, events: Sequence[str] | None = None, key: str | None = None
    ) -> Webhook:
        """Register a webhook of the first organisation.

        None: all events; a new signing key (`.key`).
        """
        return self.webhooks.add(url, events, key)

    def fail_messages(
        self,
        when: Callable[[Contact, dict[str, Any]], bool] = lambda _contact, _message: True,
        *,
        reason: str = "Message undeliverable",
    ) -> None:
        """Let messages to the first organisation's contacts fail after they were accepted; *when*
        sees contact and message.
        """
        with self._app.lock:
            self.state.failing.append((when, reason))

    def advance(self, seconds: float) -> None:
        """Let time pass at once: lags end, message statuses move, windows open."""
        self.clock.advance(seconds)

    # Limits, delays, faults

    def set_limit(self, route: str, limit: float) -> None:
        """Enforce another limit on a route of the first organisation, as after a negotiation."""
        with self._app.lock:
            self.organisations[0].meter.set_limit(route, limit)

    @property
    def limits(self) -> Mapping[str, float]:
        """What is enforced on the first organisation: requests a second, by route."""
        return self.organisations[0].meter.limits

    @property
    def latency(self) -> float:
        return self._app.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._app.latency = seconds

    @property
    def jitter(self) -> float:
        return self._app.jitter

    @jitter.setter
    def jitter(self, seconds: float) -> None:
        self._app.jitter = seconds

    def fault(
        self,
        kind: FaultKind = "status",
        *,
        method: str | None = None,
        path: str | None = None,
        when: Callable[[Arrival], bool] | None = None,
        status: int = 503,
        message: str = "Unexpected error occurred",
        retry_after: int | str | None = None,
        seconds: float = 0.1,
        processed: bool = False,
        times: int | None = None,
        after: int = 0,
        probability: float = 1.0,
    ) -> Fault:
        """Make requests fail from now on; see `FaultKind` for the ways. The newest rule comes last;
        the first that fits strikes.

        *path* is a template, an operation or a route; one that the API does not have is a
        ValueError.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind of fault {kind!r}")
        if path is not None and path not in _PATHS:
            raise ValueError(
                f"no operation has the path {path!r}; paths are templates such as "
                f"'/contact/{{identifier}}/tag'"
            )
        fault = Fault(
            kind=kind, method=method, path=path, when=when, status=status, message=message,
            retry_after=retry_after,
            seconds=seconds, processed=processed, times=times, after=after, probability=probability,
        )  # fmt: skip
        with self._app.lock:
            self._app.faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Remove all rules of faults."""
        with self._app.lock:
            self._app.faults.clear()

    # The record

    @property
    def requests(self) -> list[Arrival]:
        """The latest requests, oldest first."""
        with self._app.lock:
            return list(self._app.record.arrivals)

    @property
    def routes(self) -> Mapping[str, RouteRecord]:
        """Counts by route, of the whole run; requests that fit no operation are under ""."""
        with self._app.lock:
            return dict(self._app.record.routes)

    def count(self, route: str | None = None) -> int:
        """How many requests arrived, on a route or in all."""
        with self._app.lock:
            record = self._app.record
            return record.total if route is None else record.route(route).arrived

    @property
    def refusals(self) -> int:
        """How many requests the limits refused."""
        return sum(route.refused for route in self.routes.values())

    def rates(self, route: str) -> int:
        """The most requests that arrived on a route in any one second, refused ones too."""
        with self._app.lock:
            return self._app.record.route(route).most_in_a_second

    @property
    def sent_messages(self) -> list[Message]:
        """Every message that was accepted from a client, in all organisations, oldest first."""
        with self._app.lock:
            sent = [
                message
                for organisation in self.organisations
                for message in organisation.workspace.sent
            ]
        return sorted(sent, key=lambda message: message.id)

    def duplicates(self) -> list[Duplicate]:
        """Messages and comments that were accepted more than once for the same contact with the
        same content.
        """
        with self._app.lock:
            return list(duplicates(done(self.organisations)))

    def forget(self) -> None:
        """Clear the record of requests; the state stays."""
        with self._app.lock:
            self._app.record.clear()
