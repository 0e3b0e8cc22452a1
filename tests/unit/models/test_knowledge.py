"""The tables behind the retrievers: what they count, how they forget, and how they stay bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import INDEX
from models.interaction import EventType, Interaction
from models.jit import log
from models.knowledge import Knowledge, KnowledgeConfig
from models.knowledge.arrays import HashMap
from models.knowledge.neighbours import Postings, learn_posting
from models.knowledge.pairs import BACK, CROSS, NEXT, SLOW, Pairs, place
from models.retrieval import Retriever
from models.user_state import UserState
from tests.unit.models.streams import START_MS, stream


def click(user: int, item: str, second: int) -> Interaction:
    return Interaction(user, item, EventType.CLICK, START_MS + 1000 * second)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=200))
def test_hash_map_behaves_like_a_dict(steps: list[tuple[bool, int]]) -> None:
    table, model = HashMap(), dict[int, int]()
    for number, (add, key) in enumerate(steps, start=1):
        if add and key not in model:
            table.put(key, number)
            model[key] = number
        elif not add and key in model:
            table.remove(key)
            del model[key]
    assert {key: table.get(key) for key in range(1, 41)} == {key: model.get(key, 0) for key in range(1, 41)}
    assert len(table) == len(model)


def test_a_user_beyond_the_bound_takes_the_place_of_one_long_idle() -> None:
    knowledge = Knowledge(KnowledgeConfig(max_users=40))
    users = knowledge.users
    for user in range(1, 41):
        knowledge.take(click(user, "a", 100 - user))  # the highest numbers are idle for longest
    assert [users.table.get(user) for user in range(1, 41)] == list(range(1, 41))
    knowledge.take(click(41, "b", 200))
    assert users.table.get(32) == 0  # the idlest of the first 32
    assert users.table.get(41) == 32
    assert users.lists.size[32] == 1
    knowledge.take(click(42, "b", 200))
    assert users.table.get(40) == 0  # the idlest of the next, from 33 on and round
    assert users.table.get(42) == 40
    assert len(users.table) == 40


def test_pairs_count_what_follows_what() -> None:
    knowledge = Knowledge()
    for second, item in enumerate("abc"):
        knowledge.take(click(1, item, second))
    knowledge.take(click(1, "d", 10_000))  # the next session
    pairs, slot = knowledge.pairs, knowledge.slot

    def weight(before: str, after: str, kind: int) -> float:
        blocks, reference = pairs.blocks, knowledge.items.reference(slot(after))
        at = place(slot(before), reference, blocks.row, blocks.pool, pairs.partner, pairs.weight)
        return float(pairs.weight[at, kind])

    assert weight("a", "b", NEXT) == pytest.approx(1, abs=1e-3)
    assert weight("a", "c", NEXT) == 0
    assert weight("a", "c", SLOW) == pytest.approx(1 / 2, abs=1e-3)
    assert weight("c", "d", SLOW) == 0
    assert weight("c", "d", CROSS) == pytest.approx(1, abs=1e-3)
    assert weight("b", "a", BACK) == pytest.approx(1, abs=1e-3)


def test_pairs_forget_by_half_lives() -> None:
    knowledge = Knowledge(KnowledgeConfig(slow_half_life=10, fast_half_life=5, half_life_per_item=0))
    knowledge.take(click(1, "a", 0))
    knowledge.take(click(1, "b", 1))
    for second in range(10):
        knowledge.take(click(2 + second, "x", second))
    knowledge.take(click(1, "c", 3))  # brings the rows of a and b up to date
    row = knowledge.pairs.weight[knowledge.pairs.blocks.row[knowledge.slot("a"), 0]]
    assert row[SLOW] == pytest.approx(2 ** (-11 / 10), rel=1e-5)
    assert row[SLOW + 1] == pytest.approx(2 ** (-11 / 5), rel=1e-5)


@pytest.mark.parametrize("rule", ["next_last", "slow_recent", "cross_history", "second_order"])
@pytest.mark.parametrize("kept", [1.0, 0.1])
def test_after_a_discount_new_evidence_outweighs_the_old(kept: float, rule: str) -> None:
    knowledge, state = Knowledge(), UserState()
    for user in range(10):
        for second, item in enumerate(["x", "a", "old"]):
            knowledge.take(click(user, item, second))
    knowledge.discount(kept)
    for user in range(10, 13):
        for second, item in enumerate(["x", "a", "new"]):
            knowledge.take(click(user, item, second))
    for second, item in enumerate(["x", "a"]):
        state.take(click(99, item, second))
    found = Retriever(knowledge).retrieve(state, START_MS + 2_000)
    said = dict(zip(found.slots.tolist(), found.features[:, INDEX[rule]].tolist(), strict=True))
    assert said[knowledge.slot("old")] > 0  # what still holds is known yet
    assert (said[knowledge.slot("new")] > said[knowledge.slot("old")]) == (kept < 1)


def partners(pairs: Pairs, slot: int) -> list[int]:
    start, width = pairs.blocks.row[slot].tolist()
    return [partner for partner in pairs.partner[start : start + width].tolist() if partner]


def pair(pairs: Pairs, slot: int, reference: int) -> None:
    at = place(slot, reference, pairs.blocks.row, pairs.blocks.pool, pairs.partner, pairs.weight)
    pairs.weight[at, CROSS] += 1


def test_a_row_widens_with_its_partners_and_keeps_their_weights() -> None:
    pairs = Pairs(rows=3, width=32, shared=1024)
    for reference in range(1, 33):
        pair(pairs, 1, reference)
        pair(pairs, 2, 100 + reference)
    assert partners(pairs, 1) == list(range(1, 33))
    assert partners(pairs, 2) == list(range(101, 133))
    start = pairs.blocks.row[1, 0]
    assert (pairs.weight[start : start + 32, CROSS] == 1).all()
    pair(pairs, 1, 5)
    pair(pairs, 1, 999)  # as wide as it may be: the weakest gives way, not the one seen twice
    assert partners(pairs, 1) == [999, *range(2, 33)]


def test_when_the_shared_cells_are_used_up_every_row_still_has_its_first_block() -> None:
    pairs = Pairs(rows=100, width=128, shared=128)
    for reference in range(1, 200):
        pair(pairs, 1, reference)
    for slot in range(2, 100):
        for reference in range(1, 10):
            pair(pairs, slot, reference)
    assert pairs.blocks.row[1, 1] == 64  # a block of 128 and those left behind would be more than 128 cells
    assert all(len(partners(pairs, slot)) >= 8 for slot in range(2, 100))


def test_cells_of_a_forgotten_item_serve_the_next() -> None:
    pairs = Pairs(rows=3, width=64, shared=256)
    for turn in range(50):
        for reference in range(1, 65):
            pair(pairs, 1, 1000 * turn + reference)
        assert len(partners(pairs, 1)) == 64
        pairs.clear(1)
        assert partners(pairs, 1) == []
        assert not pairs.weight.any()


@pytest.mark.parametrize("posted", [5, 10, 16, 20, 100])
def test_postings_keep_the_latest_lists(posted: int) -> None:
    postings = Postings(lists=64, length=4, rows=8, width=16, shared=256)
    blocks = postings.blocks
    for number in range(posted):
        at = number % 64
        postings.size[at] = 0
        learn_posting(
            at,
            number,
            7,
            postings.members,
            postings.size,
            blocks.row,
            blocks.pool,
            postings.posted,
            postings.count,
        )
    start, width = blocks.row[7].tolist()
    count = int(postings.count[7])
    latest = [int(postings.posted[start + (count - 1 - back) % width]) for back in range(min(count, width))]
    assert latest == list(range(posted - 1, posted - 1 - min(posted, 16), -1))


def test_references_to_a_recycled_slot_are_stale() -> None:
    knowledge = Knowledge(KnowledgeConfig(max_items=3))
    for second, item in enumerate("abcd"):
        knowledge.take(click(second, item, second))
    assert knowledge.slot("a") == 0
    assert knowledge.slot("d") == 1
    assert knowledge.items.reference(1) != 1


def test_categories_and_leaders_follow_the_events() -> None:
    knowledge = Knowledge()
    for row in stream(500):
        knowledge.take(row)
    for name, number in knowledge.categories.numbers.items():
        row = knowledge.popularity.category_leaders[number]
        row = row[row > 0]
        scores = knowledge.popularity.score[row, 2]
        assert len(row) == 20
        assert (np.diff(scores) <= 0).all()
        assert {knowledge.categories.names[knowledge.items.category[slot]] for slot in row} == {name}


def test_popularity_survives_many_half_lives() -> None:
    knowledge = Knowledge()
    for second in range(3):
        knowledge.take(click(1, "a", second))
    knowledge.event = 10**7
    knowledge.take(click(1, "b", 4))
    assert np.isfinite(knowledge.popularity.score).all()
    assert knowledge.popularity.leaders[0, 0] == knowledge.slot("b")


def test_fast_log_is_close() -> None:
    x = np.exp(np.linspace(-30, 30, 2000)).astype(np.float32)
    assert max(abs(log(value) - np.log(np.float64(value))) for value in x) < 1e-5
