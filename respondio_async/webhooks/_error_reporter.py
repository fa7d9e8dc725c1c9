"""Where the errors of handlers and stores go: to the user's hook, or to the log; never to the
sender.
"""

import inspect
import logging
from collections.abc import Callable
from typing import Any, Final

from ._context import Context

OnError = Callable[[Exception, Context[Any] | None], object]

_logger: Final = logging.getLogger("respondio_async.webhooks")


class ErrorReporter:
    """Passes errors to `on_error`, or to the log, and counts them."""

    def __init__(self, on_error: OnError | None) -> None:
        self.count = 0
        self._on_error = on_error

    async def report(self, error: Exception, context: Context[Any] | None) -> None:
        """Report an error; one of the hook itself goes to the log."""
        self.count += 1
        try:
            if self._on_error is None:
                name = context.handler if context is not None else "the router"
                _logger.error("webhook: %s failed", name, exc_info=error)
            else:
                result = self._on_error(error, context)
                if inspect.isawaitable(result):
                    await result
        except Exception:
            _logger.exception("webhook: on_error failed")
