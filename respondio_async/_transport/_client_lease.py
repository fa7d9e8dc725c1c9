"""A lease whose requests go through an `AsyncClient`, our own or the user's."""

from collections.abc import AsyncGenerator
from typing import Any, cast

from ._body import read_content
from ._pool import ConnectionLease, PoolT
from ._ports import Answer, RawHeaders
from ._surplus import connection_below, has_surplus, prevent_reuse


class ClientLease(ConnectionLease[PoolT]):
    """Sends by `AsyncClient.send`, so that whatever wraps it sees every request."""

    __slots__ = ("_redirect", "_traced")

    def __init__(self, pool: PoolT) -> None:
        super().__init__(pool)
        self._traced = False
        """A trace event came: a real connection carries the request, and no mock."""
        self._redirect: Answer | None = None

    async def _deliver(self, client: Any, built: Any) -> Answer:
        library = self.pool.library
        try:
            response = await client.send(built, stream=True, auth=None, follow_redirects=False)
        except library.HTTPStatusError as error:
            # A hook of the user called raise_for_status(): the server has answered all the same.
            return _already_read(error.response)
        except library.TransportError as error:
            if self._redirect is not None and isinstance(error, library.RemoteProtocolError):
                return self._redirect
            if not self._traced:
                # A mock plays the connection: only its error says how far the request had come.
                self.unsent = False
            raise
        self.status = response.status_code
        if response.is_stream_consumed or response.is_closed:  # by a hook
            connection = connection_below(response.stream)
            if connection is not None and has_surplus(connection):
                self.clean = False
                # Another call may hold it by now: an error is better than a wrong answer.
                await connection.aclose()
            return _already_read(response)
        try:
            return await self._read(response)
        except BaseException:
            await response.aclose()
            raise

    async def _read(self, response: Any) -> Answer:
        """Read *response* and close it, and its connection if more has come."""
        chunks = cast("AsyncGenerator[bytes]", response.stream.__aiter__())
        try:
            answer = await read_content(response.status_code, response.headers.raw, chunks)
        finally:
            await chunks.aclose()
        connection = connection_below(response.stream)
        if connection is not None and has_surplus(connection):
            self.clean = False
            prevent_reuse(connection)  # now: once it is closed, another request may have it
        await response.stream.aclose()
        return answer

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Follow what httpcore does: its extension "trace"."""
        self._traced = True
        if event == "connection.connect_tcp.started":
            self.unsent = True
        elif (
            event.endswith(".send_request_headers.started") and info["request"].method != b"CONNECT"
        ):
            self.mark_sent()
        elif event == "http11.receive_response_headers.complete":
            _, status, _, headers = info["return_value"][:4]
            self.keep_redirect(status, headers)

    def keep_redirect(self, status: int, headers: RawHeaders) -> None:
        """Remember the head of a redirect: httpx parses its Location even if told not to follow it,
        and fails where that is malformed.
        """
        if 300 <= status < 400:
            self._redirect = Answer(status, _in_lower_case(headers), b"")


def _already_read(response: Any) -> Answer:
    try:
        content: bytes = response.content
    except RuntimeError:  # ResponseNotRead, which a hook has closed
        content = b""
    return Answer(response.status_code, _in_lower_case(response.headers.raw), content)


def _in_lower_case(headers: RawHeaders) -> RawHeaders:
    return [(name.lower(), value) for name, value in headers]
