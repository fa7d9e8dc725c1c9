"""What a server sent beyond its answer.

HTTP/1.1 pairs answers with requests by their order alone, so surplus bytes would be read as the
answer to the next request on the connection: one customer's contact in place of another's. httpcore
keeps them in the state of its parser and in the buffers of anyio's streams, and looks at neither;
what arrives later stays in the socket, which it does look at before a connection is used again.

Nothing public shows these buffers, so attributes of httpcore, httpcore2 and anyio are read here and
nowhere else; `tests/transport/test_surplus.py` fails where a release has moved them.
"""

# ruff: noqa: SLF001
import select
import socket
from typing import Any


def connection_below(stream: Any) -> Any:
    """Return httpcore's HTTP/1.1 connection that carries the *stream* of a response.

    None: something else carries it (HTTP/2, a mock).
    """
    while stream is not None:
        connection = getattr(stream, "_connection", None)
        if connection is not None:
            return connection if hasattr(connection, "_h11_state") else None
        stream = getattr(stream, "_httpcore_stream", None) or getattr(stream, "_stream", None)
    return None


def has_surplus(connection: Any) -> bool:
    """Tell whether bytes have been read from *connection* that belong to no answer."""
    if connection._h11_state.trailing_data[0]:
        return True
    stream: Any = getattr(connection._network_stream, "_stream", None)
    while hasattr(stream, "transport_stream"):  # TLS
        if stream._read_bio.pending or stream._ssl_object.pending():
            return True
        stream = stream.transport_stream
    return bool(getattr(getattr(stream, "_protocol", None), "read_queue", None))


def prevent_reuse(connection: Any) -> None:
    """See to it that *connection* is closed and not kept when its response is closed."""
    connection._h11_state.send_failed()


def is_readable(sock: socket.socket | None) -> bool:
    """Tell whether something waits in *sock*, or it is closed."""
    if sock is None or sock.fileno() < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])  # pragma: no cover - Windows
