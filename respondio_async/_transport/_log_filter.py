"""Keeps httpx from printing our URLs: its INFO line of every request shows e-mail addresses and
phone numbers.
"""

import logging
from typing import Any, Final


class _OtherHosts(logging.Filter):
    """Passes the lines about every host but ours."""

    def __init__(self) -> None:
        super().__init__()
        self.ours: set[bytes] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        # httpx 0.28 and httpx2: logger.info('HTTP Request: %s %s "%s %d %s"', method, url, …)
        arguments: tuple[Any, ...] = record.args if isinstance(record.args, tuple) else ()
        url = arguments[1] if len(arguments) > 1 else None
        return getattr(url, "netloc", None) not in self.ours


_filters: Final[dict[str, _OtherHosts]] = {}


def hide_urls(library: str, netloc: str) -> None:
    """Drop the lines that the logger of *library* ("httpx", "httpx2") writes about *netloc*, for
    the rest of the process.
    """
    if library not in _filters:
        _filters[library] = _OtherHosts()
        logging.getLogger(library).addFilter(_filters[library])
    _filters[library].ours.add(netloc.encode("ascii"))
