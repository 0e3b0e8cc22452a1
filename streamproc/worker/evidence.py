"""What a worker reports to the trainer about its lists and the versions, a few events at a time."""

import numpy as np

from models.interaction import Interaction, hash_id
from models.recommender import Learned
from models.shadow import Comparison
from schemas.evidence import Evidence, outcome

EVENTS = 20
"""Events of a record: what the trainer learns late, at most, from each worker."""


class EvidenceWindow:
    """Gathers events until a record is full."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._items: list[int] = []
        self._outcomes: list[int] = []
        self._new_items = self._new_users = 0
        self._compared: list[Comparison] = []

    def add(self, event: Interaction, learned: Learned) -> Evidence | None:
        """Take an event; returns the evidence of the last `EVENTS` when they are together."""
        self._items.append(hash_id(event.item_id) & 0xFFFFFFFF)
        hits = learned.rank is not None, learned.popularity_rank is not None
        self._outcomes.append(outcome(learned.promise, *hits))
        self._new_items += learned.new_item
        self._new_users += learned.user_events == 0
        self._compared += learned.comparisons
        return self._take(event.timestamp_ms) if len(self._items) == EVENTS else None

    def _take(self, timestamp_ms: int) -> Evidence:
        evidence = Evidence(
            timestamp_ms=timestamp_ms,
            new_items=self._new_items,
            new_users=self._new_users,
            items=np.array(self._items, np.uint32),
            outcomes=np.array(self._outcomes, np.uint8),
            shadow=np.array([each.shadow for each in self._compared], np.uint32),
            serving=np.array([each.serving for each in self._compared], np.uint32),
            gain=np.array([each.gain for each in self._compared], np.float32),
        )
        self._clear()
        return evidence
