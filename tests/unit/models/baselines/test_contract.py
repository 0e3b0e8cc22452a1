"""What every baseline keeps to, the first condition of a fair comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized

import numpy as np
import pytest

from models.baselines import BASELINES, Baseline
from models.baselines.bpr_mf import BprMf
from models.baselines.favourites import Favourites
from models.baselines.fusion import ReciprocalRankFusion
from models.baselines.last_item_rules import LastItemRules
from models.baselines.popularity import Popularity
from models.baselines.recent import Recent, Slots
from models.baselines.session_rules import SessionRules
from models.baselines.vmis_knn import VmisKnn
from models.interaction import EventType, Interaction
from tests.unit.models.streams import START_MS, stream

SMALL: dict[str, Callable[[], Baseline]] = {
    "popularity": lambda: Popularity(2_000, max_items=40),
    "last_item_rules": lambda: LastItemRules(max_items=40, max_users=20),
    "session_rules": lambda: SessionRules(max_items=40, max_users=20),
    "favourites": lambda: Favourites(max_items=40, max_users=20),
    "vmis_knn": lambda: VmisKnn(events=128, max_items=40, max_users=20),
    "bpr_mf": lambda: BprMf(max_items=40, max_users=20),
    "rank_fusion": lambda: ReciprocalRankFusion([LastItemRules(40, 20), SessionRules(max_items=40, max_users=20)]),
}

every = pytest.mark.parametrize("make", BASELINES.values(), ids=BASELINES.keys())


def lists_of(baseline: Baseline, rows: list[Interaction], k: int = 10) -> list[list[str]]:
    lists = []
    for row in rows:
        lists.append(baseline.recommend(row.user, k))
        baseline.learn(row)
    return lists


@every
def test_at_most_k_items_each_once_and_as_many_as_are_known(make: Callable[[], Baseline]) -> None:
    rows = stream(300)
    known = set[str]()
    for row, items in zip(rows, lists_of(make(), rows), strict=True):
        assert len(items) == len(set(items)) == min(10, len(known))
        assert known.issuperset(items)  # nothing from a row that has not come yet
        known.add(row.item_id)


@every
def test_the_same_rows_give_the_same_lists(make: Callable[[], Baseline]) -> None:
    assert lists_of(make(), stream(300)) == lists_of(make(), stream(300))


@every
def test_what_comes_later_changes_nothing_before_it(make: Callable[[], Baseline]) -> None:
    rows = stream(300)
    later = [rows[at] for at in np.random.default_rng(0).permutation(np.arange(200, 300))]
    assert lists_of(make(), rows)[:200] == lists_of(make(), rows[:200] + later)[:200]


@every
def test_asking_changes_nothing(make: Callable[[], Baseline]) -> None:
    asked, rows = make(), stream(300)
    lists = []
    for row in rows:
        asked.recommend(row.user + 1, 5)
        assert asked.recommend(row.user, 10)[:5] == asked.recommend(row.user, 5)
        lists.append(asked.recommend(row.user, 10))
        asked.learn(row)
    assert lists == lists_of(make(), rows)


@every
def test_a_stranger_gets_a_list(make: Callable[[], Baseline]) -> None:
    baseline = make()
    assert baseline.recommend(7, 10) == []
    lists_of(baseline, stream(300))
    assert len(baseline.recommend(2**63, 10)) == 10


@every
def test_a_stream_with_tastes_is_learned_at_least_as_well_as_by_chance(make: Callable[[], Baseline]) -> None:
    rows = stream(2_000)
    hits = [row.item_id in items for row, items in zip(rows, lists_of(make(), rows), strict=True)]
    assert np.mean(hits[200:]) > 1.3 * 10 / 60


def size(thing: object, depth: int = 6) -> int:
    """Entries of all containers of an object, in depth; arrays count whole."""
    if depth == 0 or isinstance(thing, str | bytes | np.random.Generator):
        return 0
    if isinstance(thing, np.ndarray):
        return thing.size
    entries = len(thing) if isinstance(thing, Sized) else 0
    parts = list(thing.values()) if isinstance(thing, Mapping) else list(thing) if isinstance(thing, list) else []
    parts += list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    parts += [getattr(thing, name) for name in getattr(thing, "__slots__", ()) if hasattr(thing, name)]
    return entries + sum(size(part, depth - 1) for part in parts)


@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL.keys())
def test_memory_is_bounded_where_users_and_items_never_end(make: Callable[[], Baseline]) -> None:
    baseline, sizes = make(), []
    for event in range(6_000):
        item, user = f"i{event // 7}", event // 5
        baseline.learn(Interaction(user, item, EventType.CLICK, START_MS + event * 1_000))
        if event % 500 == 499:
            items = baseline.recommend(user, 10)
            assert len(set(items)) == len(items) == 10
            assert {int(name[1:]) for name in items} <= set(range(event // 7 - 45, event // 7 + 1))
            sizes.append(size(baseline))
    assert max(sizes[6:]) <= 1.05 * max(sizes[:6])


def test_every_kind_of_baseline_is_tried_for_its_bounds() -> None:
    assert {name.removesuffix("_2000").removesuffix("_20000") for name in BASELINES} == set(SMALL)


def test_recent_forgets_what_was_touched_longest_ago() -> None:
    recent = Recent[str, int](2)
    for key in "aba":
        recent.touch(key, int)
    recent.touch("c", int)
    assert list(recent) == ["a", "c"]


def test_a_slot_given_away_makes_references_stale() -> None:
    slots = Slots[str](2)
    first, _ = slots.touch("a")
    before = slots.reference(first)
    slots.touch("b")
    assert slots.touch("c") == (first, True)
    assert slots.names[first] == "c"
    assert slots.get("a") == -1
    assert slots.reference(first) != before
