"""The limiter against everything that can happen to it, in any order, in virtual time."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from respondio_async.errors import DeadlineExceededError
from respondio_async.limits import Feedback, Priority, Reservation
from respondio_async.limits._tuning import FLOOR
from tests.limits.helpers import ROUTE, answer, limiter_of
from tests.support.virtual import VirtualLoop

PRIORITIES: st.SearchStrategy[Priority] = st.sampled_from(["interactive", "bulk"])


class Call:
    """One call of the machine."""

    def __init__(
        self, number: int, priority: Priority, task: "asyncio.Task[None]", *, patient: bool
    ) -> None:
        self.number, self.priority, self.task, self.patient = number, priority, task, patient
        self.reservation: Reservation | None = None
        self.cancelled = False


def within(sent: list[tuple[float, float]], limit: float) -> list[tuple[float, float]]:
    """Those within the window that a limit asks for, from the first on."""
    end = sent[0][0] + (1.0 if limit >= 1 else 1 / limit) + FLOOR - 1e-6
    return [each for each in sent if each[0] < end]


class Machine(RuleBasedStateMachine):
    """Calls come, are cancelled, refused, calibrated; the loop stalls; and the promises hold after
    each step.
    """

    @initialize(limit=st.sampled_from([0.5, 1, 3, 10, 40, 300]))
    def begin(self, limit: float) -> None:
        self.loop = VirtualLoop()
        self.runner = asyncio.Runner(loop_factory=lambda: self.loop)
        self.runner.get_loop()
        self.limiter = limiter_of(limit, bounds=(0.5, 100))
        self.most = limit
        self.calls: list[Call] = []
        self.sent: list[tuple[float, float]] = []
        """When, and the limit in force then."""
        self.granted: list[Call] = []
        self.under_way: list[Reservation] = []

    def pass_time(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))

    @rule(
        count=st.integers(1, 30),
        priority=PRIORITIES,
        timeout=st.none() | st.floats(0, 20),
        slow=st.sampled_from([0.0, 0.0, 0.03, 0.3]),
    )
    def call(self, count: int, priority: Priority, timeout: float | None, slow: float) -> None:
        """Calls join a priority; a slow one takes a while to find its connection."""

        async def one(call_of: list[Call]) -> None:
            reservation = await self.limiter.reserve(ROUTE, priority=priority, timeout=timeout)
            try:
                if slow:
                    await asyncio.sleep(slow)
                while not await reservation.permit(max_wait=0.25):
                    await reservation.wait_until_near()
            except BaseException:
                reservation.abandon()
                raise
            call = call_of[0]
            call.reservation = reservation
            self.sent.append((self.loop.time(), self.limiter.statistics()[ROUTE].limit))
            self.granted.append(call)
            self.under_way.append(reservation)

        for _ in range(count):
            call_of: list[Call] = []
            call = Call(
                len(self.calls),
                priority,
                self.loop.create_task(one(call_of)),
                patient=timeout is None and not slow,
            )
            call_of.append(call)
            self.calls.append(call)
        self.pass_time(0)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Somebody gives up, wherever it stands."""
        waiting = [call for call in self.calls if not call.task.done()]
        if waiting:
            call = data.draw(st.sampled_from(waiting))
            call.cancelled = True
            call.task.cancel()
            if data.draw(st.booleans()):
                self.pass_time(0)

    @rule(
        status=st.sampled_from([200, 200, 200, 404, 429, None]),
        limit=st.none() | st.sampled_from([0.5, 1, 5, 10, 50, 100, 6000]),
        remaining=st.none() | st.integers(0, 100),
        retry_after=st.none() | st.floats(0, 100),
        round_trip=st.none() | st.floats(0, 5),
    )
    def answer(
        self,
        status: int | None,
        limit: float | None,
        remaining: int | None,
        retry_after: float | None,
        round_trip: float | None,
    ) -> None:
        """An answer comes, with whatever headers."""
        if self.under_way:
            reservation = self.under_way.pop(0)
            if status is None:
                self.limiter.update(reservation, Feedback(None))
                return
            told = answer(
                status,
                limit=limit,
                remaining=remaining,
                retry_after=retry_after,
                round_trip=round_trip,
            )
            self.limiter.update(reservation, told)

    @rule(seconds=st.floats(0.0001, 5))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.pass_time(seconds)

    @rule(seconds=st.floats(0.01, 3))
    def stall(self, seconds: float) -> None:
        """Something blocks the loop."""
        self.loop.stall(seconds)

    @invariant()
    def never_over_the_limit(self) -> None:
        """In no second and its margin go more than the greatest limit in force within it."""
        sent = getattr(self, "sent", [])
        for place, (_, limit) in enumerate(sent):
            most = max(limit for _, limit in within(sent[place:], limit))
            assert len(within(sent[place:], most)) <= max(1, int(most))

    @invariant()
    def first_come_first_served(self) -> None:
        """Within a priority, those who ask as soon as they are announced get their permits in the
        order in which they came.
        """
        for priority in ("interactive", "bulk"):
            numbers = [
                call.number
                for call in getattr(self, "granted", [])
                if call.priority == priority and call.patient
            ]
            assert numbers == sorted(numbers)

    @invariant()
    def the_books_are_right(self) -> None:
        """Everybody is waiting, served, cancelled or told that it is too late."""
        if getattr(self, "calls", None):
            waiting = sum(not call.task.done() for call in self.calls)
            assert self.limiter.statistics()[ROUTE].waiting <= waiting
            assert self.limiter.statistics()[ROUTE].granted == len(self.granted)

    def teardown(self) -> None:
        """Whoever still waits gets through, in about the time that the limit needs; then nothing is
        left.
        """
        if not hasattr(self, "loop"):
            return
        calls = [call for call in self.calls if not call.task.done()]
        if calls:
            snapshot = self.limiter.statistics()[ROUTE]
            # After a refusal up to half of a single request a second is left to others.
            needed = snapshot.paused + (len(calls) + snapshot.limit + 1) / snapshot.limit * 2.1 + 3
            self.pass_time(needed)
        for call in self.calls:
            assert call.task.done()
            if not call.task.cancelled():
                error: Any = call.task.exception()
                assert error is None or isinstance(error, DeadlineExceededError)
            else:
                assert call.cancelled
        if self.calls:
            assert self.limiter.statistics()[ROUTE].waiting == 0
            assert self.loop.timers() == 0
        self.runner.close()


TestMachine = Machine.TestCase
TestMachine.settings = settings(stateful_step_count=30, suppress_health_check=list(HealthCheck))
