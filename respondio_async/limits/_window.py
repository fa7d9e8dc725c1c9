"""The log of one route's sends, as slots: which of them the server may still be counting."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: PLR1730

from collections import deque
from heapq import heappop, heappush
from math import inf

from . import _tuning as tuning


class Sent:
    """One send: it occupies a slot until the server has certainly forgotten it."""

    __slots__ = ("at", "index", "late", "open", "own", "position", "until")

    def __init__(self, at: float, until: float, index: int, position: int, own: int) -> None:
        self.at = at
        self.until = until
        """When the slot is given back if no answer comes before."""
        self.index = index
        """Its place among the sends that went out at once; 1 for a paced one."""
        self.position = position
        """Its place among the sends in the window; 1: the window was empty, so the server's count
        began with it.
        """
        self.late = 0.0
        """Seconds by which it may have arrived later than the quickest possible one."""
        self.own = own
        """Its number among those that the server may count together with it."""
        self.open = True


class Window:
    """At most `size` sends in any `span` seconds, each send held a little longer than that as its
    answer teaches.

    Any pairing of a new send with a slot whose own send arrived at least a span earlier keeps the
    arrivals within the limit, so the slot that is free first is used first, whichever it is.
    Entries leave by age alone: every positive limit works.
    """

    __slots__ = ("_flying", "_freed", "_log", "busy", "changes_at", "size", "span")

    def __init__(self, size: int, span: float) -> None:
        self.busy = 0
        self._flying: deque[Sent] = deque()
        self._freed: list[float] = []
        self.changes_at = inf
        """No slot is given back before this: until then there is nothing to `expire`."""
        self._log: deque[Sent] = deque()
        self.size = size
        """May be changed at any time: what was sent stays counted."""
        self.span = span

    def expire(self, now: float) -> None:
        """Give back the slots whose time has come."""
        freed, flying = self._freed, self._flying
        while freed and freed[0] <= now:
            heappop(freed)
            self.busy -= 1
        while flying:
            first = flying[0]
            if first.open:
                if first.until > now:
                    break
                first.open = False
                self.busy -= 1
            flying.popleft()
        # `next_free` written out: the first of those under way is open.
        until = flying[0].until if flying else inf
        self.changes_at = freed[0] if freed and freed[0] < until else until

    def take(self, now: float, hold: float, index: int) -> Sent:
        """Occupy a slot from *now* until *hold* seconds past the span, unless the answer says
        otherwise.
        """
        self.busy += 1
        log, horizon = self._log, now - self.span
        while log and log[0].at + log[0].late <= horizon:
            log.popleft()
        sent = Sent(now, now + self.span + hold, index, self.busy, len(log) + 1)
        log.append(sent)
        self._flying.append(sent)
        if sent.until < self.changes_at:
            self.changes_at = sent.until
        return sent

    def answered(self, sent: Sent, hold: float) -> None:
        """Set the hold anew now that the answer is known; too late once the slot was given back."""
        if sent.open:
            sent.open = False
            sent.until = sent.at + self.span + hold
            heappush(self._freed, sent.until)
            if sent.until < self.changes_at:
                self.changes_at = sent.until

    def delay(self, seconds: float) -> None:
        """Hold those that were answered for so much longer."""
        # The same for all, so the heap stays one.
        self._freed = [until + seconds for until in self._freed]

    def next_free(self, after: int = 0) -> float:
        """When an occupied slot is given back, *after* so many others."""
        freed, flying = self._freed, self._flying
        if after:
            return sorted([*freed, *(sent.until for sent in flying if sent.open)])[after]
        while flying and not flying[0].open:
            flying.popleft()
        first = freed[0] if freed else inf
        return flying[0].until if flying and flying[0].until < first else first

    def soonest_free(self) -> float:
        """The earliest that `next_free` may turn out to be: an answer that is still to come may
        show that its request was not late.
        """
        free = self.next_free()
        if self._flying:
            free = min(free, self._flying[0].at + self.span + tuning.FLOOR)
        return free

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed."""
        self.changes_at += delta
        self._freed = [until + delta for until in self._freed]
        for sent in {*self._log, *self._flying}:
            sent.at += delta
            sent.until += delta
