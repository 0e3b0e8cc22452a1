"""The items that a user record remembers: a table of 36, and the order of the latest events as positions in it.

Each item is 16 bytes of the record: hash u8[6], last time u32 (s since 2000, modulo 2^32: what would be past 2100 lies
before 2000), age in events u16, count f16, interval u8, kinds u8, little endian. One kernel reads and one writes them
all: by numpy's views it took twice as long.
"""

from __future__ import annotations

import numpy as np

from models.jit import kernel
from schemas.record import MAX_TIMESTAMP_MS

ORDER = 48
"""Events whose order is remembered."""

ITEM_BYTES = 16

_EPOCH_S = 946_684_800  # 2000-01-01
_LATEST_S = MAX_TIMESTAMP_MS // 1000
_COUNT_DECAY = 0.97  # of an item's count at each event of the user: favourites outlive the passing


@kernel
def take_item(item, now_s, event, kind, begins, items, last, touched, count, interval, kinds, order, grown):
    """Find or place `item`, update its statistics, and write `order` with it appended into `grown`, uint8[ORDER].

    Returns whether the item was known, and the new length of the order: not an array, which takes longer to hand over
    than all of this.
    """
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
    kept = len(order) - start
    grown[:kept] = order[start:]
    grown[kept] = position | (128 if begins else 0)
    return known, kept + 1


@kernel
def _half(value):
    """Round to the 11 significant bits of a float16."""
    scale = 2.0 ** (10.0 - np.floor(np.log2(value)))
    return np.rint(value * scale) / scale


@kernel
def pack(halves, events, items, last, touched, interval, kinds, out):
    """Write the first items of a record with so many `events` into out[n, ITEM_BYTES].

    `halves` is uint16[n], the bits of the counts as float16.
    """
    for i in range(len(out)):
        row = out[i]
        _write(items[i], 6, row, 0)
        _write(last[i] - _EPOCH_S, 4, row, 6)
        _write(events - touched[i], 2, row, 10)
        _write(halves[i], 2, row, 12)
        row[14] = interval[i]
        row[15] = kinds[i]


@kernel
def unpack(raw, events, halves, items, last, touched, interval, kinds, order, fast):
    """Read what `pack` wrote.

    Returns whether no item's hash is zero, `order` names none that is not there, and all numbers are finite; `fast` is
    the bits of the fast weights, as float16.
    """
    whole = True
    for entry in order:
        whole &= entry & 127 < len(raw)
    for half in fast:
        whole &= _finite(half)
    for i in range(len(raw)):
        row = raw[i]
        items[i] = _read(6, row, 0)
        seconds = np.int64(_read(4, row, 6)) + _EPOCH_S
        last[i] = seconds if seconds < _LATEST_S else seconds - 2**32
        touched[i] = events - np.int64(_read(2, row, 10))
        halves[i] = _read(2, row, 12)
        interval[i] = row[14]
        kinds[i] = row[15]
        whole &= items[i] != 0 and _finite(halves[i])
    return whole


@kernel
def _finite(half):
    return half & 0x7C00 != 0x7C00


@kernel
def _write(value, size, row, at):
    number = np.uint64(value)
    for i in range(size):
        row[at + i] = number >> np.uint64(8 * i) & np.uint64(0xFF)


@kernel
def _read(size, row, at):
    number = np.uint64(0)
    for i in range(size):
        number |= np.uint64(row[at + i]) << np.uint64(8 * i)
    return number
