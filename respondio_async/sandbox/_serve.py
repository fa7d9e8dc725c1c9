"""Serve a sandbox until somebody stops the process."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

from ._sandbox import Sandbox


def serve(*, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
    """Start a sandbox, print its URL and token as two shell assignments, and wait for Ctrl+C or SIGTERM.

    The names are those that the client reads from its environment. *options* are those of `Sandbox`.
    """
    ended = threading.Event()

    def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        ended.set()

    with Sandbox(host=host, port=port, **options) as sandbox:
        previous = signal.signal(signal.SIGTERM, _end)
        try:
            sys.stdout.write(f"RESPONDIO_BASE_URL={sandbox.url}\nRESPONDIO_API_TOKEN={sandbox.token}\n")
            sys.stdout.flush()
            ended.wait()
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, previous)
