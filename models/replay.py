"""Bounded memory of training examples, as arrays: what the base learner replays, validates on and meta-learns from.

Uniform replay from a short ring is what paid on real streams; keeping the features as the int8 they arrived in
makes room for the user windows of the meta-update in the same store (about 0.9 KB per example).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.training import TrainingExample

PADDING = np.float32(-1e9)
"""Correction of a row that does not exist: its softmax share is exactly zero in float32."""


@dataclass(frozen=True, slots=True)
class Examples:
    """A batch gathered from the store; B examples of n rows and F features, row 0 the positive.

    Attributes
    ----------
    features : int8[B, n, F], standardised by the scaler of `version`, times 127 / 6.
    correction : float32[B, n], added to the logits; `PADDING` where an example has fewer rows.
    event_type, user, timestamp_ms, version : [B]
    """

    features: NDArray[np.int8]
    correction: NDArray[np.float32]
    event_type: NDArray[np.int8]
    user: NDArray[np.uint64]
    timestamp_ms: NDArray[np.int64]
    version: NDArray[np.int64]


class ExampleStore:
    """The newest `capacity` examples, in arrival order; some are held out and never given for training.

    Parameters
    ----------
    capacity : number of examples kept; the oldest is overwritten.
    ring : newest examples that are replayed.
    rows : candidates per example (positive included); longer examples are cut, shorter ones padded.
    features : number of features F.

    Examples
    --------
    >>> store = ExampleStore(capacity=2, ring=2, rows=3, features=1)
    >>> for t in range(3):
    ...     store.append(TrainingExample(0, 0, 7, t, 0, 0, t, np.zeros(2, np.float16), np.ones((2, 1), np.int8)))
    >>> len(store), store.gather(store.newest(2)).timestamp_ms.tolist()
    (2, [1, 2])
    >>> store.gather(store.newest(1)).correction[0].tolist()
    [0.0, 0.0, -1000000000.0]
    """

    def __init__(self, capacity: int, ring: int, rows: int, features: int) -> None:
        if not 1 <= ring <= capacity or rows < 2 or features < 1:
            raise ValueError("a store needs a ring within its capacity, two rows and one feature")
        self.capacity = capacity
        self._appended = 0  # in total; the newest lies at (appended - 1) % capacity
        self._rows = rows
        self._ring = np.zeros(ring, np.int64)  # slots of the newest examples that are not held out
        self._ringed = 0
        self._features = np.zeros((capacity, rows, features), np.int8)
        self._correction = np.full((capacity, rows), PADDING, np.float32)
        self._event_type = np.zeros(capacity, np.int8)
        self._user = np.zeros(capacity, np.uint64)
        self._timestamp_ms = np.zeros(capacity, np.int64)
        self._version = np.zeros(capacity, np.int64)
        self._held_out = np.zeros(capacity, np.bool_)

    def __len__(self) -> int:
        return min(self._appended, self.capacity)

    def append(self, example: TrainingExample, held_out: bool = False) -> None:
        """Keep `example`.

        Raises
        ------
        ValueError
            The example has another number of features than the store.
        """
        rows, width = example.features.shape
        if width != self._features.shape[2]:
            raise ValueError(f"an example of {width} features does not fit a store of {self._features.shape[2]}")
        rows = min(rows, self._rows)
        slot = self._appended % self.capacity
        self._features[slot, :rows] = example.features[:rows]
        self._features[slot, rows:] = 0
        self._correction[slot, :rows] = example.correction[:rows]
        self._correction[slot, rows:] = PADDING
        self._event_type[slot] = example.event_type
        self._user[slot] = example.user
        self._timestamp_ms[slot] = example.timestamp_ms
        self._version[slot] = example.base_version
        self._held_out[slot] = held_out
        self._appended += 1
        if not held_out:
            self._ring[self._ringed % len(self._ring)] = slot
            self._ringed += 1

    def newest(self, count: int) -> NDArray[np.int64]:
        """Slots of the newest `count` examples for training, oldest of them first; `count` is within the ring."""
        count = min(count, self._ringed, len(self._ring))
        return self._ring[np.arange(self._ringed - count, self._ringed) % len(self._ring)]

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """`count` slots drawn uniformly, with repetition, from the ring."""
        return self._ring[rng.integers(0, min(self._ringed, len(self._ring)), count)]

    def held_out(self, count: int) -> NDArray[np.int64]:
        """Slots of the newest `count` examples held out, oldest of them first."""
        slots = self._in_order()
        return slots[self._held_out[slots]][-count:]

    def _in_order(self) -> NDArray[np.int64]:
        return np.arange(self._appended - len(self), self._appended) % self.capacity

    def gather(self, slots: NDArray[np.int64]) -> Examples:
        """Copy the examples at `slots` out of the store."""
        return Examples(
            self._features[slots],
            self._correction[slots],
            self._event_type[slots],
            self._user[slots],
            self._timestamp_ms[slots],
            self._version[slots],
        )

    def user_windows(self, length: int, users: int) -> NDArray[np.int64]:
        """Windows of successive training examples of one user, for meta-learning.

        Parameters
        ----------
        length : examples per window (the newest of each user).
        users : at most so many windows, those of the users seen last.

        Returns
        -------
        int64[U, length]
            Slots in the order of event time, -1 after a shorter window; users with one example only are left out.
        """
        slots = self._in_order()
        slots = slots[~self._held_out[slots]]
        order, starts, ends = self._by_user(slots)
        groups = [(a, b) for a, b in zip(starts, ends, strict=True) if b - a >= 2]
        groups.sort(key=lambda group: -int(order[group[0] : group[1]].max()))
        windows = np.full((min(users, len(groups)), length), -1, np.int64)
        for row, (start, end) in enumerate(groups[:users]):
            taken = slots[order[max(start, end - length) : end]]
            windows[row, : len(taken)] = taken
        return windows

    def held_out_windows(self, length: int, count: int) -> NDArray[np.int64]:
        """The newest `count` held-out examples, each after its user's examples just before it.

        Returns
        -------
        int64[count, length]
            The held-out example's slot is the last of its row; -1 *before* a shorter window.
        """
        slots = self._in_order()
        order, starts, _ = self._by_user(slots)
        first = np.zeros(len(order), np.int64)
        first[starts] = starts
        first = np.maximum.accumulate(first)  # where the user's examples begin, for every place in the order
        asked = np.flatnonzero(self._held_out[slots[order]])
        asked = asked[np.argsort(order[asked])][-count:]
        back = asked[:, None] - np.arange(length - 1, -1, -1)
        return np.where(back >= first[asked][:, None], slots[order[np.maximum(back, 0)]], -1)

    def _by_user(self, slots: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int], list[int]]:
        """Positions in `slots` sorted by user, time and arrival, and where each user's begin and end."""
        order = np.lexsort((np.arange(len(slots)), self._timestamp_ms[slots], self._user[slots]))
        owner = self._user[slots][order]
        starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])[: len(order)].tolist()
        return order, starts, [*starts[1:], len(order)][: len(starts)]
