"""Serve a sandbox until the process is stopped."""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from ._sandbox import Sandbox

__all__ = ["serve"]

_LOOK = 0.5
"""Seconds between two checks for Ctrl+C, which does not end a wait on Windows."""


def serve(
    *, host: str = "127.0.0.1", port: int = 0, webhooks: Sequence[str] = (), **options: Any
) -> None:
    """Start a sandbox, print its URL and token as shell assignments, and wait for Ctrl+C or
    SIGTERM.

    The names are those that the client reads from its environment. *options* are those of
    `Sandbox`. *webhooks* are URLs to which all events are sent, signed with the first key of
    RESPONDIO_WEBHOOK_KEYS; without one a key is made up and printed as well. The address of the
    inbox page goes to standard error.
    """
    keys = os.environ.get("RESPONDIO_WEBHOOK_KEYS", "").replace(",", " ").split()
    key = keys[0] if keys else secrets.token_urlsafe(24)
    ended = threading.Event()

    with Sandbox(host=host, port=port, **options) as sandbox:
        for url in webhooks:
            sandbox.webhook(url, key=key)
        previous = signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
        try:
            sys.stderr.write(f"Inbox: {sandbox.inbox_url}\n")
            sys.stdout.write(
                f"RESPONDIO_BASE_URL={sandbox.url}\nRESPONDIO_API_TOKEN={sandbox.token}\n"
            )
            if webhooks and not keys:
                sys.stdout.write(f"RESPONDIO_WEBHOOK_KEYS={key}\n")
            sys.stdout.flush()
            while not ended.wait(_LOOK):
                pass
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, previous)
