"""What an evaluation writes down of every row: compact columns, from which every figure is computed at the end."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.evaluation.catalogue import Catalogue
from models.interaction import Interaction
from models.lists import Learned


class Trace:
    """The lists of one recommender: a row each.

    Attributes
    ----------
    ranks : 1-based rank of the item that came in the list, which may be longer than k; 0 is a miss.
    novelties, diversities : of the first k items, see `Catalogue`; nan where undefined.
    seconds : to predict and to learn.
    last_shown : of each item, the last row in whose first k it was.
    """

    def __init__(self) -> None:
        self.ranks = array("h")
        self.novelties, self.diversities, self.seconds = array("f"), array("f"), array("f")
        self.last_shown: dict[str, int] = {}

    def take(self, items: Sequence[str], item: str, k: int, catalogue: Catalogue, seconds: float) -> None:
        """Append a row.

        Parameters
        ----------
        items : the list that stood before the row, at least k items long where there were that many.
        item : what came.
        catalogue : as it stood before the row.
        """
        shown = items[:k]
        self.last_shown.update(dict.fromkeys(shown, len(self.ranks)))
        self.ranks.append(items.index(item) + 1 if item in items else 0)
        self.novelties.append(catalogue.novelty(shown))
        self.diversities.append(catalogue.diversity(shown))
        self.seconds.append(seconds)


class Rows:
    """What happened in each row, and where our candidates came from.

    Attributes
    ----------
    user_events : events of the user before the row.
    event_type : `EventType`.
    repeat : whether the user had touched the item before.
    new_item : whether nobody had.
    recalled, found : whether the item was among the candidates, and which sources had proposed it (bits).
    shown, shown_found : number of items in our list (its first k), and for each of them the sources' bits.
    trainer_seconds : the trainer's part.
    """

    def __init__(self) -> None:
        self.user_events = array("l")
        self.event_type, self.repeat, self.new_item, self.recalled = array("b"), array("b"), array("b"), array("b")
        self.found, self.shown_found = array("i"), array("i")
        self.shown = array("h")
        self.trainer_seconds = array("f")
        self._touched: dict[int, set[str]] = {}

    def take(self, event: Interaction, learned: Learned, k: int, trainer_seconds: float) -> None:
        """Append a row."""
        touched = self._touched.setdefault(event.user, set())
        self.user_events.append(learned.user_events)
        self.event_type.append(event.event_type)
        self.repeat.append(event.item_id in touched)
        self.new_item.append(learned.new_item)
        self.recalled.append(learned.recalled)
        self.found.append(learned.found)
        bits = learned.items_found[:k]
        self.shown.append(len(bits))
        self.shown_found.frombytes(bits.tobytes())
        self.trainer_seconds.append(trainer_seconds)
        touched.add(event.item_id)


def numbers(column: array[int], start: int = 0) -> NDArray[np.int64]:
    """A column as int64, from row `start` on.

    >>> numbers(array("b", [1, 2, 3]), start=1).tolist()
    [2, 3]
    """
    return np.array(column, dtype=np.int64)[start:]
