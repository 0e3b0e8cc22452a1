"""Versions in the shadow are compared on the candidates of the one that serves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.base import initial_parameters
from models.recommender import Recommender
from models.shadow import BOUND, EAGER, EVERY, Shadows
from models.user_state import UserState
from tests.unit.models.streams import stream

BASE = initial_parameters()
SAME = replace(BASE, version=3)
HARMFUL = replace(BASE, version=4, skip=-BASE.skip, out=-BASE.out)


def test_a_copy_gains_nothing_and_negated_weights_lose_the_most_there_is() -> None:
    recommender = Recommender(BASE)
    recommender.shadows.replace([SAME, HARMFUL])
    assert recommender.shadows.versions == [3, 4]
    states: dict[int, UserState] = {}
    gains: dict[int, list[float]] = {3: [], 4: []}
    for row in stream(300):
        learned = recommender.learn(states.setdefault(row.user, UserState()), row)
        assert len(learned.comparisons) == (2 if learned.recalled else 0)
        for compared in learned.comparisons:
            assert compared.serving == 0
            gains[compared.shadow].append(compared.gain)
    assert set(gains[3]) == {0.0}
    assert np.mean(gains[4]) < -0.2
    assert min(gains[4]) == -BOUND


def test_after_the_first_events_only_some_are_compared() -> None:
    shadows, raw = Shadows(), np.zeros((2, len(BASE.mean)), np.float32)
    shadows.replace([SAME])
    compared = [len(shadows.compare(raw, 0, np.zeros(2, np.float32), 0)) for _ in range(EAGER + 40)]
    assert sum(compared[:EAGER]) == EAGER
    assert sum(compared[EAGER:]) == 40 // EVERY


def test_without_shadows_nothing_is_compared() -> None:
    shadows = Shadows()
    shadows.replace([SAME])
    shadows.replace([])
    assert shadows.compare(np.zeros((2, len(BASE.mean)), np.float32), 0, np.zeros(2, np.float32), 0) == ()
