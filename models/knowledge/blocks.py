"""Rows of very different lengths in one array: each in a block of 8, 16 ... cells that doubles when it is full.

Most items of a large catalogue have few partners, a few have all that a row may hold. Blocks give each row what it
needs; a block left behind waits, by its width, for the next row that wants one.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel

NARROWEST = 8
_TOP, _LIMIT, _WIDEST, _FREE = range(4)  # the places of `pool`; from _FREE on, the first free block of each width


class Blocks:
    """Where each row lies in arrays of `cells` cells that its owner keeps beside it.

    Parameters
    ----------
    rows : number of rows; each of them can have its narrowest block whatever the others took.
    widest : of a row, a power of two.
    shared : cells for which all rows compete when they widen; when they are used up, rows stay as wide as they are.

    Attributes
    ----------
    cells : int, length of the arrays.
    row : int64[rows, 2], start and width of each row; width 0 has no block yet.
    pool : int64[...], see the kernels.
    """

    def __init__(self, rows: int, widest: int, shared: int) -> None:
        self.cells = shared + NARROWEST * rows
        self.row = np.zeros((rows, 2), np.int64)
        self.pool = np.zeros(_FREE + max(widest // NARROWEST, 1).bit_length(), np.int64)
        self.pool[_LIMIT], self.pool[_WIDEST] = shared, widest

    @property
    def top(self) -> int:
        """Cells beyond this one have never been used."""
        return int(self.pool[_TOP])


@kernel
def widen(slot, row, pool, cells):
    """Give row `slot` a block of twice its width, or its first one, and move its int32 `cells` there.

    Returns False, and nothing changed, where the row is as wide as it may be or the shared cells are used up.
    `cells` of a free block are 0, but that its first holds 1 + the start of the next free block of its width.
    """
    start, width = row[slot, 0], row[slot, 1]
    wanted = 2 * width if width > 0 else NARROWEST
    if wanted > pool[_WIDEST]:
        return False
    at = _take(wanted, pool, cells)
    if at < 0:
        return False
    cells[at : at + width] = cells[start : start + width]
    if width > 0:
        release(start, width, pool, cells)
    row[slot, 0] = at
    row[slot, 1] = wanted
    return True


@kernel
def release(start, width, pool, cells):
    """Empty a block and put it on the list of those free."""
    cells[start : start + width] = 0
    which = _FREE + _class(width)
    cells[start] = pool[which]
    pool[which] = start + 1


@kernel
def _take(width, pool, cells):
    which = _FREE + _class(width)
    if pool[which] > 0:
        start = pool[which] - 1
        pool[which] = cells[start]
        cells[start] = 0
        return start
    start = pool[_TOP]
    # Each row's first block lies beyond the limit, if need be.
    if width > NARROWEST and start + width > pool[_LIMIT]:
        return -1
    pool[_TOP] = start + width
    return start


@kernel
def _class(width):
    which = 0
    while NARROWEST << which < width:
        which += 1
    return which
