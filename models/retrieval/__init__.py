"""First stage: about 250 candidates with their raw features, for one user at one moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import F
from models.knowledge import Knowledge
from models.knowledge.popularity import LEADERS
from models.knowledge.tables import arguments, tables
from models.retrieval.request import answer
from models.retrieval.scratch import Scratch
from models.retrieval.select import CANDIDATES, FILL, LONG, SOURCES
from models.user_state import UserState

__all__ = ["SOURCES", "Candidates", "Retriever"]

Slots = NDArray[np.int32]
Floats = NDArray[np.float32]

_NOTHING = np.zeros(0, np.int32)
_PRIOR = 3.0  # events' worth of evidence that all users give about one


class Candidates(NamedTuple):
    """Views that the next request overwrites.

    Attributes
    ----------
    slots : int32[n] item slots.
    features : float32[n, F], raw; the numbers of one feature lie side by side.
    found : int32[n], bit s set where `SOURCES[s]` proposed the candidate.
    """

    slots: Slots
    features: Floats
    found: Slots


class Retriever:
    """Runs all sources over the knowledge; holds only scratch."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._reserve(CANDIDATES)

    def _reserve(self, candidates: int) -> None:
        """Get scratch for so many candidates."""
        knowledge, config = self.knowledge, self.knowledge.config
        items, categories = len(knowledge.items.hashes), config.max_categories + 1
        self._scratch = Scratch(items, categories, candidates, config.pairs_per_item, config.session_length)
        self._arrays = arguments(answer, vars(self._scratch) | tables(knowledge))

    def retrieve(
        self, state: UserState, now_ms: int, asked: str | None = None, among: Slots | None = None, k: int = 20
    ) -> Candidates:
        """Candidates for a user as of `now_ms`.

        Parameters
        ----------
        asked : category of the request.
        among : take exactly these slots instead of choosing about 256.
        k : length of the list that they are for.
        """
        knowledge = self.knowledge
        items, users, second, newcomers = knowledge.items, knowledge.users, knowledge.second, knowledge.newcomers
        if among is not None and len(among) > len(self._scratch.chosen):
            self._reserve(len(among))
        event, usual_rate = knowledge.event, knowledge.repeat_rate
        evidence = state.events + _PRIOR
        repeats = state.repeats / evidence
        opens = state.starts_session(now_ms)
        n = answer(
            *self._arrays,
            items.table.keys,
            items.table.values,
            users.table.keys,
            users.table.values,
            second.context,
            second.total,
            second.successor,
            second.weight,
            event,
            knowledge.session,
            knowledge.met,
            knowledge.slow_half_life,
            knowledge.config.fast_half_life,
            len(items),
            knowledge.price_mean,
            newcomers.usual(event),
            newcomers.present,
            usual_rate,
            knowledge.repeats_in_session,
            state.items,
            state.order,
            state.last,
            state.touched,
            state.count,
            state.interval,
            state.kinds,
            np.uint64(state.user or 1),
            state.events,
            repeats,
            repeats + _PRIOR * usual_rate / evidence,
            now_ms,
            opens,
            0 if opens else state.session_length,
            state.gap_ms(now_ms) / 1000.0,
            knowledge.categories.numbers.get(asked or "", 0),
            _NOTHING if among is None else among,
            among is None,
            FILL if k <= LONG else LEADERS,
        )
        scratch = self._scratch
        features = scratch.numbers[: F * n].reshape(F, n).T
        return Candidates(scratch.candidates[:n], features, scratch.sources[:n])
