"""Rules hold in every list, whatever the scores."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from models.interaction import CatalogueItem, EventType
from models.recommender import Recommender, RecommenderConfig
from models.rules import RulesConfig, arrange
from models.user_state import UserState
from tests.unit.models.streams import random_base, stream

ARRANGED, RECOMMENDED, NIGHTLY = 18_000, 2_000, 50
"""Lists tried through `arrange` alone and through the whole recommender, and how many times more at night."""


def some_rules(rng: np.random.Generator, **filters: object) -> RulesConfig:
    return RulesConfig(
        category_cap=int(rng.integers(5)),
        diversity=(0.0, 0.0, 0.3, 1.0)[rng.integers(4)],
        exploration=(0.0, 0.0, 0.2, 1.0)[rng.integers(4)],
        newcomer_places=(0, 0, 2, 40)[rng.integers(4)],
        **filters,
    )


def check_arranged(rng: np.random.Generator) -> None:
    n, k, rules = int(rng.integers(61)), int(rng.integers(1, 31)), some_rules(rng)
    allowed = rng.random(n) < (0.0, 0.5, 1.0)[rng.integers(3)]
    category = rng.integers(0, 5, n).astype(np.int32)
    vector = rng.standard_normal((n, 4), np.float32)
    scores = rng.standard_normal(n, np.float32)
    newcomer = rng.random(n) < (0.0, 0.1, 0.5)[rng.integers(3)]
    placed = arrange(scores, allowed, newcomer, category, vector, k, rules, seed=int(rng.integers(2**63)))
    chosen = placed.positions
    assert len(set(chosen)) == len(chosen) == len(placed.propensities) <= k
    assert allowed[chosen].all()
    kinds = category[chosen].tolist()
    counts = Counter(kind for kind in kinds if kind)
    assert not rules.category_cap or max(counts.values(), default=0) <= rules.category_cap
    assert all(0 < propensity <= 1 for propensity in placed.propensities)
    if len(chosen) < k:  # shorter only where nothing is left that the rules allow
        rest = set(np.flatnonzero(allowed).tolist()) - set(chosen)
        assert all(rules.category_cap and counts[int(category[i])] >= rules.category_cap for i in rest)
    if not rules.category_cap:
        assert newcomer[chosen].sum() >= min(rules.newcomer_places, (allowed & newcomer).sum(), len(chosen))
    if not rules.exploration and not rules.diversity and not rules.newcomer_places:
        assert scores[chosen].tolist() == sorted(scores[chosen].tolist(), reverse=True)


def test_no_arranged_list_breaks_a_rule() -> None:
    rng = np.random.default_rng(1)
    for _ in range(ARRANGED):
        check_arranged(rng)


@pytest.mark.nightly
@pytest.mark.timeout(7_200)
def test_no_arranged_list_breaks_a_rule_at_size() -> None:
    rng = np.random.default_rng(2)
    for _ in range(NIGHTLY * ARRANGED):
        check_arranged(rng)


class Shop:
    """A recommender after 900 events of 40 users, and what the rules must know of them, kept beside it."""

    def __init__(self) -> None:
        self.recommender = Recommender(random_base())
        self.states: dict[int, UserState] = {}
        self.had: dict[int, set[str]] = {}
        self.bought: dict[int, set[str]] = {}
        self.kind: dict[str, str | None] = {}
        self.away: set[str] = set()
        for row in stream(900, users=40, items=90):
            self.recommender.learn(self.states.setdefault(row.user, UserState()), row)
            self.had.setdefault(row.user, set()).add(row.item_id)
            if row.event_type == EventType.PURCHASE:
                self.bought.setdefault(row.user, set()).add(row.item_id)
            self.kind[row.item_id] = row.category
            self.now = row.timestamp_ms
        for number in range(10):
            self.recommender.put_item(CatalogueItem(f"new {number}", self.now, "kind 0"))
            self.kind[f"new {number}"] = "kind 0"
        self.touched = {item for items in self.had.values() for item in items}
        self.names, self.users = sorted(self.kind), sorted(self.states)
        assert max(map(len, self.had.values())) <= 36, "all that they had is still in the record"

    def check_list(self, rng: np.random.Generator) -> None:
        moved = self.names[rng.integers(len(self.names))]
        self.away ^= {moved}
        self.recommender.put_item(CatalogueItem(moved, self.now, self.kind[moved], available=moved not in self.away))
        rules = some_rules(
            rng,
            filter_seen=bool(rng.integers(2)),
            filter_purchased=bool(rng.integers(2)),
            repeatable=frozenset({f"kind {rng.integers(3)}"} if rng.integers(2) else ()),
            blocked=frozenset(rng.choice(self.names, 3).tolist()),
        )
        user, k = self.users[rng.integers(len(self.users))], int(rng.integers(1, 31))
        exclude = set(rng.choice(self.names, 2).tolist())
        among = rng.choice(self.names, 20).tolist() if rng.integers(4) == 0 else None
        self.recommender.config = RecommenderConfig(rules=rules)
        ranked = self.recommender.recommend(self.states[user], self.now, k, exclude, among, explain=False)
        items = [item.item_id for item in ranked]
        filtered = (self.had[user] if rules.filter_seen else set()) | (
            self.bought.get(user, set()) if rules.filter_purchased else set()
        )
        forbidden = exclude | rules.blocked | self.away
        forbidden |= {item for item in filtered if self.kind[item] not in rules.repeatable}
        counts = Counter(self.kind[item] for item in items)
        assert len(set(items)) == len(items) <= k
        assert not forbidden & set(items)
        assert among is None or set(items) <= set(among)
        assert not rules.category_cap or max(counts.values(), default=0) <= rules.category_cap
        if len(items) < k:  # shorter only where nothing is left that the rules allow
            rest = (self.touched if among is None else set(among)) - forbidden - set(items)
            assert all(rules.category_cap and counts[self.kind[item]] >= rules.category_cap for item in rest)


def test_no_recommended_list_breaks_a_rule() -> None:
    rng, shop = np.random.default_rng(3), Shop()
    for _ in range(RECOMMENDED):
        shop.check_list(rng)


@pytest.mark.nightly
@pytest.mark.timeout(7_200)
def test_no_recommended_list_breaks_a_rule_at_size() -> None:
    rng, shop = np.random.default_rng(4), Shop()
    for _ in range(NIGHTLY * RECOMMENDED):
        shop.check_list(rng)


def test_propensities_are_the_true_frequencies() -> None:
    scores, category, vector = np.arange(4, dtype=np.float32), np.zeros(4, np.int32), np.zeros((4, 2), np.float32)
    rules, drawn = RulesConfig(exploration=0.4), Counter[int]()
    stated = {}
    for seed in range(4000):
        placed = arrange(scores, np.ones(4, bool), np.zeros(4, bool), category, vector, 1, rules, seed)
        drawn[placed.positions[0]] += 1
        stated[placed.positions[0]] = placed.propensities[0]
    assert stated[3] == pytest.approx(0.7)
    assert drawn[3] / 4000 == pytest.approx(0.7, abs=0.03)
    assert drawn[0] / 4000 == pytest.approx(stated[0], abs=0.03)


def test_diversity_prefers_the_unlike() -> None:
    scores, category = np.array([3.0, 2.9, 1.0], np.float32), np.zeros(3, np.int32)
    vector = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    lists = [
        arrange(scores, np.ones(3, bool), np.zeros(3, bool), category, vector, 2, RulesConfig(diversity=d), 0).positions
        for d in (0, 0.6)
    ]
    assert lists == [[0, 1], [0, 2]]


def test_newcomers_take_the_last_places_unless_they_earn_better_ones() -> None:
    scores, newcomer = np.array([6, 5, 4, 3, 2, 1], np.float32), np.array([False, True, False, False, True, True])
    rest = np.zeros(6, np.int32), np.zeros((6, 2), np.float32)
    lists = [
        arrange(scores, np.ones(6, bool), newcomer, *rest, 4, RulesConfig(newcomer_places=n), 0).positions
        for n in (1, 2, 3, 9)
    ]
    assert lists == [[0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 4, 5], [0, 1, 4, 5]]


def test_nonsense_settings_are_refused() -> None:
    for bad in ({"category_cap": -1}, {"newcomer_places": -1}, {"diversity": 1.1}, {"exploration": -0.1}):
        with pytest.raises(ValueError, match="must not be negative"):
            RulesConfig(**bad)
