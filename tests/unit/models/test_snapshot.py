"""A snapshot holds everything: what is learned after it is the same as without it."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import initial_parameters
from models.interaction import CatalogueItem
from models.knowledge import Knowledge, KnowledgeConfig
from models.knowledge.snapshot import SnapshotError, freeze, thaw
from models.recommender import Recommender, RecommenderConfig
from models.user_state import UserState
from tests.unit.models.streams import START_MS, stream

CONFIG = KnowledgeConfig(max_items=60, max_users=30, max_sessions=64, table_cells=2048)  # every bound is reached


def learned(rows: int) -> Knowledge:
    knowledge = Knowledge(CONFIG)
    knowledge.put_item(CatalogueItem("announced", START_MS, "kitchen", 3.0, "a blue pot", ("new",), (1.0, 2.0), True))
    for row in stream(rows):
        knowledge.take(row)
    knowledge.remove_item("announced")
    return knowledge


def test_what_is_learned_after_a_snapshot_is_the_same() -> None:
    whole, before = learned(300), learned(300)
    again = thaw(freeze(before), CONFIG)
    for row in stream(600)[300:]:
        whole.take(row)
        again.take(row)
    one, other = freeze(whole), freeze(again)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[path], other[path], equal_nan=one[path].dtype.kind == "f") for path in one)


def test_a_recommender_goes_on_with_it() -> None:
    lists = []
    for again in (False, True):
        knowledge = Knowledge(CONFIG)
        for row in stream(300):
            knowledge.take(row)
        if again:
            knowledge = thaw(freeze(knowledge), CONFIG)
        recommender = Recommender(initial_parameters(), RecommenderConfig(CONFIG), knowledge)
        state = UserState()
        lists.append([recommender.learn(state, row).items for row in stream(330)[300:]])
    assert lists[0] == lists[1]
    assert any(lists[0])


def test_another_release_other_bounds_and_damage_are_refused() -> None:
    arrays = freeze(learned(50))
    with pytest.raises(SnapshotError, match="other bounds"):
        thaw(arrays, KnowledgeConfig(max_items=61))
    facts = arrays["facts"].tobytes()
    made_by = facts.index(b'"made_by":"') + len(b'"made_by":"')
    other = facts[:made_by] + b"0" * 16 + facts[made_by + 16 :]
    with pytest.raises(SnapshotError, match="another release"):
        thaw(arrays | {"facts": np.frombuffer(other, np.uint8)}, CONFIG)
    for damaged in (
        {path: array for path, array in arrays.items() if path != "items.events"},
        arrays | {"items.events": arrays["items.events"].astype(np.float64)},
        arrays | {"facts": arrays["facts"][:40]},
    ):
        with pytest.raises(SnapshotError, match="damaged"):
            thaw(damaged, CONFIG)


def test_what_it_cannot_keep_is_refused() -> None:
    knowledge = learned(10)
    vars(knowledge)["clock"] = object()
    with pytest.raises(TypeError, match="clock"):
        freeze(knowledge)
