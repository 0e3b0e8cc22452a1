"""The best of many keep their order: by score, then by the order they were given."""

import numpy as np
import pytest

from models.retrieval.best import enter, order_of


@pytest.mark.parametrize("room", [1, 7, 80, 500])
def test_the_best_are_those_that_a_stable_sort_puts_first(room: int) -> None:
    rng = np.random.default_rng(room)
    scores = rng.integers(1, 60, 400).astype(np.float32) / 7  # many are equal
    keys, n = np.empty(room, np.uint64), 0
    for order in rng.permutation(len(scores)).tolist():
        n = enter(scores[order], order, keys, n)
    expected = np.argsort(-scores, kind="stable")[:room]
    assert [order_of(key) for key in keys[:n]] == expected.tolist()
