"""Guarantees after ranking: what must not be shown, how alike a list may be, and how much of it explores.

A filter holds for every list, whatever the scores say; a list is rather shorter than k than in breach of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.jit import kernel
from models.knowledge.arrays import spread

Floats = NDArray[np.float32]
Slots = NDArray[np.int32]

_STEP = np.uint64(0x9E3779B97F4A7C15)  # between the states of SplitMix64


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """Rules for every list; the defaults let everything pass.

    Attributes
    ----------
    filter_seen, filter_purchased : keep out what the user chose or bought, as far as the record remembers (36 items).
    repeatable : categories of consumables, which the two filters let pass.
    blocked : item ids never shown.
    category_cap : at most so many items of one known category in a list, 0 is no cap.
    diversity : 0 ranks by score alone, towards 1 ever more by unlikeness to what is in the list already
        (maximal marginal relevance, Carbonell and Goldstein 1998).
    exploration : probability, at each place of the list, of an item drawn evenly from the other candidates.
    newcomer_places : at least so many of a list are items that nobody has touched, while there are any; those that
        their score does not bring into the list take its last places, the best first.
    """

    filter_seen: bool = False
    filter_purchased: bool = False
    repeatable: frozenset[str] = field(default_factory=frozenset)
    blocked: frozenset[str] = field(default_factory=frozenset)
    category_cap: int = 0
    diversity: float = 0.0
    exploration: float = 0.0
    newcomer_places: int = 0

    def __post_init__(self) -> None:
        shares_are = 0 <= self.diversity <= 1 and 0 <= self.exploration <= 1
        if min(self.category_cap, self.newcomer_places) < 0 or not shares_are:
            raise ValueError(
                "category_cap and newcomer_places must not be negative; diversity and exploration lie within [0, 1]"
            )

    @property
    def active(self) -> bool:
        """Whether any of them may change a list."""
        kept_out = self.filter_seen or self.filter_purchased or self.blocked
        return bool(kept_out or self.category_cap or self.diversity or self.exploration or self.newcomer_places)


class Placed(NamedTuple):
    """A list: positions among the candidates, best first, and the probability with which each got its place."""

    positions: list[int]
    propensities: list[float]


def arrange(
    scores: Floats,
    allowed: NDArray[np.bool_],
    newcomer: NDArray[np.bool_],
    category: Slots,
    vector: Floats,
    k: int,
    rules: RulesConfig,
    seed: int,
) -> Placed:
    """Choose at most k candidates in order.

    Parameters
    ----------
    scores : [n]; allowed : [n], candidates that no filter keeps out; newcomer : [n], those that nobody has touched.
    category : [n], 0 is unknown and not capped; vector : [n, d] unit content vectors, zero is unknown;
        without diversity they are not looked at.
    seed : of the exploration.

    Examples
    --------
    >>> scores, everything = np.array([3, 2, 1], np.float32), np.array([True, True, True])
    >>> newcomer, categories = np.array([False, False, True]), np.array([1, 1, 2], np.int32)
    >>> rest = categories, np.zeros((3, 2), np.float32), 2
    >>> arrange(scores, everything, newcomer, *rest, RulesConfig(), seed=0).positions
    [0, 1]
    >>> arrange(scores, everything, newcomer, *rest, RulesConfig(newcomer_places=1), seed=0).positions
    [0, 2]
    """
    relevance = scores
    if rules.diversity:
        low, high = float(scores.min(initial=0)), float(scores.max(initial=0))
        relevance = ((1 - rules.diversity) * (scores - low) / max(high - low, 1e-9)).astype(np.float32)
    positions, propensities = np.empty(min(k, len(scores)), np.int64), np.empty(min(k, len(scores)))
    placed = fill(
        relevance,
        allowed.copy(),
        newcomer,
        category,
        vector,
        rules.category_cap,
        rules.diversity,
        rules.exploration,
        rules.newcomer_places,
        np.uint64(seed),
        positions,
        propensities,
    )
    return Placed(positions[:placed].tolist(), propensities[:placed].tolist())


@kernel
def fill(
    relevance, free, newcomer, category, vector, category_cap, diversity, exploration, newcomer_places, seed,
    positions, propensities,
):  # fmt: skip
    """Fill `positions` one by one with the best that is still `free`; returns how many there were.

    Of equally good ones the earlier is taken. `free` is used up.
    """
    n = len(relevance)
    closest = np.zeros(n, np.float32)  # likeness of each to the most alike in the list
    left = 0
    for i in range(n):
        left += free[i]
    placed = 0
    while placed < len(positions) and left > 0:
        eligible = free
        choices = left
        if newcomer_places > 0:
            waiting = free & newcomer
            among = 0
            for i in range(n):
                among += waiting[i]
            if among > 0 and min(newcomer_places, among) >= len(positions) - placed:
                eligible = waiting
                choices = among
        chosen = -1
        highest = np.float32(0)
        for i in range(n):
            value = np.float32(relevance[i] - diversity * closest[i])
            if eligible[i] and (chosen < 0 or value > highest):
                chosen = i
                highest = value
        propensity = 1.0
        if exploration > 0:
            best = chosen
            seed = spread(seed + _STEP)
            if _uniform(seed) < exploration:
                seed = spread(seed + _STEP)
                chosen = _nth(eligible, int(_uniform(seed) * choices))
            propensity = exploration / choices + (1 - exploration) * (chosen == best)
        newcomer_places -= newcomer[chosen]
        positions[placed] = chosen
        propensities[placed] = propensity
        placed += 1
        free[chosen] = False
        left -= 1
        kind = category[chosen]
        alike = 0
        for i in range(placed):
            alike += category[positions[i]] == kind
        if kind > 0 and category_cap > 0 and alike >= category_cap:
            for i in range(n):
                if free[i] and category[i] == kind:
                    free[i] = False
                    left -= 1
        if diversity > 0:
            for i in range(n):
                likeness = np.float32(kind > 0 and category[i] == kind)
                if free[i] and likeness < 1:
                    product = np.float32(0)
                    for d in range(vector.shape[1]):
                        product += vector[i, d] * vector[chosen, d]
                    likeness = max(likeness, product)
                closest[i] = max(closest[i], likeness)
    return placed


@kernel
def _uniform(bits):
    """A number in [0, 1) from 64 random bits."""
    return np.float64(bits >> np.uint64(11)) / 9007199254740992.0


@kernel
def _nth(free, number):
    """Position of the free candidate before which there are `number` others."""
    for i in range(len(free)):
        if free[i]:
            if number == 0:
                return i
            number -= 1
    return -1
