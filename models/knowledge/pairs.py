"""What goes with what: per item up to 128 partners with several decayed weights each, from which all rules are read.

    next   directly after it in one session                      half life `slow`
    slow   after it in one session, 1 / distance                 half life `slow`
    fast   the same                                              half life `fast`
    cross  after it, over the user's last ten items, 1 / distance, sessions apart or not; half life `slow`
    back   before it, weighted like `cross`

Sequential rules: Kamehkhosh, Jannach, Ludewig 2017. Weights of a row decay together, lazily, when the row is touched.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from models.knowledge.blocks import Blocks, release, widen

KINDS = 5
NEXT, SLOW, FAST, CROSS, BACK = range(KINDS)
CONTEXT = 10
"""Items of a user that a new event is paired with."""


class Pairs:
    """The pair table: a row of partners per item slot, that widens as partners come.

    Parameters
    ----------
    rows : item slots.
    width, shared : most partners of an item, and the cells for which all items compete beyond their first eight.

    Attributes
    ----------
    blocks : where each row lies.
    partner : int32[cells], references (generation and slot), 0 is free.
    weight : float32[cells, KINDS], as of `stamp`; zero in a free cell.
    total : float32[rows, KINDS], of all partners ever, decayed likewise.
    stamp : int64[rows], the event number at which the row was last brought up to date.
    """

    def __init__(self, rows: int, width: int, shared: int) -> None:
        self.blocks = Blocks(rows, width, shared)
        self.partner = np.zeros(self.blocks.cells, np.int32)
        self.weight = np.zeros((self.blocks.cells, KINDS), np.float32)
        self.total = np.zeros((rows, KINDS), np.float32)
        self.stamp = np.zeros(rows, np.int64)

    def discount(self, kept: float, used: int) -> None:
        """Keep so much, 0 to 1, of the weights in the rows of the first `used` slots, as if they had decayed."""
        self.weight[: self.blocks.top] *= np.float32(kept)
        self.total[:used] *= np.float32(kept)

    def clear(self, slot: int) -> None:
        """Forget a row whose slot goes to another item."""
        start, width = self.blocks.row[slot].tolist()
        if width:
            self.weight[start : start + width] = 0
            release(start, width, self.blocks.pool, self.partner)
        self.blocks.row[slot] = 0
        self.total[slot] = 0


@kernel
def refresh(slot, event, slow, fast, row, weight, total, stamp):
    """Decay row `slot` to `event`."""
    elapsed = event - stamp[slot]
    stamp[slot] = event
    if elapsed <= 0 or total[slot, CROSS] + total[slot, BACK] == 0:
        return
    kept_slow = np.float32(2.0 ** (-elapsed / slow))
    kept_fast = np.float32(2.0 ** (-elapsed / fast))
    start, width = row[slot, 0], row[slot, 1]
    for kind in range(KINDS):
        total[slot, kind] *= kept_fast if kind == FAST else kept_slow
    for cell in range(start, start + width):
        for kind in range(KINDS):
            weight[cell, kind] *= kept_fast if kind == FAST else kept_slow


@kernel
def place(slot, reference, row, pool, partner, weight):
    """Cell of a partner in row `slot`; a new one takes a free cell or that of the weakest."""
    start, width = row[slot, 0], row[slot, 1]
    for cell in range(start, start + width):
        if partner[cell] == reference:
            return cell
        if partner[cell] == 0:
            partner[cell] = reference
            return cell
    if widen(slot, row, pool, partner):
        wider = row[slot, 0]
        weight[wider : wider + width] = weight[start : start + width]
        weight[start : start + width] = 0
        partner[wider + width] = reference
        return wider + width
    weakest = start
    least = np.float32(np.inf)
    for cell in range(start, start + width):
        value = weight[cell, CROSS] + weight[cell, BACK] + weight[cell, SLOW]
        if value < least:
            least = value
            weakest = cell
    partner[weakest] = reference
    weight[weakest] = 0
    return weakest


@kernel
def learn_pairs(reference, context, in_session, event, slow, fast, row, pool, partner, weight, total, stamp):
    """Pair the item just chosen with the user's last items.

    Parameters
    ----------
    reference : of the item just chosen.
    context : int32, references of the user's last items, latest first, valid ones only.
    in_session : how many of `context` belong to the current session.
    """
    slot = reference & 0xFFFFFF
    if len(context) == 0:
        return
    refresh(slot, event, slow, fast, row, weight, total, stamp)
    for i in range(len(context)):
        other = context[i]
        if other == reference:
            continue
        other_slot = other & 0xFFFFFF
        near = np.float32(1.0 / (i + 1))
        refresh(other_slot, event, slow, fast, row, weight, total, stamp)
        at = place(other_slot, reference, row, pool, partner, weight)
        weight[at, CROSS] += near
        total[other_slot, CROSS] += near
        if i < in_session:
            weight[at, SLOW] += near
            total[other_slot, SLOW] += near
            weight[at, FAST] += near
            total[other_slot, FAST] += near
            if i == 0:
                weight[at, NEXT] += 1
                total[other_slot, NEXT] += 1
        at = place(slot, other, row, pool, partner, weight)
        weight[at, BACK] += near
        total[slot, BACK] += near
