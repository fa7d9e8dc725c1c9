"""The engine's ports, scripted: a transport that plays its steps, and a limiter that grants every
permit at once.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from respondio_async import AsyncRespond, Feedback, RouteStatistics
from respondio_async._transport import Answer, PoolStatistics, Request, SendError

Step = Answer | SendError | BaseException | Callable[[Request], Any]


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Answer:
    """An answer; header names are written with underscores."""
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Answer(status, [(b"content-type", b"application/json"), *pairs], body)


def error_answer(status: int, message: str = "no", **headers: str) -> Answer:
    """An error in the server's envelope."""
    return answer(status, b'{"code": %d, "message": "%s"}' % (status, message.encode()), **headers)


UNSENT = SendError("no connection", failure="connect", sent=False)
LOST = SendError("the connection broke", failure="reset", sent=True)
TIMED_OUT = SendError("no answer in time", failure="timeout", sent=True)


class ScriptedTransport:
    """Plays its steps in order; the last one repeats."""

    left_at: float | None = None

    def __init__(self, *steps: Step, seconds: float = 0.0) -> None:
        self.steps: list[Step] = list(steps)
        self.seconds = seconds
        """How long each request takes, or until its timeout."""
        self.requests: list[Request] = []
        self.timeouts: list[float | None] = []
        self.phases: list[Any] = []
        self.times: list[float] = []
        self.leased = 0
        self.closed = False

    async def acquire(self) -> "ScriptedTransport":
        if self.closed:
            raise SendError("the client is closed", failure="closed", sent=False)
        self.leased += 1
        return self

    def release(self) -> None:
        self.leased -= 1

    async def send(self, request: Request, *, timeout: float | None, phases: Any = None) -> Answer:
        self.requests.append(request)
        self.timeouts.append(timeout)
        self.phases.append(phases)
        self.times.append(asyncio.get_running_loop().time())
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if self.seconds:
            await asyncio.sleep(self.seconds if timeout is None else min(self.seconds, timeout))
            if timeout is not None and timeout < self.seconds:
                raise SendError("no answer in time", failure="timeout", sent=True)
        if callable(step) and not isinstance(step, BaseException):
            step = step(request)
        if isinstance(step, SendError):
            # A fresh one each time: a traceback grows on an exception that is raised twice.
            raise SendError(str(step), failure=step.failure, sent=step.sent, status=step.status)
        if isinstance(step, BaseException):
            raise step
        return step

    def statistics(self) -> PoolStatistics:
        return PoolStatistics(1, self.leased, 0, 1, 0)

    async def aclose(self) -> None:
        self.closed = True


class OpenReservation:
    """A reservation that is granted at once."""

    def __init__(self, route: str) -> None:
        self.route = route

    async def permit(self, *, max_wait: float | None = None) -> bool:
        return True

    async def wait_until_near(self) -> None: ...

    def abandon(self) -> None: ...


class OpenLimiter:
    """Grants every permit at once, and records what it was asked and given."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.updates: list[Feedback] = []

    async def reserve(self, route: str, **options: Any) -> OpenReservation:
        self.asked.append({"route": route, **options})
        return OpenReservation(route)

    def update(self, reservation: Any, feedback: Feedback) -> None:
        self.updates.append(feedback)

    def statistics(self) -> Mapping[str, RouteStatistics]:
        return {}


class ScriptedClient(AsyncRespond):
    """A client that sends through *transport*. Nothing real is open, so nothing needs to be
    closed.
    """

    def __init__(self, transport: ScriptedTransport, **options: Any) -> None:
        self._given = transport
        super().__init__(**options)

    def _open_transport(self, **_: Any) -> Any:
        return self._given

    def __del__(self) -> None: ...


def scripted(
    *steps: Step, seconds: float = 0.0, **options: Any
) -> tuple[AsyncRespond, ScriptedTransport, OpenLimiter]:
    """A client whose neighbours are scripted."""
    transport = ScriptedTransport(*steps, seconds=seconds)
    options = {"token": "canary-token", "limiter": OpenLimiter(), **options}
    return ScriptedClient(transport, **options), transport, options["limiter"]


def pages(*bodies: bytes) -> Iterable[Answer]:
    """Answers with these bodies."""
    return [answer(200, body) for body in bodies]
