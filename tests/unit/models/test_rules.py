"""Rules hold in every list, whatever the scores."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules import Placed, RulesConfig, arrange


@st.composite
def cases(draw: st.DrawFn) -> tuple[Placed, np.ndarray, np.ndarray, RulesConfig, int]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, k = draw(st.integers(0, 60)), draw(st.integers(1, 30))
    rules = RulesConfig(
        category_cap=draw(st.integers(0, 4)),
        diversity=draw(st.sampled_from([0.0, 0.3, 1.0])),
        exploration=draw(st.sampled_from([0.0, 0.2, 1.0])),
    )
    allowed = rng.random(n) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    category = rng.integers(0, 5, n).astype(np.int32)
    vector = rng.standard_normal((n, 4)).astype(np.float32)
    scores = rng.standard_normal(n).astype(np.float32)
    return arrange(scores, allowed, category, vector, k, rules, seed=n), allowed, category, rules, k


@settings(max_examples=500, deadline=None)
@given(cases())
def test_no_list_breaks_a_rule(case: tuple[Placed, np.ndarray, np.ndarray, RulesConfig, int]) -> None:
    placed, allowed, category, rules, k = case
    assert len(set(placed.positions)) == len(placed.positions) <= k
    assert all(allowed[position] for position in placed.positions)
    counts = Counter(int(category[position]) for position in placed.positions)
    if rules.category_cap:
        assert all(count <= rules.category_cap for kind, count in counts.items() if kind)
    assert all(0 < propensity <= 1 for propensity in placed.propensities)
    if len(placed.positions) < k:  # shorter only where nothing is left that the rules allow
        rest = set(np.flatnonzero(allowed)) - set(placed.positions)
        assert all(rules.category_cap and counts[int(category[i])] >= rules.category_cap for i in rest)


def test_propensities_are_the_true_frequencies() -> None:
    scores, category, vector = np.arange(4, dtype=np.float32), np.zeros(4, np.int32), np.zeros((4, 2), np.float32)
    rules, drawn = RulesConfig(exploration=0.4), Counter[int]()
    stated = {}
    for seed in range(4000):
        placed = arrange(scores, np.ones(4, bool), category, vector, 1, rules, seed)
        drawn[placed.positions[0]] += 1
        stated[placed.positions[0]] = placed.propensities[0]
    assert stated[3] == pytest.approx(0.7)
    assert drawn[3] / 4000 == pytest.approx(0.7, abs=0.03)
    assert drawn[0] / 4000 == pytest.approx(stated[0], abs=0.03)


def test_diversity_prefers_the_unlike() -> None:
    scores, category = np.array([3.0, 2.9, 1.0], np.float32), np.zeros(3, np.int32)
    vector = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    lists = [
        arrange(scores, np.ones(3, bool), category, vector, 2, RulesConfig(diversity=d), 0).positions for d in (0, 0.6)
    ]
    assert lists == [[0, 1], [0, 2]]


def test_nonsense_settings_are_refused() -> None:
    for bad in ({"category_cap": -1}, {"diversity": 1.1}, {"exploration": -0.1}):
        with pytest.raises(ValueError, match="must not be negative"):
            RulesConfig(**bad)
