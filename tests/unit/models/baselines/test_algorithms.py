"""Each baseline on a case small enough to work out by hand."""

from __future__ import annotations

import math

import pytest

from models.baselines import Baseline
from models.baselines.bpr_mf import BprMf
from models.baselines.favourites import Favourites
from models.baselines.fusion import ReciprocalRankFusion, fuse
from models.baselines.last_item_rules import LastItemRules
from models.baselines.popularity import Popularity
from models.baselines.session_rules import SessionRules
from models.baselines.vmis_knn import VmisKnn
from models.interaction import EventType, Interaction

HOUR_MS = 3_600_000


def teach(baseline: Baseline, *events: tuple[int, str], start_ms: int = 0) -> None:
    for second, (user, item) in enumerate(events):
        baseline.learn(Interaction(user, item, EventType.CLICK, start_ms + second * 1_000))


def test_popularity_halves_in_a_half_life() -> None:
    popular = Popularity(half_life=4)
    teach(popular, *[(1, "old")] * 3, *[(1, f"x{n}") for n in range(8)], (1, "new"))
    # old: three events of weight 1/4 or less, new: one of weight 1
    assert popular.recommend(1, 20).index("new") < popular.recommend(1, 20).index("old")
    slow = Popularity(half_life=400)
    teach(slow, *[(1, "old")] * 3, *[(1, f"x{n}") for n in range(8)], (1, "new"))
    assert slow.recommend(1, 1) == ["old"]


def test_popularity_outlives_its_growing_weights() -> None:
    popular = Popularity(half_life=1)
    teach(popular, *[(1, item) for item in "ab" * 400], (1, "c"))
    assert popular.recommend(1, 3) == ["c", "b", "a"]


def test_rules_count_successions_of_the_last_item_alone() -> None:
    rules = LastItemRules()
    teach(rules, (1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a"), (3, "c"), (3, "d"), (4, "c"), (4, "a"))
    assert rules.recommend(4, 2) == ["b", "c"]


def test_session_rules_sum_over_the_last_items_by_distance() -> None:
    rules = SessionRules(half_life=1e9)
    teach(rules, (1, "a"), (1, "b"), (1, "c"), (2, "x"), (2, "c"), (3, "a"), (3, "x"))
    # for user 3, x one step back says c (1) and a two steps back says b (1/2), c (1/4) and x (1/2)
    assert rules.recommend(3, 3)[0] == "c"
    assert set(rules.recommend(3, 3)[1:]) == {"b", "x"}


def test_favourites_decay() -> None:
    own = Favourites(decay=0.5)
    teach(own, (1, "a"), (1, "a"), (1, "b"), (1, "c"))
    # a: 1/8 + 1/4, b: 1/2, c: 1
    assert own.recommend(1, 3) == ["c", "b", "a"]


def test_favourites_outlive_their_growing_weights() -> None:
    own = Favourites(decay=0.5)
    teach(own, *[(1, "a"), (1, "b")] * 400)
    assert own.recommend(1, 2) == ["b", "a"]


def test_knn_prefers_the_session_that_shares_more_and_later_items() -> None:
    knn = VmisKnn()
    teach(knn, (1, "a"), (1, "b"), (1, "both"), (2, "a"), (2, "first"), (3, "b"), (3, "last"), (4, "a"), (4, "b"))
    ranked = [item for item in knn.recommend(4, 5) if item not in ("a", "b")]
    # similarities 1 + .9, .9 and 1, weighted by the latest item shared: 1, .9 and 1
    assert ranked == ["both", "last", "first"]


def test_knn_ends_sessions_and_keeps_to_the_most_recent() -> None:
    knn = VmisKnn(recent=1)
    teach(knn, (1, "a"), (1, "old"))
    teach(knn, (2, "a"), (2, "new"), start_ms=HOUR_MS)
    teach(knn, (3, "q"), start_ms=HOUR_MS)
    teach(knn, (3, "a"), start_ms=3 * HOUR_MS)
    session = knn._sessions[3]
    assert len(session.items) == 1
    assert knn.recommend(3, 2)[0] == "new"
    assert "old" not in knn.recommend(3, 2)


def test_knn_forgets_what_the_ring_has_overwritten() -> None:
    knn = VmisKnn(events=8)
    teach(knn, (1, "a"), (1, "gone"), *[(2 + n, f"x{n}") for n in range(8)], (99, "a"))
    assert knn.recommend(99, 1) == ["a"] or "gone" not in knn.recommend(99, 1)


def test_bpr_learns_who_likes_what() -> None:
    bpr = BprMf()
    for _ in range(60):
        teach(bpr, (1, "tea"), (1, "milk"), (2, "bolt"), (2, "nut"), (3, "tea"), (4, "bolt"))
    assert bpr.recommend(3, 4).index("milk") < bpr.recommend(3, 4).index("nut")
    assert bpr.recommend(4, 4).index("nut") < bpr.recommend(4, 4).index("milk")


def test_fusion_sums_reciprocal_ranks() -> None:
    # a: 1/61, b: 1/61 + 1/62, c: 1/62 + 1/63
    assert fuse([["b", "c"], ["a", "b", "c"]], 3) == ["b", "c", "a"]
    assert 1 / 62 + 1 / 63 > 1 / 61
    fusion = ReciprocalRankFusion([LastItemRules(), Favourites()])
    teach(fusion, (1, "a"), (1, "b"), (2, "a"))
    assert fusion.recommend(2, 2) == fuse([["b", "a"], ["a", "b"]], 2)


@pytest.mark.parametrize("events", [2_000])
def test_rules_keep_the_strongest_of_very_many_partners(events: int) -> None:
    rules = LastItemRules()
    teach(rules, *[(1, item) for n in range(events) for item in ("a", "best" if n % 3 == 0 else f"x{n}")], (2, "a"))
    assert rules.recommend(2, 1) == ["best"]
    assert len(rules._next["a"]) <= 1_000
    assert math.isfinite(rules._next["a"]["best"])
