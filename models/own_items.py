"""The items that a user record remembers: a table of 36, and the order of the latest events as positions in it."""

from __future__ import annotations

import numpy as np

from models.jit import kernel

ORDER = 48
"""Events whose order is remembered."""

_COUNT_DECAY = 0.97  # of an item's count at each event of the user: favourites outlive the passing


@kernel
def take_item(item, now_s, event, kind, begins, items, last, touched, count, interval, kinds, order):
    """Find or place `item`, update its statistics and append it to `order`; returns (was known, new order)."""
    free = -1
    coldest = -1
    least = np.inf
    position = -1
    for i in range(len(items)):
        if items[i] == item:
            position = i
            break
        if items[i] == 0:
            free = i
            break
        touched[i] = max(touched[i], event - 65535)  # the age must fit the record
        value = count[i] * _COUNT_DECAY ** (event - touched[i])
        if value < least:
            least = value
            coldest = i
    known = position >= 0
    if known:
        seconds = max(now_s - last[position], 0)
        interval[position] = min(int(8.0 * np.log2(1.0 + seconds)), 255)
        decayed = count[position] * _COUNT_DECAY ** (event - touched[position])
    else:
        position = free if free >= 0 else coldest
        if free < 0:  # forget where the former owner of this position stood
            kept = 0
            for i in range(len(order)):
                if order[i] & 127 != position:
                    order[kept] = order[i]
                    kept += 1
                elif order[i] >= 128 and i + 1 < len(order):
                    order[i + 1] |= 128
            order = order[:kept]
        items[position] = item
        interval[position] = 0
        kinds[position] = 0
        last[position] = now_s
        decayed = 0.0
    count[position] = np.float32(_half(decayed + 1.0))
    last[position] = max(last[position], now_s)
    touched[position] = event
    kinds[position] |= kind
    start = max(len(order) + 1 - ORDER, 0)
    grown = np.empty(len(order) + 1 - start, np.uint8)
    grown[:-1] = order[start:]
    grown[-1] = position | (128 if begins else 0)
    return known, grown


@kernel
def _half(value):
    """Round to the 11 significant bits of a float16."""
    scale = 2.0 ** (10.0 - np.floor(np.log2(value)))
    return np.rint(value * scale) / scale
