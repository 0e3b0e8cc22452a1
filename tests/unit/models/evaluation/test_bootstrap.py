"""The block bootstrap: paired, seeded, and as wide as neighbours that are alike demand."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.bootstrap import BlockBootstrap, interval


def width(values: np.ndarray, block: int) -> float:
    found = interval(BlockBootstrap(len(values), block=block, resamples=2_000).means(values))
    assert found
    return found[1] - found[0]


def test_independent_rows_have_the_textbook_interval() -> None:
    values = (np.random.default_rng(0).random(20_000) < 0.3).astype(float)
    textbook = 2 * 1.96 * (0.3 * 0.7 / 20_000) ** 0.5
    assert width(values, block=250) == pytest.approx(textbook, rel=0.15)


def test_neighbours_that_are_alike_widen_the_interval() -> None:
    values = np.repeat((np.random.default_rng(0).random(400) < 0.3).astype(float), 50)
    assert width(values, block=250) > 4 * width(values, block=1)


def test_intervals_hold_the_true_mean_nineteen_times_in_twenty() -> None:
    rng, held = np.random.default_rng(1), 0
    for _ in range(300):
        values = np.repeat(rng.normal(size=400), 5) + rng.normal(size=2_000)
        found = interval(BlockBootstrap(2_000, block=50, resamples=400).means(values))
        assert found
        held += found[0] <= 0 <= found[1]
    assert 0.89 <= held / 300 <= 0.98


def test_differences_are_paired() -> None:
    noise = np.random.default_rng(2).normal(size=5_000)
    bootstrap = BlockBootstrap(5_000)
    found = interval(bootstrap.means(noise + 0.01) - bootstrap.means(noise))
    assert found == pytest.approx((0.01, 0.01))


def test_a_mask_counts_its_rows_alone() -> None:
    values = np.array([1.0, 5.0] * 50)
    means = BlockBootstrap(100, block=1).means(values, np.array([True, False] * 50))
    assert set(means.tolist()) == {1.0}
    nowhere = BlockBootstrap(100).means(values, np.zeros(100, bool))
    assert interval(nowhere) is None


def test_the_same_seed_gives_the_same_resamples() -> None:
    values = np.random.default_rng(3).random(1_000)
    one, same, other = (BlockBootstrap(1_000, seed=seed).means(values) for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()


def test_short_series_have_ten_blocks_and_none_is_refused() -> None:
    assert np.isfinite(BlockBootstrap(3).means(np.arange(3.0))).all()
    with pytest.raises(ValueError, match="empty"):
        BlockBootstrap(0)
