"""A snapshot holds everything: what is learned after it is the same as without it."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import initial_parameters
from models.interaction import CatalogueItem
from models.knowledge import Knowledge, KnowledgeConfig
from models.recommender import Recommender
from models.snapshot import SnapshotError, freeze, make_room, thaw, touch
from models.user_state import UserState
from tests.unit.models.streams import START_MS, stream

# every bound is reached
CONFIG = KnowledgeConfig(max_items=60, max_users=30, max_sessions=64, table_cells=2048)


def learned(rows: int) -> Knowledge:
    knowledge = Knowledge(CONFIG)
    knowledge.put_item(CatalogueItem("announced", START_MS, "kitchen", 3.0, "a blue pot", ("new",), (1.0, 2.0), True))
    for row in stream(rows):
        knowledge.take(row)
    knowledge.remove_item("announced")
    return knowledge


def test_what_is_learned_after_a_snapshot_is_the_same() -> None:
    ends, lists = [], []
    for again in (False, True):
        knowledge = learned(300)
        if again:
            knowledge = thaw(freeze(knowledge), CONFIG)
        knowledge.discount(0.3)
        recommender, states = Recommender(initial_parameters(), knowledge=knowledge), dict[int, UserState]()
        later = stream(600)[300:]
        lists.append([recommender.learn(states.setdefault(row.user, UserState()), row).items for row in later])
        ends.append(freeze(knowledge))
    assert lists[0] == lists[1]
    assert any(lists[0])
    assert ends[0].keys() == ends[1].keys()
    assert all(np.array_equal(a, ends[1][path], equal_nan=a.dtype.kind == "f") for path, a in ends[0].items())


def test_room_made_before_holds_the_copy_as_far_as_it_is_long_enough_still() -> None:
    knowledge = learned(50)
    room = make_room(knowledge)
    touch(room)
    room["items.events"] = room["items.events"][:2]  # as if it had been made when there were two items
    for row in stream(300)[50:]:
        knowledge.take(row)
    frozen, plain = freeze(knowledge, room), freeze(knowledge)
    assert frozen.keys() == plain.keys()
    assert all(np.array_equal(a, plain[path], equal_nan=a.dtype.kind == "f") for path, a in frozen.items())
    inside = {path for path in room if np.shares_memory(frozen[path], room[path])}
    assert "items.events" not in inside
    assert len(inside) > 0.9 * len(room)


def test_what_is_as_long_as_a_bound_by_chance_is_kept_whole() -> None:
    config = KnowledgeConfig(max_items=1)
    whole = thaw(freeze(Knowledge(config)), config)
    assert whole.users.roll.tolist() == Knowledge(config).users.roll.tolist() == [1, 1]


def test_what_features_read_stays_a_line_of_the_cache_for_each_item() -> None:
    for knowledge in (learned(50), thaw(freeze(learned(50)), CONFIG)):
        items, score = knowledge.items, knowledge.popularity.score
        columns = score, items.events, items.category, items.price, items.last_event, items.born_s
        assert {column.strides[0] for column in columns} == {64}
        assert score.ctypes.data % 64 == 0
        assert len({column.ctypes.data // 64 for column in columns}) == 1


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
