"""Ports for servers that must know theirs before they listen, or come back to it."""

import itertools
import os
import socket

FIRST, LAST = 15_000, 30_000
"""Below the range from which systems take the ports of outgoing connections: a port that is free
now, or between a server's death and its return, is taken by nobody who did not ask for its number.
"""

_next = itertools.cycle(range(FIRST, LAST))
for _ in range(os.getpid() * 37 % (LAST - FIRST)):  # each worker begins somewhere else
    next(_next)


def free_port() -> int:
    """A loopback port at which nobody listens; not given twice in a process."""
    for port in _next:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the ports go round")


def nobody() -> str:
    """The base URL of a server that is down."""
    return f"http://127.0.0.1:{free_port()}/v2"
