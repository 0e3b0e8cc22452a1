"""How the item of an event stands among the candidates and in the list that the event tests."""

from __future__ import annotations

from models.jit import kernel
from models.knowledge.arrays import position
from models.retrieval.select import TAKEN


@kernel
def stand(slot, slots, found, shares, best, listed):
    """How the item of an event stands in the list that the event tests.

    Parameters
    ----------
    slot : of the event's item, 0 where it is unknown.
    slots, found, shares : of the candidates.
    best : positions of the list's items among them, best first.
    listed : int32[2, len(best)], receives the slots of the list and which sources proposed them.

    Returns
    -------
    Position of the item among the candidates, -1 where it is none; its 1-based rank in the list, 0 where it is not
    there; and the sum of the list's shares.
    """
    row = position(slot, slots) if slot else -1
    promise = 0.0
    for i in range(len(best)):
        listed[0, i] = slots[best[i]]
        listed[1, i] = found[best[i]] & (TAKEN - 1)
        promise += shares[best[i]]
    return row, position(row, best) + 1 if row >= 0 else 0, promise
