"""Which events wait for their recommendation, and how long each waited."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_KEPT = 200_000  # latencies kept for the quantiles
_EARLY = 10_000  # answers kept that arrived before the acknowledgement of their event


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class _Open(NamedTuple):
    place: Place
    timestamp_ms: int
    at: float


class Backlog:
    """Matches events with the recommendations that take them into account.

    A worker writes one recommendation per user and micro-batch, which names the last event it rests on. It covers that
    event and all that the user did before. Workers order a user's topics by the records' timestamps, and so does this:
    acknowledgements of two topics may arrive in another order.

    Examples
    --------
    >>> backlog = Backlog()
    >>> backlog.sent("ada", Place("clicks", 0, 7), timestamp_ms=1_000, at=1.0)
    >>> backlog.sent("ada", Place("clicks", 0, 8), timestamp_ms=1_500, at=1.5)
    >>> backlog.waiting
    2
    >>> backlog.answered("ada", Place("clicks", 0, 8), at=1.75)
    >>> backlog.waiting, list(backlog.latencies)
    (0, [0.75, 0.25])
    """

    def __init__(self) -> None:
        self.waiting = 0
        self.latencies: deque[float] = deque(maxlen=_KEPT)
        self._open: dict[str, list[_Open]] = {}
        self._early: dict[Place, float] = {}

    def sent(self, user_id: str, place: Place, timestamp_ms: int, at: float) -> None:
        """Take an event that the broker acknowledged.

        Parameters
        ----------
        user_id : str
        place : Place
        timestamp_ms : int
            The record's timestamp.
        at : float
            Monotonic time of sending, in seconds.
        """
        self._open.setdefault(user_id, []).append(_Open(place, timestamp_ms, at))
        self.waiting += 1
        # The answer may be read before the acknowledgement: both come over different connections.
        answered = self._early.pop(place, None)
        if answered is not None:
            self.answered(user_id, place, answered)

    def answered(self, user_id: str, place: Place, at: float) -> None:
        """Take a recommendation that rests on the event at `place`, read at `at` (monotonic seconds)."""
        events = self._open.get(user_id, [])
        last = next((event for event in events if event.place == place), None)
        if last is None:
            self._early[place] = at
            if len(self._early) > _EARLY:
                del self._early[next(iter(self._early))]
            return
        covered = [event for event in events if event.timestamp_ms <= last.timestamp_ms]
        self.waiting -= len(covered)
        self.latencies.extend(at - event.at for event in covered)
        if rest := [event for event in events if event.timestamp_ms > last.timestamp_ms]:
            self._open[user_id] = rest
        else:
            del self._open[user_id]

    def quantile(self, share: float, newest: int | None = None) -> float | None:
        """Latency in seconds that a share of the events stayed below; None before the first answer.

        Parameters
        ----------
        share : float
            0.5 for the median.
        newest : int, optional
            Look at so many latest events only.
        """
        if not self.latencies:
            return None
        start = 0 if newest is None else max(0, len(self.latencies) - newest)
        ordered = sorted(list(self.latencies)[start:])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
