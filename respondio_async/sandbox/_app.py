"""The ASGI application: what happens to a request, in order.

1. the way in: a random delay of up to `jitter` seconds, before anything is counted, as a network
   would add;
2. the edge: PATCH, and any Authorization that does not begin with "Bearer ", get its 403, which is
   not JSON;
3. token, path and limit: 401, 404, 405, 429;
4. a fault, if a rule strikes;
5. the operation: its effect is there from this moment on;
6. the way out: `latency` seconds, then the answer, refusals included.
"""

import asyncio
import json
import logging
import random
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.client import responses
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from ._call import EdgeBlock, Problem, RequestContext, parse_body
from .faults import Fault
from .operations import exists, match
from .organisation import Organisation
from .quirks import Quirks
from .record import AccessLog, Arrival
from .workspace import Clock

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

BASE: Final = "/v2"
_LARGEST_BODY: Final = 1_048_576
_BLOCKED: Final = (
    b"<html><head><title>403 Forbidden</title></head><body><h1>Request blocked</h1></body></html>"
)
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing then sends a reset."""

_PHRASES: Final = {**responses, 449: "Retry With"}

_logger = logging.getLogger("respondio_async.sandbox")


@dataclass(slots=True)
class ServerResponse:
    """What goes back."""

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content_type: bytes = b"application/json; charset=utf-8"


def json_answer(status: int, value: Any, headers: dict[str, str] | None = None) -> ServerResponse:
    try:
        content = msgspec.json.encode(value)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        # Half a surrogate pair, which JSON may carry and UTF-8 may not: escaped, as the vendor's
        # server does.
        content = json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()
    return ServerResponse(status, content, headers or {})


@dataclass(slots=True)
class _Exchange:
    """One request, and the connection that it came by."""

    arrival: Arrival
    scope: Scope
    receive: Receive
    send: Send


class App:
    """The server side of a sandbox. Everything that a request touches is touched under `lock`."""

    def __init__(
        self,
        *,
        clock: Clock,
        quirks: Quirks,
        keep: int | None,
        latency: float,
        jitter: float,
        seed: int,
    ) -> None:
        self.clock = clock
        self.quirks = quirks
        self.latency = latency
        self.jitter = jitter
        self.record: AccessLog = AccessLog(keep)
        self.faults: list[Fault] = []
        self.by_token: dict[str, Organisation] = {}
        self.mounts: list[tuple[str, ASGIApp]] = []
        """Other applications on the same server, by path prefix."""
        self.on_request: list[Callable[[Arrival], object]] = []
        """Called with every request once it was answered, on the server's thread."""
        self.lock: threading.RLock = threading.RLock()
        self._rng = random.Random(seed)  # noqa: S311 - delays, not secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        for prefix, app in self.mounts:
            if path == prefix or path.startswith(prefix.rstrip("/") + "/"):
                await app({**scope, "root_path": prefix.rstrip("/")}, receive, send)
                return
        try:
            await self._serve(scope, receive, send)
        except asyncio.CancelledError:
            # The sandbox is closing, and the connection with it.
            return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = await _read(receive)
        if self.jitter > 0:
            await asyncio.sleep(self._rng.uniform(0, self.jitter))
        arrival = self._arrival(scope, content)
        exchange = _Exchange(arrival, scope, receive, send)
        try:
            answer = await self._answer(exchange)
            if answer is not None:
                if self.latency > 0:
                    await asyncio.sleep(self.latency)
                await self._send(exchange, answer, answer.content)
        finally:
            for watcher in self.on_request:
                watcher(arrival)

    async def _answer(self, exchange: _Exchange) -> ServerResponse | None:
        """What goes back; None: the connection needs no answer any more."""
        arrival = exchange.arrival
        with self.lock:
            try:
                work = self._admit(arrival, exchange.scope)
            except Problem as problem:
                return self._error(problem)
            fault = next((each for each in self.faults if each.strikes(arrival, self._rng)), None)
            if fault is None:
                return work()
        arrival.fault = fault.kind
        return await self._inject(fault, exchange, work)

    async def _send(
        self, exchange: _Exchange, answer: ServerResponse, body: bytes, *, more: bool = False
    ) -> None:
        """Send an answer with the first part of its body, or all of it."""
        exchange.arrival.status = answer.status
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(answer.content)),
            (b"date", formatdate(self.clock.wall(), usegmt=True).encode()),
        ]
        headers += [(name.lower().encode(), text.encode()) for name, text in answer.headers.items()]
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await exchange.send(start)
        await exchange.send({"type": "http.response.body", "body": body, "more_body": more})

    def _arrival(self, scope: Scope, content: bytes) -> Arrival:
        raw: str = scope["raw_path"].decode("latin-1")
        query: bytes = scope["query_string"]
        return Arrival(
            number=0,
            time=self.clock.wall(),
            at=self.clock.now(),
            method=scope["method"],
            path=raw.removeprefix(BASE) if raw.startswith(BASE + "/") else raw,
            template="",
            route="",
            query=dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)),
            headers={
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            },
            content=content,
        )

    def _admit(self, arrival: Arrival, scope: Scope) -> Callable[[], ServerResponse]:
        """Record a request and return the work that it asks for; Problem when it may not pass."""
        token = arrival.headers.pop("authorization", None)
        is_below_base = scope["raw_path"].startswith(b"/v2/")
        found = match(arrival.method, arrival.path) if is_below_base else None
        if found is not None:
            arrival.template, arrival.route = found[0].template, found[0].bucket
        counts = self.record.add(arrival)
        try:
            organisation = self._authenticate(arrival, token)
            if len(arrival.content) > _LARGEST_BODY:
                raise Problem(413, "Payload Too Large")
            if found is None:
                if is_below_base and exists(arrival.path):
                    raise Problem(405, "Method Not Allowed")
                raise Problem(404, "Not Found")
            verdict = organisation.meter.check(arrival.route, arrival.at)
            arrival.refused = verdict.refused
            if verdict.refused:
                raise Problem(429, "Too Many Requests", verdict.headers)
        finally:
            counts.count(arrival.at, refused=arrival.refused)
        route, params = found

        def work() -> ServerResponse:
            call = RequestContext(arrival, params, organisation.workspace)
            answer = self._run(route.handler, call)
            answer.headers = {**verdict.headers, **answer.headers}
            if arrival.processed:
                counts.processed += 1
            return answer

        return work

    def _authenticate(self, arrival: Arrival, token: str | None) -> Organisation:
        # "Bearer" alone is what is left of an empty token: HTTP takes the blank at the end away.
        scheme, _, key = (token or "").partition(" ")
        if arrival.method == "PATCH" or scheme != "Bearer":
            raise EdgeBlock(403, "Request blocked")
        organisation = self.by_token.get(key.strip())
        if organisation is None:
            raise Problem(401, "Token not found")
        arrival.organisation_id = organisation.id
        if self.quirks.plan_forbids_api:
            raise Problem(403, "Your plan does not include the Developer API")
        return organisation

    def _run(
        self, handler: Callable[[RequestContext], dict[str, Any]], call: RequestContext
    ) -> ServerResponse:
        arrival = call.arrival
        try:
            call.body = parse_body(arrival.content)
            value = handler(call)
        except Problem as problem:
            return self._error(problem)
        except Exception:
            # A bug of the sandbox: say so where a test's log shows it, and answer as the vendor's
            # server would.
            _logger.exception("the sandbox failed on %s", arrival.template)
            return self._error(Problem(500, "Unexpected error occurred"))
        arrival.processed = True
        # An answer that has a code repeats the status in it.
        return json_answer(value.get("code", 200), value)

    def _error(self, problem: Problem) -> ServerResponse:
        if isinstance(problem, EdgeBlock):
            return ServerResponse(403, _BLOCKED, content_type=b"text/html")
        envelope: dict[str, Any] = {"code": problem.status, "message": problem.message}
        if problem.status == 401:
            envelope["status"] = "AuthorizationError"
        elif self.quirks.named_errors:
            name = _PHRASES.get(problem.status, "Unknown").replace(" ", "")
            envelope["status"] = f"{name.removesuffix('Error')}Error"
        return json_answer(problem.status, envelope, problem.headers)

    async def _inject(
        self, fault: Fault, exchange: _Exchange, work: Callable[[], ServerResponse]
    ) -> ServerResponse | None:
        """Apply the fault, and return the answer to give; None: the connection needs none."""
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        answer: ServerResponse | None = None
        if fault.processed or fault.kind in ("reset_after", "torn", "slow", "delay"):
            with self.lock:
                answer = work()
        transport: asyncio.Transport = exchange.scope["state"]["transport"]
        match fault.kind:
            case "status":
                headers = (
                    {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                )
                return self._error(Problem(fault.status, fault.message, headers))
            case "edge":
                return self._error(EdgeBlock(403, "Request blocked"))
            case "slow" if answer is not None:
                await self._trickle(exchange, answer, fault.seconds)
                return None
            case "torn" if answer is not None:
                half = answer.content[: len(answer.content) // 2]
                await self._send(exchange, answer, half, more=True)
                transport.close()
            case "reset" | "reset_after":
                sock: socket.socket = transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                transport.abort()
            case "close":
                transport.close()
            case "hang":
                pass
            case _:
                return answer
        await exchange.receive()  # until the connection is closed: nothing else can arrive
        return None

    async def _trickle(self, exchange: _Exchange, answer: ServerResponse, seconds: float) -> None:
        """Send the body in about ten pieces over *seconds*."""
        content = answer.content
        size = len(content) // 10 + 1
        await self._send(exchange, answer, b"", more=True)
        for start in range(0, len(content), size):
            await asyncio.sleep(seconds * size / len(content))
            piece = content[start : start + size]
            is_last = start + size >= len(content)
            await exchange.send(
                {"type": "http.response.body", "body": piece, "more_body": not is_last}
            )


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
