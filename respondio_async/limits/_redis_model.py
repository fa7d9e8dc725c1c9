"""What the processes know of a route, the same in each of them."""

from math import inf

from .._rate_limit import RateLimit
from ._protocol import Feedback
from ._redis_script import MICRO, ScriptReply
from ._route import Route
from ._window import Sent


class SharedModel:
    """The local limiter's model of a route, which hears the answers to all processes.

    Redis puts the answers in one order and on one clock, so that every process comes to the same
    limit, and to the same that others leave of it. Only the guard time is each one's own: it
    follows from round trips, which differ from machine to machine.
    """

    def __init__(self, limit: float, bounds: tuple[float, float] | None) -> None:
        self.route = Route(limit, bounds=bounds or (inf, -inf))
        self.known = self.heard = 0
        """Answers that there were when it last heard of them, and those that it has learnt from."""
        self.opens_at = self._refused_at = -inf
        """Before the first none is accepted, by the server's word; seconds on the Redis server's
        clock.
        """

    def hear(self, reply: ScriptReply) -> None:
        """Learn from the answers to all processes. Its time is that of the reply: later than that,
        others may have heard more.
        """
        route = self.route
        for answer in reply.answers:
            at, now = answer.sent / MICRO, answer.heard / MICRO
            sent = Sent(at, at, position=answer.own, own=answer.own, in_burst=False)
            told = RateLimit(answer.limit, answer.remaining, answer.window)
            if answer.status == 429:
                self._refused_at = now
                self.opens_at = max(self.opens_at, now + (answer.retry_after or 0.0))
            elif at > self._refused_at:
                self.opens_at = -inf
            if now >= route.changes_at:
                route.follow(now)
            route.learn(sent, Feedback(answer.status, told, answer.retry_after), now)
        route.follow(reply.now / MICRO)
        self.known, self.heard = reply.told, self.heard + len(reply.answers)
