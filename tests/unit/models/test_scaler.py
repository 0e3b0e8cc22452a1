"""Scalers: merging moments, and reading examples of one version in the scaler of another."""

from __future__ import annotations

import numpy as np
import pytest

from models.scaler import MIN_STD, RunningMoments, Scaler, ScalerBook
from schemas.training import Moments, dequantise, quantise


def moments_of(rows: np.ndarray) -> Moments:
    mean = rows.mean(axis=0)
    return Moments(0, float(len(rows)), mean, ((rows - mean) ** 2).sum(axis=0))


def test_merged_moments_are_those_of_all_rows_together() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal([5.0, -3.0], [0.1, 20.0], size=(1_000, 2))
    running = RunningMoments(Scaler(np.zeros(2), np.ones(2)), weight=0)
    for part in np.split(rows, [10, 11, 400]):
        running.merge(moments_of(part))
    scaler = running.scaler()
    np.testing.assert_allclose(scaler.mean, rows.mean(axis=0))
    np.testing.assert_allclose(scaler.std, rows.std(axis=0))


def test_a_feature_not_seen_yet_keeps_a_sane_deviation() -> None:
    running = RunningMoments(Scaler(np.zeros(1), np.full(1, 0.5)), weight=1_000)
    running.merge(moments_of(np.zeros((500, 1))))
    assert 0.3 < running.scaler().std[0] < 0.5
    for _ in range(2_000):
        running.merge(moments_of(np.zeros((5_000, 1))))
    assert running.scaler().std[0] >= MIN_STD


def test_old_rows_fade_beyond_the_window() -> None:
    running = RunningMoments(Scaler(np.zeros(1), np.ones(1)), weight=0, window=1_000)
    running.merge(moments_of(np.zeros((1_000, 1))))
    for _ in range(10):
        running.merge(moments_of(np.ones((1_000, 1))))
    assert running.scaler().mean[0] > 0.99


def test_examples_of_an_older_version_are_read_in_the_newer_scaler() -> None:
    rng = np.random.default_rng(1)
    old = Scaler(np.array([1.0, -2.0]), np.array([2.0, 0.5]))
    new = Scaler(np.array([1.5, -2.2]), np.array([3.0, 0.4]))
    raw = rng.normal(old.mean, old.std, size=(4, 3, 2))
    book = ScalerBook()
    book.remember(1, old)
    book.remember(2, new)
    version = np.array([1, 1, 2, 2])
    sent = np.stack([quantise((row - s.mean) / s.std) for row, s in zip(raw, (old, old, new, new), strict=True)])
    read = book.standardise(sent, version, new)
    np.testing.assert_allclose(read, (raw - new.mean) / new.std, atol=0.05)
    np.testing.assert_allclose(read[2:], dequantise(sent[2:]), atol=1e-6)
    np.testing.assert_allclose(book.standardise(sent, version, old)[:2], dequantise(sent[:2]), atol=1e-6)


def test_what_was_clipped_stays_within_the_clip() -> None:
    book = ScalerBook()
    book.remember(1, Scaler(np.zeros(1), np.ones(1)))
    read = book.standardise(np.full((1, 1, 1), 127, np.int8), np.array([1]), Scaler(np.zeros(1), np.full(1, 0.1)))
    assert read.item() == 6.0


def test_forgets_the_version_used_least_recently() -> None:
    book = ScalerBook(capacity=2)
    scaler = Scaler(np.zeros(1), np.ones(1))
    book.remember(1, scaler)
    book.remember(2, scaler)
    assert book.touch(1)
    book.remember(3, scaler)
    assert (book.touch(1), book.touch(2), book.touch(3)) == (True, False, True)
    with pytest.raises(KeyError):
        book.standardise(np.zeros((1, 1, 1), np.int8), np.array([2]), scaler)
