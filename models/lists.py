"""What the recommender hands out: ranked items, and what it has to say of an event that it learned.

Named tuples: these are made for every event, and a frozen dataclass costs four times as much to make.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.shadow import Comparison
from schemas.training import TrainingExample


class Ranked(NamedTuple):
    """One recommended item; `reasons` are (feature, contribution), the strongest first."""

    item_id: str
    score: float
    reasons: tuple[tuple[str, float], ...] = ()
    propensity: float | None = None


class Learned(NamedTuple):
    """What `Recommender.learn` predicted just before it learned.

    Attributes
    ----------
    rank : 1-based rank of the event's item in `items`, None where it is not there.
    promise : sum of the softmax shares of `items`: with what probability one of the candidates chosen is there.
    shown_rank, had_shown : the same for the list that the user was last shown, if there was one.
    popularity_rank : in the top k by popularity.
    unadapted_rank : among the same candidates with user knowledge neutralised; None where none was shown, too.
    log_loss : of the item among the candidates, nats; None where it was not `recalled`.
    new_item : nobody had touched the item before.
    user_events : events of the user before this one.
    found : bit s set where `SOURCES[s]` proposed the event's item, 0 where it was not `recalled`.
    items_found : int32[len(items)], the same for each item of the list.
    comparisons : with the versions in the shadow, on events whose turn it was.
    """

    rank: int | None
    promise: float
    items: list[str]
    shown_rank: int | None
    had_shown: bool
    popularity_rank: int | None
    unadapted_rank: int | None
    log_loss: float | None
    recalled: bool
    new_item: bool
    user_events: int
    example: TrainingExample | None
    found: int
    items_found: NDArray[np.int32]
    comparisons: tuple[Comparison, ...]
