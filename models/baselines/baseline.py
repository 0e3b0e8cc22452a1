"""What every baseline is, and how a list that is too short is filled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from models.interaction import Interaction

MAX_ITEMS = 200_000
MAX_USERS = 200_000
"""Items and users that a baseline remembers; those touched longest ago give way."""


class Baseline(Protocol):
    """Ranks items for a user, then learns what came."""

    def recommend(self, user: int, k: int) -> list[str]:
        """The best k items, best first."""
        ...

    def learn(self, event: Interaction) -> None:
        """Take the event."""
        ...


def filled(items: Sequence[str], more: Iterable[str], k: int) -> list[str]:
    """The first k of `items` and of what `more` adds to them.

    >>> filled(["b"], ["a", "b", "c"], k=2)
    ['b', 'a']
    """
    known = set(items)
    return list(islice((*items, *(item for item in more if item not in known)), k))
