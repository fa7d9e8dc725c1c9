"""SIGTERM as a request to stop, for as long as a run lasts.

By default the signal ends the process at once: what is in flight would be in doubt. So while nobody
else handles it, it cancels the task that holds the run, as Ctrl-C does; when the run has come to
its end the process exits with the status that a shell gives to that signal.
"""

import asyncio
import signal
import threading
from typing import Final

STATUS: Final = 128 + signal.SIGTERM


class TerminationGuard:
    """`install()` when a run begins, `remove()` when it has ended."""

    def __init__(self) -> None:
        self.stop_requested = False
        """Whether the signal has come."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def install(self) -> None:
        """Install the handler, if this is the main thread and no other handler is installed."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        is_main = threading.current_thread() is threading.main_thread()
        if task is None or not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return

        def stop() -> None:
            self.stop_requested = True
            task.cancel()

        try:
            loop.add_signal_handler(signal.SIGTERM, stop)
        except (NotImplementedError, RuntimeError):  # Windows; a loop of another make
            return
        self._loop = loop

    def remove(self) -> None:
        """Stop listening."""
        if self._loop is not None:
            self._loop.remove_signal_handler(signal.SIGTERM)
            self._loop = None
