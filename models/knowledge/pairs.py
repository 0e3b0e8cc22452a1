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
from models.knowledge.arrays import grown

KINDS = 5
NEXT, SLOW, FAST, CROSS, BACK = range(KINDS)
CONTEXT = 10
"""Items of a user that a new event is paired with."""
MIN_WIDTH = 16


class Pairs:
    """The pair table; a row per item slot, narrower in a catalogue so large that full rows would not fit `cells`.

    Attributes
    ----------
    partner : int32[items, width], references (generation and slot), 0 is free.
    weight : float32[items, KINDS, width], as of `stamp`.
    total : float32[items, KINDS], of all partners ever, decayed likewise.
    stamp : int64[items], the event number at which the row was last brought up to date.
    """

    def __init__(self, width: int, cells: int) -> None:
        self._cells = cells
        self.partner = np.zeros((1, width), np.int32)
        self.weight = np.zeros((1, KINDS, width), np.float32)
        self.total = np.zeros((1, KINDS), np.float32)
        self.stamp = np.zeros(1, np.int64)

    def grow(self, rows: int) -> None:
        """Make room for `rows` item slots; rows that have become too wide keep their strongest partners."""
        width = self.partner.shape[1]
        while rows * width > self._cells and width > MIN_WIDTH:
            width //= 2
        if width < self.partner.shape[1]:
            narrow(width, self.partner, self.weight)
            self.partner = self.partner[:, :width]
            self.weight = self.weight[:, :, :width]
        self.partner, self.weight = grown(self.partner, rows), grown(self.weight, rows)
        self.total, self.stamp = grown(self.total, rows), grown(self.stamp, rows)

    def clear(self, slot: int) -> None:
        """Forget a row whose slot goes to another item."""
        self.partner[slot] = 0
        self.weight[slot] = 0
        self.total[slot] = 0


@kernel
def narrow(width, partner, weight):
    """Bring the strongest partners of every row into its first `width` places."""
    for slot in range(len(partner)):
        if partner[slot, width] == 0:  # rows fill from the left: this one fits
            continue
        strongest = np.argsort(-(weight[slot, CROSS] + weight[slot, BACK] + weight[slot, SLOW]))[:width]
        partner[slot, :width] = partner[slot][strongest]
        for kind in range(KINDS):
            weight[slot, kind, :width] = weight[slot, kind][strongest]


@kernel
def refresh(slot, event, slow, fast, partner, weight, total, stamp):
    """Decay row `slot` to `event`."""
    elapsed = event - stamp[slot]
    stamp[slot] = event
    if elapsed <= 0 or total[slot, CROSS] + total[slot, BACK] == 0:
        return
    kept_slow = np.float32(2.0 ** (-elapsed / slow))
    kept_fast = np.float32(2.0 ** (-elapsed / fast))
    for kind in range(KINDS):
        kept = kept_fast if kind == FAST else kept_slow
        total[slot, kind] *= kept
        row = weight[slot, kind]
        for i in range(len(row)):
            row[i] *= kept


@kernel
def place(slot, reference, partner, weight):
    """Position of a partner in row `slot`; a new one takes a free position or that of the weakest."""
    row = partner[slot]
    for i in range(len(row)):
        if row[i] == reference:
            return i
        if row[i] == 0:
            row[i] = reference
            return i
    weakest = 0
    least = np.float32(np.inf)
    for i in range(len(row)):
        value = weight[slot, CROSS, i] + weight[slot, BACK, i] + weight[slot, SLOW, i]
        if value < least:
            least = value
            weakest = i
    row[weakest] = reference
    for kind in range(KINDS):
        weight[slot, kind, weakest] = 0
    return weakest


@kernel
def learn_pairs(reference, context, in_session, event, slow, fast, partner, weight, total, stamp):
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
    refresh(slot, event, slow, fast, partner, weight, total, stamp)
    for i in range(len(context)):
        other = context[i]
        if other == reference:
            continue
        other_slot = other & 0xFFFFFF
        near = np.float32(1.0 / (i + 1))
        refresh(other_slot, event, slow, fast, partner, weight, total, stamp)
        at = place(other_slot, reference, partner, weight)
        weight[other_slot, CROSS, at] += near
        total[other_slot, CROSS] += near
        if i < in_session:
            weight[other_slot, SLOW, at] += near
            total[other_slot, SLOW] += near
            weight[other_slot, FAST, at] += near
            total[other_slot, FAST] += near
            if i == 0:
                weight[other_slot, NEXT, at] += 1
                total[other_slot, NEXT] += 1
        at = place(slot, other, partner, weight)
        weight[slot, BACK, at] += near
        total[slot, BACK] += near
