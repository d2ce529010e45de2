"""The guest's clocks. They show virtual time, which passes as instructions are carried out."""

import heapq
import itertools
from collections.abc import Callable

CLOCK_REALTIME = 0
SECOND = 1_000_000_000

# What the realtime clock shows when a guest starts: the same in each run, so that runs replay.
EPOCH = 1_700_000_000 * SECOND

# Clocks that follow the realtime clock: REALTIME, REALTIME_COARSE, TAI. All others show the monotonic one.
_REALTIME_CLOCKS = frozenset({CLOCK_REALTIME, 5, 11})


class Alarm:
    """Something that is to happen at a time; `cancel` it and it will not."""

    def __init__(self, when: int, action: Callable[[], None]) -> None:
        self.when = when
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Forget it. Harmless afterwards."""
        self.action = None


class Clock:
    """Virtual time, in nanoseconds.

    Attributes
    ----------
    now : int
        The monotonic clock, 0 when the guest starts.
    """

    def __init__(self) -> None:
        self.now = 0
        self._alarms: list[tuple[int, int, Alarm]] = []
        self._count = itertools.count()

    def read(self, clock: int) -> int:
        """What a clock shows."""
        return self.now + EPOCH if clock in _REALTIME_CLOCKS else self.now

    def to_monotonic(self, clock: int, when: int) -> int:
        """Convert a time on any clock into that of `now`."""
        return when - EPOCH if clock in _REALTIME_CLOCKS else when

    def call_at(self, when: int, action: Callable[[], None]) -> Alarm:
        """Have `action` called once `now` is `when`."""
        alarm = Alarm(when, action)
        heapq.heappush(self._alarms, (when, next(self._count), alarm))
        return alarm

    def advance(self, duration: int) -> None:
        """Let time pass, and do what falls due, in order."""
        until = self.now + duration
        while self._alarms and self._alarms[0][0] <= until:
            self._ring()
        self.now = until

    def jump(self) -> bool:
        """Let time pass until something falls due, and do that. False: nothing ever will."""
        while self._alarms:
            if self._ring():
                return True
        return False

    def _ring(self) -> bool:
        when, _, alarm = heapq.heappop(self._alarms)
        action = alarm.action
        if action is None:
            return False
        self.now = max(self.now, when)
        alarm.action = None
        action()
        return True
