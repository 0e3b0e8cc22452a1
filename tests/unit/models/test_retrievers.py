"""One contract for every retriever: what any of them proposes is a live, available item, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from models.features import INDEX, F
from models.interaction import CatalogueItem, EventType, Interaction
from models.knowledge import Knowledge, KnowledgeConfig
from models.retrieval import SOURCES, Retriever
from models.retrieval.select import CANDIDATES, QUOTAS
from models.user_state import UserState
from tests.unit.models.streams import START_MS, stream


@pytest.fixture(scope="module")
def world() -> tuple[Knowledge, dict[int, UserState]]:
    knowledge, states = Knowledge(), dict[int, UserState]()
    for row in stream(1500, users=40, items=300):
        states.setdefault(row.user, UserState()).take(row)
        knowledge.take(row)
    for number in range(5):
        knowledge.put_item(CatalogueItem(f"gone {number}", START_MS, category="kind 1", available=False))
        knowledge.put_item(CatalogueItem(f"announced {number}", START_MS, category="kind 1"))
    for name in ("i3", "i4"):
        knowledge.remove_item(name)
    return knowledge, states


def proposed(world: tuple[Knowledge, dict[int, UserState]], source: int) -> list[list[int]]:
    knowledge, states = world
    retriever, lists = Retriever(knowledge), []
    for state in states.values():
        candidates = retriever.retrieve(state, state.last_ms + 1000)
        lists.append(candidates.slots[(candidates.found >> source & 1) == 1].tolist())
    return lists


@pytest.mark.parametrize("source", range(len(SOURCES)), ids=[name for name, *_ in SOURCES])
def test_retriever_contract(world: tuple[Knowledge, dict[int, UserState]], source: int) -> None:
    knowledge, _ = world
    lists = proposed(world, source)
    assert any(lists), "it proposes something to somebody"
    assert lists == proposed(world, source), "the same every time"
    for slots in lists:
        assert len(set(slots)) == len(slots) <= QUOTAS[1, source]
        for slot in slots:
            name = knowledge.items.names[slot]
            assert knowledge.items.available[slot]
            assert name
            assert not name.startswith("gone")
            assert name not in ("i3", "i4")


def test_candidates_are_distinct_and_their_features_finite(world: tuple[Knowledge, dict[int, UserState]]) -> None:
    knowledge, states = world
    retriever = Retriever(knowledge)
    for state in [*states.values(), UserState()]:
        candidates = retriever.retrieve(state, state.last_ms + 1000)
        assert len(np.unique(candidates.slots)) == len(candidates.slots) > 150
        assert candidates.features.shape == (len(candidates.slots), F)
        assert np.isfinite(candidates.features).all()


def test_every_feature_says_something(world: tuple[Knowledge, dict[int, UserState]]) -> None:
    knowledge, states = world
    retriever = Retriever(knowledge)
    now = max(state.last_ms for state in states.values()) + 1000
    rows = np.concatenate([retriever.retrieve(state, now, "kind 1").features.copy() for state in states.values()])
    silent = [name for name, column in INDEX.items() if rows[:, column].std() < 1e-6]
    assert silent == ["catalogue"], "the size of the catalogue is the same within a moment"


def test_features_do_not_depend_on_who_else_is_a_candidate(world: tuple[Knowledge, dict[int, UserState]]) -> None:
    knowledge, states = world
    retriever, state = Retriever(knowledge), next(iter(states.values()))
    whole = retriever.retrieve(state, state.last_ms + 1000)
    slots, features = whole.slots[:9].copy(), whole.features[:9].copy()
    some = retriever.retrieve(state, state.last_ms + 1000, among=slots)
    kept = [column for name, column in INDEX.items() if name != "sources"]
    np.testing.assert_array_equal(some.features[:, kept], features[:, kept])


def test_a_long_list_to_rank_leaves_the_next_request_as_it_was() -> None:
    knowledge, state = Knowledge(), UserState()
    for row in stream(3000, users=40, items=600):
        state.take(row)
        knowledge.take(row)
    retriever, now = Retriever(knowledge), state.last_ms + 1000
    before = retriever.retrieve(state, now).slots.tolist()
    every = np.arange(1, knowledge.items.used, dtype=np.int32)
    assert len(every) > len(before) == CANDIDATES
    assert retriever.retrieve(state, now, among=every).slots.tolist() == every.tolist()
    assert retriever.retrieve(state, now).slots.tolist() == before


def test_a_candidate_is_of_all_sources_that_proposed_it_and_of_no_others() -> None:
    knowledge, states = Knowledge(), dict[int, UserState]()
    for row in stream(4000, users=40, items=3000):
        states.setdefault(row.user, UserState()).take(row)
        knowledge.take(row)
    retriever, crowded = Retriever(knowledge), 0
    for state in states.values():
        candidates, scratch = retriever.retrieve(state, state.last_ms + 1000), retriever._scratch
        proposals = [
            set(proposed[: min(length, quota)].tolist())
            for proposed, length, quota in zip(scratch.lists, scratch.lengths, QUOTAS[1], strict=True)
        ]
        crowded += len(set.union(*proposals)) > len(candidates.slots) == CANDIDATES
        for slot, found in zip(candidates.slots.tolist(), candidates.found.tolist(), strict=True):
            assert [found >> source & 1 for source in range(len(SOURCES))] == [slot in each for each in proposals]
    assert crowded > 20, "who else proposed a candidate counts also when all have been chosen"


def test_there_is_room_for_all_that_a_request_touches_however_wide_the_rows() -> None:
    knowledge, state = Knowledge(KnowledgeConfig(max_items=20_000, pairs_per_item=2_048)), UserState()
    own = [f"own{n}" for n in range(10)]
    for user, item in enumerate(own * 150):  # each with nine others that nobody else has touched
        for name in [*(f"{user}-{n}" for n in range(9)), item]:
            knowledge.take(Interaction(user + 1, name, EventType.CLICK, START_MS + user))
    for item in own:
        state.take(Interaction(99_999, item, EventType.CLICK, START_MS + 10_000))
    retriever = Retriever(knowledge)
    retriever.retrieve(state, START_MS + 20_000)
    scratch = retriever._scratch
    touched = int(scratch.size[0])
    assert 10_000 < touched <= len(scratch.slots)
    assert len(set(scratch.slots[:touched].tolist())) == touched


def test_rules_find_what_follows() -> None:
    knowledge, state = Knowledge(), UserState()
    for user in range(20):
        for second, name in enumerate(("tea", "milk", f"other {user}")):
            knowledge.take(Interaction(user, name, EventType.CLICK, START_MS + 1000 * second + user))
    state.take(Interaction(99, "tea", EventType.CLICK, START_MS + 100_000))
    candidates = Retriever(knowledge).retrieve(state, START_MS + 101_000)
    best = candidates.slots[np.argmax(candidates.features[:, INDEX["next_last"]])]
    assert knowledge.items.names[best] == "milk"
