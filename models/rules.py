"""Guarantees after ranking: what must not be shown, how alike a list may be, and how much of it explores.

A filter holds for every list, whatever the scores say; a list is rather shorter than k than in breach of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Slots = NDArray[np.int32]


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
    """

    filter_seen: bool = False
    filter_purchased: bool = False
    repeatable: frozenset[str] = field(default_factory=frozenset)
    blocked: frozenset[str] = field(default_factory=frozenset)
    category_cap: int = 0
    diversity: float = 0.0
    exploration: float = 0.0

    def __post_init__(self) -> None:
        if self.category_cap < 0 or not 0 <= self.diversity <= 1 or not 0 <= self.exploration <= 1:
            raise ValueError("category_cap must not be negative; diversity and exploration lie within [0, 1]")


@dataclass(frozen=True, slots=True)
class Placed:
    """A list: positions among the candidates, best first, and the probability with which each got its place."""

    positions: list[int]
    propensities: list[float]


def arrange(
    scores: Floats, allowed: NDArray[np.bool_], category: Slots, vector: Floats, k: int, rules: RulesConfig, seed: int
) -> Placed:
    """Choose at most k candidates in order.

    Parameters
    ----------
    scores : [n]; allowed : [n], candidates that no filter keeps out.
    category : [n], 0 is unknown and not capped; vector : [n, d] unit content vectors, zero is unknown.
    seed : of the exploration.

    Examples
    --------
    >>> scores, everything = np.array([3, 2, 1], np.float32), np.array([True, True, True])
    >>> categories, content = np.array([1, 1, 2], np.int32), np.zeros((3, 2), np.float32)
    >>> arrange(scores, everything, categories, content, 2, RulesConfig(category_cap=1), seed=0).positions
    [0, 2]
    """
    rng = np.random.Generator(np.random.PCG64(seed)) if rules.exploration else None
    open_ = allowed.copy()
    taken: dict[int, int] = {}
    closest = np.zeros(len(scores), np.float32)
    relevance = scores
    if rules.diversity:
        low, high = float(scores.min(initial=0)), float(scores.max(initial=0))
        relevance = (1 - rules.diversity) * (scores - low) / max(high - low, 1e-9)
    placed = Placed([], [])
    order = np.argsort(-relevance, kind="stable")
    while len(placed.positions) < k and open_.any():
        if rules.diversity:
            order = np.argsort(-(relevance - rules.diversity * closest), kind="stable")
        chosen = int(order[np.argmax(open_[order])])
        propensity = 1.0
        if rng is not None:
            rest = np.flatnonzero(open_)
            share = rules.exploration / len(rest)
            if rng.random() < rules.exploration:
                drawn = int(rest[rng.integers(len(rest))])
                propensity = share + (1 - rules.exploration) * (drawn == chosen)
                chosen = drawn
            else:
                propensity = 1 - rules.exploration + share
        placed.positions.append(chosen)
        placed.propensities.append(propensity)
        open_[chosen] = False
        if rules.diversity:
            alike = np.maximum(vector @ vector[chosen], (category == category[chosen]) & (category > 0))
            closest = np.maximum(closest, alike.astype(np.float32))
        kind = int(category[chosen])
        taken[kind] = taken.get(kind, 0) + 1
        if kind and rules.category_cap and taken[kind] >= rules.category_cap:
            open_ &= category != kind
    return placed
