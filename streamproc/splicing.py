"""A real stream whose world changes at half of its rows: the drift that no real file brings on demand."""

import random
from collections import Counter
from collections.abc import Sequence

from streamproc.files import FileEvent

WINDOW = 5_000
_DECILES = 10


def spliced(events: Sequence[FileEvent], seed: int = 0) -> list[FileEvent]:
    """The first half as it is; in the second half the items trade places within deciles of their popularity.

    How popular items of a decile are stays about the same, and every item keeps its category and its latest price of
    the file; what goes with what, and who likes what, is new.

    >>> calm = [FileEvent(n, "u", item, "click", f"kind of {item}", 1.0) for n, item in enumerate("abcabc" * 2)]
    >>> changed = spliced(calm)
    >>> changed[:6] == calm[:6], changed[6:] == calm[6:], {event.category for event in changed if event.item_id == "a"}
    (True, False, {'kind of a'})
    """
    half = len(events) // 2
    count = Counter(event.item_id for event in events)
    described = {event.item_id: event for event in events}
    ranked = sorted(count, key=lambda item: (-count[item], item))
    size = -(-len(ranked) // _DECILES) if len(ranked) >= 2 * _DECILES else len(ranked)
    rng = random.Random(seed)
    other: dict[str, str] = {}
    for first in range(0, len(ranked), size or 1):
        decile = ranked[first : first + size]
        other |= dict(zip(decile, rng.sample(decile, len(decile)), strict=True))

    def traded(event: FileEvent) -> FileEvent:
        became = described[other[event.item_id]]
        return event._replace(item_id=became.item_id, category=became.category, price=became.price)

    return [*events[:half], *map(traded, events[half:])]


def around(row: int, rows: int) -> dict[str, tuple[int, int]]:
    """The windows before and after a change at `row`.

    >>> around(20_000, rows=40_000)
    {'before_splice': (15000, 20000), 'after_splice': (20000, 25000)}
    """
    return {"before_splice": (max(row - WINDOW, 0), row), "after_splice": (row, min(row + WINDOW, rows))}
