"""Floods in the merged stream of all workers: changes of the traffic that people should know apart from drift.

A sudden share of new items, of new users or of one single item lowers the hit rate, too, but tells that something
happens outside: an import, a campaign, a bot. They are named as evidence and start nothing by themselves.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from models.drift import Alarm

EVENTS = 500  # over which the shares are measured; what is usual is that of ten times as many before
RISE = 0.15  # of a share, that is named


@dataclass(frozen=True, slots=True)
class Traffic:
    """A few successive events of one worker; those of several workers are taken one after the other.

    Attributes
    ----------
    items : a hash of each event's item.
    new_items, new_users : events on items that nobody, by users who never, had acted before.
    """

    items: tuple[int, ...]
    new_items: int
    new_users: int


class Floods:
    """Shares of the last events beside the usual ones.

    Examples
    --------
    >>> floods, alarms = Floods(), []
    >>> for t in range(0, 6_000, 20):
    ...     items = tuple(range(t, t + 20)) if t < 4_000 else (7,) * 20
    ...     alarms += [(t, alarm.name) for alarm in floods.update(Traffic(items, 0, 0))]
    >>> alarms
    [(4060, 'item_spike')]
    """

    def __init__(self) -> None:
        self._recent, self._usual = _Span(EVENTS), _Span(10 * EVENTS)
        self.names: tuple[str, ...] = ()
        """What stands higher than usual at present."""

    def update(self, traffic: Traffic) -> list[Alarm]:
        """Take some events; returns an alarm for each flood that has just begun."""
        for old in self._recent.push(traffic):
            self._usual.push(old)
        before, self.names = self.names, ()
        if self._usual.events < EVENTS:
            return []
        raised = [alarm for alarm in self._shares() if alarm.after - alarm.before > RISE]
        self.names = tuple(alarm.name for alarm in raised)
        return [alarm for alarm in raised if alarm.name not in before]

    def _shares(self) -> list[Alarm]:
        recent, usual = self._recent, self._usual
        item, count = recent.items.most_common(1)[0]
        counts = {
            "new_items": (usual.new_items, recent.new_items),
            "new_users": (usual.new_users, recent.new_users),
            "item_spike": (usual.items[item], count),
        }
        return [
            Alarm(name, "evidence", "share", before / usual.events, now / recent.events, recent.events)
            for name, (before, now) in counts.items()
        ]


class _Span:
    """The last events, about so many, and their sums."""

    def __init__(self, length: int) -> None:
        self.events = self.new_items = self.new_users = 0
        self.items: Counter[int] = Counter()
        self._length = length
        self._held: deque[Traffic] = deque()

    def push(self, traffic: Traffic) -> list[Traffic]:
        """Take events; returns those that fell out."""
        self._held.append(traffic)
        self._count(traffic, 1)
        fallen = []
        while self.events > self._length:
            fallen.append(self._held.popleft())
            self._count(fallen[-1], -1)
        return fallen

    def _count(self, traffic: Traffic, sign: int) -> None:
        self.events += sign * len(traffic.items)
        self.new_items += sign * traffic.new_items
        self.new_users += sign * traffic.new_users
        for item in traffic.items:
            self.items[item] += sign
            if not self.items[item]:
                del self.items[item]
