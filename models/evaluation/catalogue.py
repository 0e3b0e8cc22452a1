"""What the evaluation itself keeps of the items, to say how novel and how diverse a list is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from models.interaction import CatalogueItem, Interaction


class Catalogue:
    """Counts and categories of the items so far, those of the rows before the list alone.

    Examples
    --------
    >>> catalogue = Catalogue()
    >>> for item, category in [("a", "x"), ("a", "x"), ("b", "x"), ("c", "y")]:
    ...     catalogue.take(Interaction(1, item, 0, 0, category))
    >>> catalogue.novelty(["a", "b"])  # shares of 2/4 and 1/4 are 1 and 2 bits
    1.5
    >>> round(catalogue.diversity(["a", "b", "c"]), 3)  # two of three pairs differ
    0.667
    """

    def __init__(self) -> None:
        self._events = 0
        self._count: dict[str, int] = {}
        self._log_count: dict[str, float] = {}
        self._category: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._count)

    def announce(self, item: CatalogueItem) -> None:
        """Take what the catalogue says of an item."""
        self._count.setdefault(item.item_id, 0)
        if item.category:
            self._category[item.item_id] = item.category

    def take(self, event: Interaction) -> None:
        """Count an event."""
        self._events += 1
        count = self._count[event.item_id] = self._count.get(event.item_id, 0) + 1
        self._log_count[event.item_id] = math.log2(count)
        if event.category:
            self._category[event.item_id] = event.category

    def novelty(self, items: Sequence[str]) -> float:
        """Mean self-information -log2(share of all events) of the items, bits; nan for an empty list.

        Vargas and Castells 2011. An item that nobody has touched counts as touched once.
        """
        if not items or not self._events:
            return math.nan
        known = self._log_count
        return math.log2(self._events) - sum([known.get(item, 0.0) for item in items]) / len(items)

    def diversity(self, items: Sequence[str]) -> float:
        """Share of the pairs of items with a known category whose categories differ; nan without a pair.

        Intra-list diversity (Ziegler et al. 2005) under the distance 1 between two categories.
        """
        kinds = Counter(filter(None, map(self._category.get, items)))
        n = kinds.total()
        if n < 2:
            return math.nan
        return 1.0 - sum([count * (count - 1) for count in kinds.values()]) / (n * (n - 1))
