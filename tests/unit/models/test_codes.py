"""Items in the order of their ids: neighbours are found as soon as they are known, and count for what they showed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import INDEX
from models.interaction import CatalogueItem, EventType, Interaction
from models.knowledge import Knowledge, KnowledgeConfig
from models.knowledge.codes import LATEST, REACH, Codes, order_key
from models.retrieval import SOURCES, Retriever
from models.user_state import UserState
from tests.unit.models.streams import START_MS

BIT = [name for name, *_ in SOURCES].index("codes")


def along(codes: Codes) -> list[int]:
    """Slots from the first to the last, having checked that the way back is the same."""
    slots: list[int] = []
    slot = codes.order[0][1] if codes.order else 0
    while slot:
        assert codes.before[slot] == (slots[-1] if slots else 0)
        slots.append(slot)
        slot = int(codes.after[slot])
    return slots


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.text("AZ019", min_size=1, max_size=4)), max_size=60))
def test_neighbours_are_those_of_the_sorted_ids(steps: list[tuple[bool, str]]) -> None:
    codes, names = Codes(100), dict[int, str]()
    for slot, (add, name) in enumerate(steps, start=1):
        if add and name not in names.values():
            codes.add(slot, name)
            names[slot] = name
        elif not add and name in names.values():
            gone = next(slot for slot, known in names.items() if known == name)
            codes.remove(gone, names.pop(gone))
        assert along(codes) == sorted(names, key=lambda slot: order_key(names[slot]))


def test_of_different_ids_the_keys_differ() -> None:
    ids = ["7", "07", "0017", "17", "1", "0011", "a7", "a07"]
    assert len(set(map(order_key, ids))) == len(ids)


def world(numbers: np.ndarray) -> tuple[Knowledge, Retriever, UserState]:
    """Users who go through items of these numbers, two each; then one who has begun with item 500."""
    knowledge, state = Knowledge(), UserState()
    for number in range(1_000):
        knowledge.put_item(CatalogueItem(f"SKU{number}", START_MS))
    for user, (first, second) in enumerate(numbers.reshape(-1, 2)):
        for second_of_day, number in enumerate((first, second)):
            knowledge.take(click(user + 1, int(number), 10 * user + second_of_day))
    state.take(click(99_999, 500, 100_000))
    return knowledge, Retriever(knowledge), state


def click(user: int, number: int, second: int) -> Interaction:
    return Interaction(user, f"SKU{number}", EventType.CLICK, START_MS + 1_000 * second)


def highest_chance(retriever: Retriever, state: UserState) -> float:
    highest = retriever.retrieve(state, state.last_ms + 1_000).features[:, INDEX["codes"]].max()
    return float(np.expm1(highest) / 50)


def test_an_item_that_nobody_touched_is_proposed_beside_its_like() -> None:
    firsts = np.random.default_rng(1).choice(np.arange(0, 490, 5), 300)
    knowledge, retriever, state = world(np.stack([firsts, firsts + 2], axis=1))
    candidates = retriever.retrieve(state, state.last_ms + 1_000)
    score = candidates.features[:, INDEX["codes"]]
    best = int(candidates.slots[np.argmax(score)])
    assert knowledge.items.names[best] == "SKU502"
    assert knowledge.items.events[best] == 0
    assert candidates.found[np.argmax(score)] >> BIT & 1
    assert candidates.features[np.argmax(score), INDEX["codes_lift"]] > 4


def test_where_ids_are_drawn_at_random_the_neighbours_count_for_nothing() -> None:
    _, retriever, state = world(np.random.default_rng(1).integers(0, 1_000, 1_200))
    assert highest_chance(retriever, state) < 0.01


def test_what_was_counted_is_forgotten_when_it_holds_no_longer() -> None:
    knowledge, retriever, state = world(np.repeat(np.arange(0, 490, 5), 2) + np.tile([0, 2], 98))
    before = highest_chance(retriever, state)
    for user, number in enumerate(np.random.default_rng(2).integers(0, 1_000, 4_000)):
        knowledge.take(click(user // 2 + 10_000, int(number), 200_000 + user))
    assert highest_chance(retriever, state) < before / 10


def test_after_a_discount_new_evidence_outweighs_the_old() -> None:
    chances = []
    for kept in (1.0, 0.05):
        knowledge, retriever, state = world(np.repeat(np.arange(0, 490, 5), 2) + np.tile([0, 2], 98))
        knowledge.discount(kept)
        for user in range(20):
            knowledge.take(click(user + 10_000, 600 + 5 * user, 200_000))
            knowledge.take(click(user + 10_000, 601 + 5 * user, 200_001))
        candidates = retriever.retrieve(state, state.last_ms + 1_000)
        said = dict(zip(candidates.slots.tolist(), candidates.features[:, INDEX["codes"]].tolist(), strict=True))
        chances.append((said[knowledge.slot("SKU502")], said[knowledge.slot("SKU501")]))
    (old, new), (old_discounted, new_discounted) = chances
    assert old > new > 0
    assert new_discounted > old_discounted > 0


@pytest.mark.parametrize("within", [False, True])
def test_a_session_is_counted_apart_from_what_was_before_it(within: bool) -> None:
    knowledge = Knowledge()
    knowledge.take(click(1, 5, 0))
    knowledge.take(click(2, 6, 0))
    knowledge.take(click(1, 6, 1 if within else 100_000))
    followed = knowledge.codes.followed
    assert followed.shape == (2, LATEST, 2 * REACH)
    assert followed[int(within), 0, 1] == 1
    assert followed.sum() == 1


def test_at_the_bound_those_that_give_way_leave_no_gap() -> None:
    knowledge = Knowledge(KnowledgeConfig(max_items=20))
    for second, number in enumerate(np.random.default_rng(3).integers(0, 200, 500)):
        knowledge.take(click(second % 7 + 1, int(number), second))
    names = knowledge.items.names
    known = [name for name in names if name]
    assert [names[slot] for slot in along(knowledge.codes)] == sorted(known, key=order_key)
    assert len(known) == 20
