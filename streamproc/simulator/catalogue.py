"""The items of the simulated world: popularity, content, what goes with what, birth and fading."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamproc.simulator.config import WorldConfig
from streamproc.simulator.events import Announcement

CATEGORY_NAMES = (
    *("shirts", "trousers", "dresses", "shoes", "jackets", "bags", "hats", "scarves", "belts", "socks", "watches"),
    *("gloves", "books", "lamps", "chairs", "mugs", "plants", "games", "pens", "toys"),
)
_LOOKS = ("plain", "striped", "dotted", "bright", "dark", "soft", "light", "warm", "classic", "modern")

# A successor is taken with these probabilities: one obvious companion and a few others, as co-visitation counts of
# shops show it.
_FOLLOW = np.cumsum([0.45, 0.25, 0.15, 0.1, 0.05])
_STRATUM = 10  # items of like popularity that may trade places in a drift
_NEVER = np.iinfo(np.int64).max


class Catalogue:
    """All items that ever were, as parallel arrays; an item's row number is its identity inside the world."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator) -> None:
        n = config.items
        self._config = config
        self._rng = rng
        self.category: NDArray[np.int64] = np.arange(n) % config.categories
        rank = np.arange(n) // config.categories
        category_weight = 1 / np.sqrt(1 + np.arange(config.categories, dtype=np.float64))
        # Zipf within a category: the head is popular, the tail still matters.
        self.weight: NDArray[np.float64] = category_weight[self.category] / (1.0 + rank)
        self.vector: NDArray[np.float64] = rng.normal(size=(n, config.taste_dimensions))
        self.price: NDArray[np.float64] = np.round(rng.lognormal(3, 0.6, n), 2)
        self.successors: NDArray[np.int64] = np.array([self._draw_successors(item) for item in range(n)])
        self.live_from: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.fades_from: NDArray[np.int64] = np.full(n, _NEVER)
        self.heir: NDArray[np.int64] = np.arange(n)
        self.gone: NDArray[np.bool_] = np.zeros(n, dtype=bool)
        self.attraction: NDArray[np.float64] = self.weight.copy()
        self._members: list[NDArray[np.int64]] = []
        self._index_members()

    def __len__(self) -> int:
        return len(self.weight)

    def members(self, category: int) -> NDArray[np.int64]:
        """Rows of the items of a category that have not left the catalogue."""
        return self._members[category]

    def item_id(self, item: int) -> str:
        return f"item-{item:05d}"

    def row(self, item_id: str) -> int | None:
        """Row of an item that this world has announced, or None."""
        number = item_id.removeprefix("item-")
        return int(number) if number.isdecimal() and int(number) < len(self) else None

    def category_name(self, category: int) -> str:
        return CATEGORY_NAMES[category] if category < len(CATEGORY_NAMES) else f"category-{category}"

    def announcement(self, item: int, timestamp_ms: int) -> Announcement:
        """What the catalogue says of an item now."""
        name = self.category_name(int(self.category[item]))
        return Announcement(
            item_id=self.item_id(item),
            timestamp_ms=timestamp_ms,
            category=name,
            price=float(self.price[item]),
            title=f"{_LOOKS[item % len(_LOOKS)]} {name} no. {item}",
            vector=tuple(float(x) for x in np.round(self.vector[item], 3)),
            available=not self.gone[item],
        )

    def follow(self, item: int) -> int:
        """Draw what a user takes after `item`; a fading successor passes custom to the item that replaces it."""
        column = int(np.searchsorted(_FOLLOW, self._rng.random()))
        target = int(self.successors[item, min(column, len(_FOLLOW) - 1)])
        while True:
            heir = int(self.heir[target])
            unborn = not self.gone[heir] and self.attraction[heir] == 0
            if heir == target or unborn or self._rng.random() < self.attraction[target] / self.weight[target]:
                return target
            target = heir

    def refresh(self, number: int) -> list[int]:
        """Bring attractions up to event `number`; return the rows that leave the catalogue now."""
        age = np.maximum(0, number - self.fades_from)
        fade = np.where(self.fades_from == _NEVER, 1.0, 0.5 ** (age / self._config.fade_events))
        novelty = 1 + 0.5 ** ((number - self.live_from) / self._config.fade_events) * (self.live_from > 0)
        left = (fade < 0.5**4) & ~self.gone
        self.gone |= left
        hidden = self.gone | (number < self.live_from)
        self.attraction = np.where(hidden, 0.0, self.weight * fade * np.minimum(novelty, 2))
        if left.any():
            self._index_members()
        return [int(item) for item in np.flatnonzero(left)]

    def replace_one(self, number: int) -> int:
        """A new item appears and the item whose place it takes starts to fade; return the new row."""
        settled = np.flatnonzero((self.fades_from == _NEVER) & (self.live_from <= number))
        old = int(self._rng.choice(settled))
        new = len(self)
        lead = number + self._config.announce_lead
        self.fades_from[old] = lead
        self.heir[old] = new
        near = self.vector[old] + 0.5 * self._rng.normal(size=self.vector.shape[1])
        self.category = np.append(self.category, self.category[old])
        self.weight = np.append(self.weight, self.weight[old])
        self.vector = np.vstack([self.vector, near])
        self.price = np.append(self.price, np.round(self.price[old] * np.exp(self._rng.normal(0, 0.2)), 2))
        self.successors = np.vstack([self.successors, self.successors[old]])
        self.live_from = np.append(self.live_from, lead)
        self.fades_from = np.append(self.fades_from, _NEVER)
        self.heir = np.append(self.heir, new)
        self.gone = np.append(self.gone, False)
        self.attraction = np.append(self.attraction, 0.0)
        self._index_members()
        return new

    def reshuffle(self, share: float) -> None:
        """Let a share of the items trade their places in the transition structure.

        Only items of one category and of like popularity trade, so that what is popular stays popular: a model that
        learned what goes with what loses, a popularity list does not.
        """
        role = np.arange(len(self))
        for members in self._members:
            ranked = members[np.argsort(-self.weight[members], kind="stable")]
            for start in range(0, len(ranked), _STRATUM):
                stratum = ranked[start : start + _STRATUM]
                moved = stratum[self._rng.random(len(stratum)) < share]
                if 1 == len(moved) < len(stratum):  # it takes two to trade
                    moved = np.append(moved, self._rng.choice(stratum[stratum != moved[0]]))
                # A rotation of a random order, because a plain permutation would leave items where they were.
                order = self._rng.permutation(moved)
                role[order] = np.roll(order, 1)
        successors = np.empty_like(self.successors)
        successors[role] = role[self.successors]
        self.successors = successors

    def _draw_successors(self, item: int) -> NDArray[np.int64]:
        # The square root of the popularity: companions are popular, but not the same few for every item.
        same = self.category == self.category[item]
        appeal = np.sqrt(self.weight) * np.where(same, 1.0, 0.02)
        appeal[item] = 0.0
        return self._rng.choice(len(appeal), size=len(_FOLLOW), replace=False, p=appeal / appeal.sum())

    def _index_members(self) -> None:
        present = ~self.gone
        self._members = [np.flatnonzero((self.category == c) & present) for c in range(self._config.categories)]
