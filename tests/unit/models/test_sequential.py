"""The test by betting keeps its promise under continuous looking, and is not blind."""

from __future__ import annotations

import numpy as np
import pytest

from models.sequential import BettingTest

BOUND, ALPHA, RUNS, LENGTH = 0.5, 0.05, 600, 1_000


def disproven(gains: np.ndarray[tuple[int, int], np.dtype[np.float64]], null: float) -> list[int | None]:
    """Per run the first observation after which the null is disproven, looking after each."""
    found: list[int | None] = []
    for run in gains:
        test, at = BettingTest(null, BOUND), None
        for start in range(0, len(run), 5):
            test.add(run[start : start + 5])
            if test.evidence >= 1 / ALPHA:
                at = start + 5
                break
        found.append(at)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.02, 0.2, 0.5])
def test_a_true_null_is_disproven_in_at_most_alpha_of_the_runs_however_often_one_looks(spread: float) -> None:
    rng = np.random.default_rng(1)
    # The hardest null: its mean is exactly the bound that is tested; the last spread is a fair coin at the extremes.
    gains = (
        rng.choice([-spread, spread], (RUNS, LENGTH))
        if spread == BOUND
        else rng.uniform(-spread, spread, (RUNS, LENGTH))
    )
    wrong = np.mean([at is not None for at in disproven(gains, 0.0)])
    assert wrong <= ALPHA + 2 * (ALPHA / RUNS) ** 0.5


def test_a_skewed_null_is_kept_too() -> None:
    rng = np.random.default_rng(2)
    gains = np.where(rng.random((RUNS // 2, 600)) < 0.05, -0.38, 0.02)  # mean 0, rarely a large loss
    assert np.mean([at is not None for at in disproven(gains, 0.0)]) <= ALPHA + 0.02


def test_a_clear_gain_is_found_in_a_dozen_observations_and_an_equal_version_in_a_few_hundred() -> None:
    rng = np.random.default_rng(3)
    clear = disproven(rng.normal(0.3, 0.2, (50, 300)).clip(-BOUND, BOUND), 0.0)
    assert np.median([at or 999 for at in clear]) <= 15
    equal = disproven(rng.normal(0.0, 0.08, (50, 1_000)).clip(-BOUND, BOUND), -0.02)
    assert np.median([at or 9_999 for at in equal]) <= 250


def test_batches_and_single_observations_give_the_same_capital() -> None:
    values = np.random.default_rng(4).uniform(-0.3, 0.4, 40)
    one, many = BettingTest(0.0, BOUND), BettingTest(0.0, BOUND)
    one.add(values)
    for value in values:
        many.add([value])
    assert many.evidence >= one.evidence
    many.add([])
    assert one.count == many.count == 40


def test_a_null_outside_the_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="null must lie within"):
        BettingTest(0.5, 0.5)
