"""The training example of an event, and the moments of its candidates."""

from __future__ import annotations

import numpy as np
import pytest

from models.examples import NEGATIVES, RunningMoments, example, seed_of
from models.features import F
from models.interaction import EventType, Interaction
from models.rank import Ranker, softmax
from schemas.training import dequantise
from tests.unit.models.streams import START_MS, random_base

BASE = random_base()
EVENT = Interaction(7, "a", EventType.PURCHASE, START_MS)


def inputs(n: int = 40, seed: int = 3) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).standard_normal((n, F)), -6, 6).astype(np.float32)


def test_example_holds_the_positive_first_and_the_negatives_drawn() -> None:
    x = inputs()
    scores, _ = Ranker(BASE).score(x)
    made = example(BASE, EVENT, x, softmax(scores), 5, seed_of(EVENT, 3), (2, 77))
    assert made is not None
    assert made.features.shape == (NEGATIVES + 1, F)
    assert (made.partition, made.offset, made.event_type, made.base_version) == (2, 77, 2, BASE.version)
    rows = dequantise(made.features)
    np.testing.assert_allclose(rows[0], x[5], atol=0.03)
    assert made.correction[0] == 0
    for row in rows[1:]:
        nearest = np.abs(x - row).max(axis=1)
        assert nearest.min() < 0.03
        assert nearest.argmin() != 5


def test_corrected_sample_estimates_the_whole_softmax() -> None:
    """The sum of exp(logit + correction) over the negatives is that over all candidates, on average."""
    x = inputs(n=60)
    scores, _ = Ranker(BASE).score(x)
    scores = scores * np.float32(0.2)
    whole = float(np.exp(np.delete(scores, 5).astype(np.float64)).sum())
    estimates = []
    for events in range(400):
        made = example(BASE, EVENT, x, softmax(scores), 5, seed_of(EVENT, events), (0, 0))
        assert made is not None
        drawn = [int(np.abs(x - row).max(axis=1).argmin()) for row in dequantise(made.features)[1:]]
        estimates.append(np.exp(scores[drawn] + made.correction[1:].astype(np.float64)).sum())
    assert np.mean(estimates) == pytest.approx(whole, rel=0.03)


def test_the_only_candidate_teaches_nothing() -> None:
    x = inputs(n=1)
    assert example(BASE, EVENT, x, softmax(Ranker(BASE).score(x)[0]), 0, 1, (0, 0)) is None


def test_seeds_differ_from_event_to_event_and_repeat() -> None:
    assert seed_of(EVENT, 1) == seed_of(EVENT, 1) != seed_of(EVENT, 2)


def test_moments_are_those_of_the_rows() -> None:
    moments, rows = RunningMoments(), inputs(n=90)
    assert moments.take() is None
    moments.add(rows[:30])
    moments.add(rows[30:])
    taken = moments.take()
    assert taken is not None
    np.testing.assert_allclose(taken.mean, rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(taken.m2 / taken.count, rows.var(axis=0), atol=1e-4)
    assert moments.take() is None


def test_softmax_survives_large_scores() -> None:
    assert softmax(np.array([1e4, 1e4 - 1, -1e4], np.float32)).sum() == pytest.approx(1)
