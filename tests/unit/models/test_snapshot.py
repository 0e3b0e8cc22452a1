"""A snapshot holds everything: what is learned after it is the same as without it."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import initial_parameters
from models.interaction import CatalogueItem
from models.knowledge import KnowledgeConfig
from models.recommender import Recommender, RecommenderConfig
from models.snapshot import SnapshotError, freeze, thaw
from models.user_state import UserState
from tests.unit.models.streams import START_MS, stream

# every bound is reached
CONFIG = RecommenderConfig(KnowledgeConfig(max_items=60, max_users=30, max_sessions=64, table_cells=2048))
BASE = initial_parameters()


def learned(rows: int, states: dict[int, UserState] | None = None) -> Recommender:
    recommender, states = Recommender(BASE, CONFIG), {} if states is None else states
    recommender.put_item(CatalogueItem("announced", START_MS, "kitchen", 3.0, "a blue pot", ("new",), (1.0, 2.0), True))
    for row in stream(rows):
        recommender.learn(states.setdefault(row.user, UserState()), row)
    recommender.remove_item("announced")
    return recommender


def test_what_is_learned_after_a_snapshot_is_the_same() -> None:
    ends, lists = [], []
    for again in (False, True):
        states: dict[int, UserState] = {}
        recommender = learned(300, states)
        if again:
            recommender = thaw(freeze(recommender), BASE, CONFIG)
        later = stream(600)[300:]
        lists.append([recommender.learn(states.setdefault(row.user, UserState()), row).items for row in later])
        ends.append(freeze(recommender))
    assert lists[0] == lists[1]
    assert any(lists[0])
    assert ends[0].keys() == ends[1].keys()
    assert all(np.array_equal(a, ends[1][path], equal_nan=a.dtype.kind == "f") for path, a in ends[0].items())
    assert ends[0]["fast_weights.delta"].any()


def test_another_release_other_bounds_and_damage_are_refused() -> None:
    arrays = freeze(learned(50))
    with pytest.raises(SnapshotError, match="other bounds"):
        thaw(arrays, BASE, RecommenderConfig(KnowledgeConfig(max_items=61)))
    facts = arrays["facts"].tobytes()
    made_by = facts.index(b'"made_by":"') + len(b'"made_by":"')
    other = facts[:made_by] + b"0" * 16 + facts[made_by + 16 :]
    with pytest.raises(SnapshotError, match="another release"):
        thaw(arrays | {"facts": np.frombuffer(other, np.uint8)}, BASE, CONFIG)
    for damaged in (
        {path: array for path, array in arrays.items() if path != "knowledge.items.events"},
        arrays | {"knowledge.items.events": arrays["knowledge.items.events"].astype(np.float64)},
        arrays | {"facts": arrays["facts"][:40]},
    ):
        with pytest.raises(SnapshotError, match="damaged"):
            thaw(damaged, BASE, CONFIG)


def test_what_it_cannot_keep_is_refused() -> None:
    recommender = learned(10)
    vars(recommender.knowledge)["clock"] = object()
    with pytest.raises(TypeError, match="clock"):
        freeze(recommender)
