"""Bounded memory of examples: order, held-out examples, windows of users."""

from __future__ import annotations

import numpy as np
import pytest

from models.replay import PADDING, ExampleStore
from schemas.training import TrainingExample


def made(user: int, time: int, rows: int = 3) -> TrainingExample:
    return TrainingExample(
        0, 0, user, time, 4, 0, time, np.zeros(rows, np.float16), np.full((rows, 2), time % 100, np.int8)
    )


def times(store: ExampleStore, slots: np.ndarray) -> list[int]:
    return [int(t) if slot >= 0 else -1 for slot, t in zip(slots, store.gather(slots).timestamp_ms, strict=True)]


def test_keeps_the_newest_and_overwrites_whole_examples() -> None:
    store = ExampleStore(capacity=4, ring=3, rows=3, features=2)
    for time in range(6):
        store.append(made(1, time))
    store.append(made(1, 6, rows=2))
    assert len(store) == 4
    assert times(store, store.newest(3)) == [4, 5, 6]
    short = store.gather(store.newest(1))
    assert short.correction[0, 2] == PADDING
    assert not short.features[0, 2].any()


def test_longer_examples_are_cut_and_other_widths_refused() -> None:
    store = ExampleStore(capacity=2, ring=2, rows=3, features=2)
    store.append(made(1, 0, rows=5))
    assert store.gather(store.newest(1)).features.shape == (1, 3, 2)
    with pytest.raises(ValueError, match="2 features"):
        ExampleStore(2, 2, 3, 9).append(made(1, 0))


def test_held_out_examples_are_never_given_for_training() -> None:
    store = ExampleStore(capacity=100, ring=10, rows=3, features=2)
    for time in range(60):
        store.append(made(time % 3, time), held_out=time % 5 == 0)
    rng = np.random.default_rng(0)
    assert all(t % 5 for t in times(store, store.sample(500, rng)))
    assert set(times(store, store.sample(500, rng))) == {t for t in range(48, 60) if t % 5}
    assert times(store, store.newest(4)) == [56, 57, 58, 59]
    assert times(store, store.held_out(3)) == [45, 50, 55]
    assert all(t % 5 for row in store.user_windows(8, 10) for t in times(store, row) if t >= 0)


def test_user_windows_are_in_the_order_of_time_and_of_users_seen_last() -> None:
    store = ExampleStore(capacity=100, ring=10, rows=3, features=2)
    for user, time in ((1, 10), (2, 20), (1, 40), (1, 30), (3, 50), (2, 60)):
        store.append(made(user, time))
    windows = store.user_windows(length=2, users=5)
    assert [times(store, row) for row in windows] == [[20, 60], [30, 40]]  # user 3 has one example only
    assert store.user_windows(length=4, users=1).tolist()[0][2:] == [-1, -1]


def test_windows_of_a_store_that_went_round_hold_only_what_is_left() -> None:
    store = ExampleStore(capacity=6, ring=4, rows=3, features=2)
    for time in range(20):
        store.append(made(time % 2, time))
    assert [times(store, row) for row in store.user_windows(3, 9)] == [[15, 17, 19], [14, 16, 18]]


def test_a_held_out_window_ends_with_its_example_and_has_only_earlier_ones_of_its_user() -> None:
    store = ExampleStore(capacity=100, ring=10, rows=3, features=2)
    for time in range(12):
        store.append(made(time % 2, time), held_out=time in (0, 7))
    first, second = store.held_out_windows(length=3, count=5)
    assert times(store, first) == [-1, -1, 0]
    assert times(store, second) == [3, 5, 7]


def test_an_empty_store_has_no_windows() -> None:
    store = ExampleStore(capacity=3, ring=2, rows=3, features=2)
    assert store.user_windows(4, 4).shape == (0, 4)
    assert store.held_out_windows(4, 4).shape == (0, 4)
    assert store.held_out(4).shape == (0,)
