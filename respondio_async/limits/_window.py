"""The log of one route's sends, as slots: which of them the server may still be counting."""

from bisect import bisect_left, bisect_right, insort
from collections import deque

from ._tuning import OVERTAKES


class Sent:
    """One send: it occupies a slot until the server has certainly forgotten it."""

    __slots__ = ("at", "in_burst", "late", "own", "position", "until")

    def __init__(self, at: float, until: float, position: int, own: int, in_burst: bool) -> None:
        self.at = at
        self.until = until
        """When the slot is given back."""
        self.position = position
        """Its place among the sends in the window; 1: the window was empty, so the server's count
        began with it.
        """
        self.own = own
        """Its number among those that the server may count together with it."""
        self.in_burst = in_burst
        """Whether it went without keeping the pace."""
        self.late = 0.0
        """Seconds by which it may have arrived later than the quickest possible one."""


class Window:
    """At most `size` sends in any `span` seconds, each send held a little longer than that as its
    answer teaches.

    Any pairing of a new send with a slot whose own send arrived at least a span earlier keeps the
    arrivals within the limit, so the slot that is free first is used first, whichever it is.
    """

    def __init__(self, size: int, span: float) -> None:
        self.size = size
        """May be changed at any time, as `span` may: what was sent stays counted."""
        self.span = span
        self.slots: list[float] = []
        """When each occupied slot is given back, the soonest first."""
        self._log: deque[Sent] = deque()

    def expire(self, now: float) -> None:
        """Give back the slots whose time has come."""
        del self.slots[: bisect_right(self.slots, now)]

    def take(self, now: float, guard: float, in_burst: bool) -> Sent:
        """Occupy a slot from *now* until *guard* seconds past the span, unless the answer says
        otherwise.
        """
        log, horizon = self._log, now - self.span
        while log and log[0].at + log[0].late <= horizon:
            log.popleft()
        if in_burst:
            for each in reversed(log):
                # One that leaves so soon after it may overtake it.
                if each.at < now - OVERTAKES:
                    break
                each.own += 1
        sent = Sent(now, now + self.span + guard, len(self.slots) + 1, len(log) + 1, in_burst)
        log.append(sent)
        insort(self.slots, sent.until)
        return sent

    def answered(self, sent: Sent, guard: float) -> None:
        """Set the guard time anew; too late once the slot was given back."""
        slots, place = self.slots, bisect_left(self.slots, sent.until)
        if place < len(slots) and slots[place] == sent.until:
            del slots[place]
            sent.until = sent.at + self.span + guard
            insort(slots, sent.until)
