"""The permits of one route that Redis has reserved for this process, and what is told in turn."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import Final, NamedTuple

import msgspec

from .._rate_limit import RateLimit
from ._protocol import Feedback
from ._redis_clock import ServerClock
from ._redis_link import Link, Unreachable, Unusable, logger
from ._redis_model import SharedModel
from ._redis_reservation import Awaits, Estimate
from ._redis_script import MICRO, ScriptQuestion, ScriptReply
from ._tuning import DEFAULT_PAUSE, LEAD, LONGEST_PAUSE

HORIZON: Final = 0.5
"""Seconds ahead within which permits are reserved: a process that is killed with one costs the
others no more. Further ahead the slots that come free are those of requests whose answers, and so
their delays, are not known yet.
"""
UNUSABLE: Final = 5.0
"""Seconds for which a route whose keys hold something else is limited locally."""
TOGETHER: Final = 0.06
"""Seconds that the permits of one request may lie apart: at ten a second one, at a hundred six."""
RESYNC: Final = 1.5
"""Seconds that the first to find Redis back gives the others to find it too: the longest pause
between two probes, a probe that times out, and some.
"""
LATE: Final = 0.001
"""Seconds past its time from which a permit's true time is reported to the others."""
TOO_LATE: Final = 0.25
"""Seconds past its time at which a permit is no longer used: the others must know the true time
before they count on its slot.
"""
MOST: Final = 200
"""Permits that one question may reserve."""
KEPT_ANSWERS: Final = 32
"""Answers that one question tells of: at high rates the newest."""
SILENT: Final = RateLimit()


class PermitSource(Enum):
    """Who gives a route's permits.

    ======  ==========================================  ==========================================
    Source  While                                       Goes on to
    ======  ==========================================  ==========================================
    REDIS   it answers                                  LOCAL, when it does not, or when it cannot
                                                        use the keys of this route
    LOCAL   Redis is away, or the other processes may   RESYNC, when Redis is back; REDIS, at the
            not know yet that it is back                instant that was agreed upon
    RESYNC  nobody: that instant is to be asked for     LOCAL, until then
    ======  ==========================================  ==========================================
    """

    REDIS = auto()
    LOCAL = auto()
    RESYNC = auto()


class ReservedPermit(NamedTuple):
    """A permit that Redis keeps for this process."""

    due: float
    permit_id: str


class SharedPermits:
    """What this process has of a route's permits.

    They belong to whoever is the head waiter when they are due. *waiting* tells how many calls want
    one.
    """

    def __init__(
        self,
        name: str,
        model: SharedModel,
        *,
        keys: tuple[str, ...],
        process: str,
        link: Link,
        clock: ServerClock,
        waiting: Callable[[], int],
    ) -> None:
        self._name = name
        self.model = model
        self._keys = keys
        self._process = process
        self._link = link
        self._clock = clock
        self._waiting = waiting
        self._loop = asyncio.get_running_loop()
        self.window = model.route.window.span
        self.paused_until = self.opens_at = self._refused_until = -inf
        """Nobody goes before the first; by the server's word none is accepted before the second.
        The third is the end of the pause that this process has to tell of.
        """
        self.pauses = 0
        self._reserved: deque[ReservedPermit] = deque()
        self._number = 0
        self._next = ScriptQuestion(process=process)
        self._tell_by = inf
        """What is to be told with the next question, and when that must be at the latest."""
        self._asking: asyncio.Task[None] | None = None
        self._due = self._ask_at = 0.0
        """When the next permit is due if none is reserved, and when to ask for it."""
        self._agreed = 0
        """The outage after which this route has last agreed with the other processes."""
        self._local_until = 0.0
        self._warned = False
        self._last = -inf, ""
        """Our newest permit that Redis must know of, and when it was used."""

    def source(self, now: float) -> PermitSource:
        """Who gives the permits."""
        if self._link.up and self._agreed != self._link.outages:
            return PermitSource.RESYNC
        return (
            PermitSource.REDIS if self._link.up and now >= self._local_until else PermitSource.LOCAL
        )

    def estimate(self, now: float, not_before: float) -> Estimate | None:
        """When the next permit is due; None if Redis has to be asked, not before that time."""
        reserved = self._reserved
        while reserved and reserved[0].due < now - TOO_LATE:
            reserved.popleft()
        if reserved:
            self._ask_ahead(now)
            return Estimate(Awaits.PERMIT, reserved[0].due, reserved[0].due)
        ask_at = max(self._ask_at, not_before)
        if now >= ask_at:
            return None
        return Estimate(Awaits.QUESTION, max(self._due, ask_at, self.opens_at), ask_at)

    def take(self, now: float) -> str:
        """Use the first permit; its id."""
        due, permit_id = self._reserved.popleft()
        self._last = now, permit_id
        _add(self._next.left, permit_id, now - due)
        return permit_id

    def give_back(self) -> None:
        """Return what nobody will use."""
        if self._reserved:
            self._next.unused += [permit.permit_id for permit in self._reserved]
            self._reserved.clear()
            self.tell()

    def unsent(self, permit_id: str) -> None:
        """The permit's request never left, and never will."""
        self._next.unused.append(permit_id)
        if self._last[1] == permit_id:
            self._last = -inf, ""

    def answered(self, permit_id: str, sent_at: float, feedback: Feedback, now: float) -> None:
        """Tell the others what became of a request."""
        route, status, told = self.model.route, feedback.status, feedback.rate_limit or SILENT
        # Its second began when it left; it cannot have left later than now.
        delay = min(feedback.delay, now - sent_at) if 0.0 < feedback.delay < inf else 0.0
        if feedback.round_trip is None:
            late = route.margin.lateness(now - sent_at)
        else:
            if status != 429:
                route.margin.learn(feedback.round_trip)
            late = route.margin.lateness(feedback.round_trip)
        _add(self._next.left, permit_id, delay)
        _add(self._next.late, permit_id, late)
        if status is not None:
            facts = status, told.limit, told.remaining, told.window, feedback.retry_after
            self._next.answers.append((permit_id, msgspec.json.encode(facts).decode()[1:-1]))
        if delay + late > LATE or self._waiting():
            # The slot is given to the next one half a second before its window ends.
            in_time = sent_at + self.window - HORIZON - self._link.round_trip / 2
            self._tell_by = min(self._tell_by, in_time)
        if told.limit is not None and told.limit < route.calibration.limit:
            self._tell_by = now
        self._tell_in_time()

    def pause(self, now: float, retry_after: float | None) -> None:
        """Nobody goes before the server's time is over."""
        seconds = retry_after if retry_after is not None and retry_after > 0 else DEFAULT_PAUSE
        self.opens_at = max(self.opens_at, now + seconds)
        self._refused_until = max(self._refused_until, now + min(seconds, LONGEST_PAUSE))
        self._paused(self._refused_until)
        self.tell()

    def _paused(self, until: float) -> None:
        """Give back what is reserved before *until*."""
        if until <= max(self.paused_until, self._loop.time()):
            return
        self.pauses += self.paused_until <= self._loop.time()
        self.paused_until = until
        self._due, self._ask_at = max(self._due, until), max(self._ask_at, until - HORIZON)
        self.give_back()

    # ── questions ────────────────────────────────────────────────────────────────────────────────

    def tell(self) -> None:
        """Tell at once what is to be told, unless Redis is away."""
        self._tell_by = -inf
        self._tell_in_time()

    def _tell_in_time(self) -> None:
        under_way = self._asking is not None and not self._asking.done()
        if self._link.up and not under_way and self._next_question() > self._tell_by:
            self._ask()

    def _next_question(self) -> float:
        """When the next question will be, as far as is known."""
        if not self._waiting():
            return inf
        return self._reserved[0].due if self._reserved else self._ask_at

    async def ask(self, timeout: float | None = None) -> None:
        """Ask, and wait for the answer that long."""
        task = self._ask()
        await asyncio.wait((task,), timeout=timeout)
        if task.done():
            task.result()

    def _ask_ahead(self, now: float) -> None:
        """At high rates, ask for the next ones while the last of these is still to come."""
        far, window = self._link.round_trip, self.model.route.window
        if (
            len(self._reserved) == 1 < self._waiting()
            and (window.span / window.size < TOGETHER or far > LEAD / 2)
            and self._reserved[0].due - now < LEAD + far
            and now >= self._ask_at
        ):
            self._ask()

    def _ask(self) -> "asyncio.Task[None]":
        """One question at a time, in a task of its own: when a caller is cancelled, the next one
        has the permit.
        """
        if self._asking is None or self._asking.done():
            self._asking = self._loop.create_task(self._exchange())
        return self._asking

    async def _exchange(self) -> None:
        self._tell_by = -inf
        while self._next_question() > self._tell_by:
            outages, question = self._link.outages, self._question(self._loop.time())
            self._next, self._tell_by = ScriptQuestion(process=self._process), inf
            self._number += question.want
            words = msgspec.json.encode(question)
            try:
                exchange = await self._link.ask(self._keys, words)
            except Unreachable as error:
                if isinstance(error, Unusable):
                    self._keep_local()
                return
            self._clock.update(exchange.asked, exchange.answered, exchange.reply.now / MICRO)
            self._take_in(question, exchange.reply, outages)

    def _question(self, now: float) -> ScriptQuestion:
        """What is wanted and what is known, added to what is told."""
        route, told = self.model.route, self._next
        resync, wanted = self._agreed != self._link.outages, 0
        if not resync and now >= self._ask_at:
            wanted = max(0, min(MOST, self._waiting()) - len(self._reserved))
        used, last_permit = self._last
        return msgspec.structs.replace(
            told,
            first=self._number,
            want=wanted,
            horizon=int(HORIZON * MICRO),
            together=int(max(TOGETHER, self._link.round_trip) * MICRO),
            last_permit=last_permit if now - used < self.window else "",
            resync=int(RESYNC * MICRO) if resync else 0,
            guard=int(route.margin.guard(0.0) * MICRO),
            pause=int(max(0.0, self._refused_until - now) * MICRO),
            known=self.model.known,
            heard=self.model.heard,
            size=route.window.size,
            span=int(route.window.span * MICRO),
            gap=MICRO / route.pace.rate,
            answers=told.answers[-KEPT_ANSWERS:],
        )

    def _take_in(self, question: ScriptQuestion, reply: ScriptReply, outages: int) -> None:
        self.model.hear(reply)
        self.window, local = reply.window / MICRO, self._clock.local
        opens = local(reply.opens / MICRO)
        if question.resync:
            self._agreed, self._local_until, self._last = outages, opens - self.window, (-inf, "")
            self._due, self._ask_at = opens, opens - HORIZON
        elif question.want and not reply.permits:
            # Not later than in a window: until then the limit, or others, may have changed.
            come = local(reply.come / MICRO) - HORIZON + LATE
            self._due, self._ask_at = opens, min(come, self._loop.time() + self.window)
        self._reserved.extend(
            ReservedPermit(local(due / MICRO), f"{self._process}{number}")
            for number, due in enumerate(reply.permits, question.first)
        )
        stale = self._refused_until - LEAD  # clocks are read from afar
        if self._reserved and (not self._waiting() or self._reserved[0].due < stale):
            # Meanwhile whoever waited has left, or a refusal came.
            self.give_back()
        self._paused(local(reply.paused_until / MICRO))
        self.opens_at = max(self.paused_until, local(self.model.opens_at))

    def _keep_local(self) -> None:
        """Something else is kept under this route's keys; those of the others may be fine."""
        self._local_until = self._loop.time() + UNUSABLE
        if not self._warned:
            self._warned = True
            logger.warning(
                "Something else is kept under the keys of %s on Redis: each process limits this "
                "route to its share",
                self._name,
            )


def _add(delays: dict[str, int], permit_id: str, seconds: float) -> None:
    """The permit counts from so much later."""
    if seconds > LATE:
        delays[permit_id] = delays.get(permit_id, 0) + int(seconds * MICRO)
