"""A client that the user made: httpx's or httpx2's, with whatever transport below.

It is not ours to rebuild, and the released httpx loses places of its pool when a request is
cancelled. So every request runs in a task of its own, which no cancelled caller and no timeout of
ours reaches: the caller leaves at once, the task ends by the library's own timeouts, and its place
in line is free only then.
"""

import asyncio
from types import ModuleType
from typing import Any, Final

from ..errors import ConfigurationError
from . import _failures
from ._address import Address
from ._body import read_answer
from ._pool import Lent, Pool
from ._seam import Answer, RawHeaders, Request
from ._surplus import connection_below, has_surplus

ABANDONED: Final = 30.0
"""Seconds after which a request whose caller has left is cancelled after all."""


class Loan(Lent):
    """One request through a borrowed client."""

    __slots__ = ("_left", "_owner", "_redirect", "_task")

    def __init__(self, owner: "BorrowedPool") -> None:
        super().__init__()
        self._owner = owner
        self._task: asyncio.Task[Answer] | None = None
        self._redirect: Answer | None = None
        self._left = False
        """The caller has gone.

        What had not been sent by then must not be sent after: the caller was told so, and may
        repeat it.
        """

    @property
    def _pool(self) -> "BorrowedPool":
        return self._owner

    async def _exchange(self, request: Request, timeout: float | None, phases: Any) -> Answer:
        if phases is None:
            bounds = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
        else:
            bounds = {
                "connect": phases.connect,
                "read": phases.read,
                "write": phases.write,
                "pool": phases.pool,
            }
        built = self._owner.requests.plain(request, {"timeout": bounds, "trace": self._trace})
        task = self._task = asyncio.get_running_loop().create_task(self._deliver(built))
        try:
            await asyncio.wait((task,))
        except BaseException:
            self._left = True
            raise
        return task.result()

    async def _deliver(self, built: Any) -> Answer:
        library = self._owner.library
        try:
            response = await self._owner.client.send(
                built, stream=True, auth=None, follow_redirects=False
            )
        except library.HTTPStatusError as error:
            # The user's own hook called raise_for_status(): the server has answered all the same.
            return _already_read(error.response)
        except library.RemoteProtocolError:
            if self._redirect is None:
                raise
            return self._redirect
        self.status = response.status_code
        if response.is_stream_consumed or response.is_closed:  # by a hook
            connection = connection_below(response.stream)
            if connection is not None and has_surplus(connection):
                self.clean = False
                await connection.aclose()  # whoever has it by now is better off with an error
            return _already_read(response)
        try:
            answer, self.clean = await read_answer(response)
            return answer
        finally:
            await response.aclose()

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.unsent = True
        elif (
            event.endswith(".send_request_headers.started") and info["request"].method != b"CONNECT"
        ):
            if self._left:
                raise _failures.closed(sent=False)
            self.leaves()
        elif event == "http11.receive_response_headers.complete":
            _, status, _, headers = info["return_value"][:4]
            if 300 <= status < 400:
                # httpx parses the Location of a redirect even if told not to follow it, and fails
                # where that is malformed.
                self._redirect = Answer(status, _in_lower_case(headers), b"")

    def release(self) -> None:
        self._owner.discarded += self.broken
        if self._task is None or self._task.done():
            if self._task is not None and not self._task.cancelled():
                self._task.exception()  # it may have ended just as its caller was leaving
            self._owner.put_back(self)
        else:
            self._owner.let_go(self, self._task)


class BorrowedPool(Pool[Loan]):
    """Lends places in front of a client that is not ours."""

    def __init__(self, library: ModuleType, address: Address, size: int, client: Any) -> None:
        super().__init__(library, address, size)
        self.client = client
        self._abandoned: set[asyncio.Task[Answer]] = set()

    async def _lend(self) -> Loan:
        if self.client.is_closed:
            raise ConfigurationError("the http_client that this client was given has been closed")
        return Loan(self)

    def let_go(self, loan: Loan, task: "asyncio.Task[Answer]") -> None:
        """Free the place of *loan* once *task* has ended by itself."""
        end = self.loop.call_later(ABANDONED, task.cancel)
        self._abandoned.add(task)

        def ended(task: "asyncio.Task[Answer]") -> None:
            end.cancel()
            self._abandoned.discard(task)
            if not task.cancelled():
                task.exception()  # nobody else will ask
            self.put_back(loan)

        task.add_done_callback(ended)

    def _count_open(self) -> int:
        return len(self._busy)  # what the client itself keeps is not for us to know

    async def _close(self) -> None:
        for task in self._abandoned:
            task.cancel()
        if self._abandoned:
            await asyncio.wait(self._abandoned)


def _already_read(response: Any) -> Answer:
    try:
        content: bytes = response.content
    except RuntimeError:  # ResponseNotRead, which a hook has closed
        content = b""
    return Answer(response.status_code, _in_lower_case(response.headers.raw), content)


def _in_lower_case(headers: RawHeaders) -> RawHeaders:
    return [(name.lower(), value) for name, value in headers]
