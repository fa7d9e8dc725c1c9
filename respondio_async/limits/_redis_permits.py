"""The permits of one route that Redis has reserved for this process, and what is told in turn."""

import asyncio
import math
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
"""Seconds ahead within which batches are handed out: a process that is killed with one costs the
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


class PermitBatch(NamedTuple):
    """Permits that go together, which above 200 a second are more than one."""

    due: float
    permit_id: str


class Updates:
    """What is told with the next question, or at once when `urgent`."""

    def __init__(self) -> None:
        self.urgent = False
        self.paused_until = 0.0
        self.moved: dict[str, int] = {}
        self.unused: list[str] = []
        self.answers: deque[tuple[str, str]] = deque(maxlen=KEPT_ANSWERS)


class SharedPermits:
    """What this process has of a route's permits.

    Batches belong to whoever is the head waiter when they are due. *waiting* tells how many calls
    want one.
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
        self.window = model.span
        self.paused_until = self.opens_at = -inf
        """Nobody goes before the first; by the server's word none is accepted before the second."""
        self.pauses = 0
        self._batches: deque[PermitBatch] = deque()
        self._left = self._unit = 1
        """Permits left of the first batch, and those of a whole one."""
        self._number = 0
        self._updates = Updates()
        self._asking: asyncio.Task[None] | None = None
        self._due = self._ask_at = 0.0
        """When the next permit is due if there is no batch, and when to ask for it."""
        self._agreed = 0
        """The outage after which this route has last agreed with the other processes."""
        self._local_until = 0.0
        self._warned = False
        self._last: tuple[float, str] | None = None
        """Our newest permit that Redis must know of."""

    def source(self, now: float) -> PermitSource:
        """Who gives the permits."""
        if self._link.up and self._agreed != self._link.outages:
            return PermitSource.RESYNC
        return (
            PermitSource.REDIS if self._link.up and now >= self._local_until else PermitSource.LOCAL
        )

    def estimate(self, now: float, not_before: float) -> Estimate | None:
        """When the next permit is due; None if Redis has to be asked, not before that time."""
        while self._batches and self._batches[0].due < now - TOO_LATE:
            self._drop_first()
        if self._batches:
            due = self._batches[0].due
            self._ask_ahead(now, due)
            return Estimate(Awaits.PERMIT, due, due)
        ask_at = max(self._ask_at, not_before)
        if now >= ask_at:
            return None
        return Estimate(Awaits.SOURCE, max(self._due, ask_at, self.opens_at), ask_at)

    def take(self, now: float) -> str:
        """Use a permit of the first batch; its id."""
        due, permit_id = self._batches[0]
        self._left -= 1
        if self._left == 0:
            self._drop_first()
        self._last = now, permit_id
        if now - due > LATE:
            self._move(permit_id, now - due)
        return permit_id

    def _drop_first(self) -> None:
        self._batches.popleft()
        self._left = self._unit

    def give_back(self) -> None:
        """Return what nobody will use. Of a batch that is partly used only the rest is lost."""
        if self._batches and self._left < self._unit:
            self._drop_first()
        if self._batches:
            self._updates.unused += [batch.permit_id for batch in self._batches]
            self._batches.clear()
            self.tell()

    def unsent(self, permit_id: str) -> None:
        """The permit's request never left, and never will."""
        if self._unit == 1:  # otherwise others may have gone on the same batch
            self._updates.moved.pop(permit_id, None)
            self._updates.unused.append(permit_id)
            if self._last is not None and self._last[1] == permit_id:
                self._last = None

    def answered(self, permit_id: str, sent_at: float, feedback: Feedback, now: float) -> None:
        """Tell the others what became of a request."""
        margin, status, told = self.model.margin, feedback.status, feedback.rate_limit or SILENT
        # Its second began when it left; it cannot have left later than now.
        late = min(feedback.delay, now - sent_at) if 0.0 < feedback.delay < inf else 0.0
        if feedback.round_trip is None:
            late += margin.lateness(now - sent_at)
        elif status != 429:
            margin.learn(feedback.round_trip)
            late += margin.lateness(feedback.round_trip)
        if late > LATE:
            self._move(permit_id, late)
        if status is not None:
            facts = status, told.limit, told.remaining, told.window, feedback.retry_after
            self._updates.answers.append((permit_id, msgspec.json.encode(facts).decode()[1:-1]))
        lowered = told.limit is not None and told.limit < self.model.limit
        # The slot is given to the next one half a second before its window ends.
        next_question = self._batches[0].due if self._batches else self._ask_at
        latest = sent_at + self.window - HORIZON - self._link.round_trip / 2
        under_way = self._asking is not None and not self._asking.done()
        if lowered or (late > LATE if not self._waiting() else under_way or next_question > latest):
            self.tell()

    def _move(self, permit_id: str, late: float) -> None:
        """The permit counts from so much later."""
        moved = self._updates.moved
        moved[permit_id] = moved.get(permit_id, 0) + int(late * MICRO)

    def pause(self, now: float, retry_after: float | None) -> None:
        """Nobody goes before the server's time is over."""
        seconds = retry_after if retry_after is not None and retry_after > 0 else DEFAULT_PAUSE
        updates, self.opens_at = self._updates, max(self.opens_at, now + seconds)
        updates.paused_until = max(updates.paused_until, now + min(seconds, LONGEST_PAUSE))
        self._paused(updates.paused_until)
        self.tell()

    def _paused(self, until: float) -> None:
        """Give back the batches that fall due before *until*."""
        if until <= max(self.paused_until, self._loop.time()):
            return
        self.pauses += self.paused_until <= self._loop.time()
        self.paused_until = until
        self._due, self._ask_at = max(self._due, until), max(self._ask_at, until - HORIZON)
        self.give_back()

    # ── questions ────────────────────────────────────────────────────────────────────────────────

    def tell(self) -> None:
        """Send the updates now, unless Redis is away."""
        if self._link.up:
            self._updates.urgent = True
            self._ask()

    async def ask(self, timeout: float | None = None) -> None:
        """Ask, and wait for the answer that long."""
        task = self._ask()
        await asyncio.wait((task,), timeout=timeout)
        if task.done():
            task.result()

    def _ask_ahead(self, now: float, due: float) -> None:
        """At high rates, ask for the next batch while the last permit of this one is still to
        come.
        """
        far = self._link.round_trip
        if (
            len(self._batches) == 1
            and self._left < self._waiting()
            and (self.window / self.model.size < TOGETHER or far > LEAD / 2)
            and due - now < LEAD + far
            and now >= self._ask_at
        ):
            self._ask()

    def _ask(self) -> "asyncio.Task[None]":
        """One question at a time, in a task of its own: when a caller is cancelled, the next one
        has the batch.
        """
        if self._asking is None or self._asking.done():
            self._asking = self._loop.create_task(self._exchange())
        return self._asking

    async def _exchange(self) -> None:
        again = True
        while again:
            updates, self._updates = self._updates, Updates()
            outages = self._link.outages
            question = self._question(updates, self._loop.time(), outages)
            words = msgspec.json.encode(question)
            try:
                exchange = await self._link.ask(self._keys, words)
            except Unreachable as error:
                self._updates.paused_until = max(self._updates.paused_until, updates.paused_until)
                if isinstance(error, Unusable):
                    self._keep_local()
                return
            self._clock.update(exchange.asked, exchange.answered, exchange.reply.now / MICRO)
            self._take_in(question, exchange.reply, outages)
            again = self._updates.urgent

    def _question(self, updates: Updates, now: float, outages: int) -> ScriptQuestion:
        resync, model, last = self._agreed != outages, self.model, ""
        model.refresh(self._clock.server(now))
        if self._last is not None and now - self._last[0] < self.window:
            last = self._last[1]
        question = ScriptQuestion(
            process=self._process,
            first=self._number,
            want=0 if resync or now < self._ask_at else self._lacking(),
            horizon=int(HORIZON * MICRO),
            together=int(max(TOGETHER, self._link.round_trip) * MICRO),
            last_permit=last,
            resync=int(RESYNC * MICRO) if resync else 0,
            guard=int(model.margin.guard(0.0) * MICRO),
            pause=max(0, int((updates.paused_until - now) * MICRO)),
            known=model.known,
            size=model.size,
            span=int(model.span * MICRO),
            gap=model.gap * MICRO,
            moved=list(updates.moved.items()),
            unused=updates.unused,
            answers=list(updates.answers),
        )
        self._number += question.want
        return question

    def _take_in(self, question: ScriptQuestion, reply: ScriptReply, outages: int) -> None:
        self.model.hear(reply.answers, reply.told)
        self.window = reply.window / MICRO
        if reply.unit != self._unit:
            self._unit = self._left = reply.unit
        local = self._clock.local
        opens = local(reply.opens / MICRO)
        if question.resync:
            self._agreed, self._local_until, self._last = outages, opens - self.window, None
            self._due, self._ask_at = opens, opens - HORIZON
        elif question.want and not reply.permits:
            self._due, self._ask_at = opens, local(reply.come / MICRO) - HORIZON + LATE
        self._batches.extend(
            PermitBatch(local(due / MICRO), f"{self._process}{number}")
            for number, due in enumerate(reply.permits, question.first)
        )
        if self._batches and (not self._waiting() or self._batches[0].due < self.paused_until):
            # Meanwhile whoever waited has left, or a refusal came.
            self.give_back()
        self._paused(local(reply.paused_until / MICRO))
        self.opens_at = max(self.paused_until, local(self.model.opens_at))

    def _lacking(self) -> int:
        """How many batches those who wait still need."""
        have = self._unit * (len(self._batches) - 1) + self._left if self._batches else 0
        return max(0, math.ceil((self._waiting() - have) / self._unit))

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
