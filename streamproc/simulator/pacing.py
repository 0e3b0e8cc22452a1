"""How many events to send now: at a fixed rate, or as fast as the readers follow."""

from __future__ import annotations

from typing import Protocol

_LARGEST_STEP = 0.25  # seconds; a pause of the process must not be made up for in one burst


class Pace(Protocol):
    """Tells a sender how many events are due."""

    def due(self, now: float, waiting: int) -> int:
        """Return how many events to send.

        Parameters
        ----------
        now : float
            Monotonic time in seconds.
        waiting : int
            Events sent and not yet answered.
        """
        ...


class FixedRate:
    """So many events per second, whatever the readers do.

    Examples
    --------
    >>> pace = FixedRate(rate=100)
    >>> pace.due(now=5.0, waiting=0), pace.due(now=5.1, waiting=999)
    (0, 10)
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._then: float | None = None
        self._credit = 0.0

    def due(self, now: float, waiting: int) -> int:
        if self._then is not None:
            self._credit += self.rate * min(now - self._then, _LARGEST_STEP)
        self._then = now
        count = int(self._credit + 1e-9)
        self._credit -= count
        return count


class FollowBacklog:
    """As fast as the events are answered within a given time, at most.

    By Little's law the time in the system is the number waiting divided by the rate; when it exceeds `target_seconds`
    the rate is cut by 15 %, otherwise it grows by 5 %, ten times a second. So the sender stays below what the
    readers manage, and a measured latency is theirs, not that of a queue that the sender built up.

    Parameters
    ----------
    ceiling : float
        Highest rate, events per second.
    target_seconds : float
        Time from sending to answer that is still good.
    limit : int
        Most events that may ever wait.

    Examples
    --------
    >>> pace = FollowBacklog(ceiling=1_000)
    >>> pace.due(0.0, 0), pace.due(0.1, 0)
    (0, 21)
    >>> before = pace.rate
    >>> pace.due(0.2, 390), pace.rate < before
    (0, True)
    """

    _ADJUST_EVERY = 0.1  # seconds

    def __init__(self, ceiling: float, target_seconds: float = 0.15, limit: int = 400) -> None:
        self._sender = FixedRate(min(200.0, ceiling))
        self._ceiling = ceiling
        self._target = target_seconds
        self._limit = limit
        self._adjusted: float | None = None

    @property
    def rate(self) -> float:
        """Events per second now."""
        return self._sender.rate

    def due(self, now: float, waiting: int) -> int:
        if self._adjusted is None:
            self._adjusted = now
        elif now - self._adjusted >= self._ADJUST_EVERY:
            self._adjusted = now
            rate = self.rate * (0.85 if waiting > self._good() else 1.05)
            self._sender.rate = min(max(rate, 10.0), self._ceiling)
        return max(0, min(self._sender.due(now, waiting), self._limit - waiting, round(2 * self._good()) - waiting))

    def _good(self) -> float:
        # The constant: at a low rate a single micro-batch would look like a queue.
        return self._target * self.rate + 32
