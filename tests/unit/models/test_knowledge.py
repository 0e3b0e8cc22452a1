"""The tables behind the retrievers: what they count, how they forget, and how they stay bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interaction import EventType, Interaction
from models.jit import log
from models.knowledge import Knowledge, KnowledgeConfig
from models.knowledge.arrays import HashMap
from models.knowledge.neighbours import Postings, learn_posting
from models.knowledge.pairs import BACK, CROSS, NEXT, SLOW, Pairs, place
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


def test_pairs_count_what_follows_what() -> None:
    knowledge = Knowledge()
    for second, item in enumerate("abc"):
        knowledge.take(click(1, item, second))
    knowledge.take(click(1, "d", 10_000))  # the next session
    pairs, slot = knowledge.pairs, knowledge.slot

    def weight(before: str, after: str, kind: int) -> float:
        at = place(slot(before), knowledge.items.reference(slot(after)), pairs.partner, pairs.weight)
        return float(pairs.weight[slot(before), kind, at])

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
    row = knowledge.pairs.weight[knowledge.slot("a"), :, 0]
    assert row[SLOW] == pytest.approx(2 ** (-11 / 10), rel=1e-5)
    assert row[SLOW + 1] == pytest.approx(2 ** (-11 / 5), rel=1e-5)


def test_wide_tables_become_narrow_and_keep_the_strongest() -> None:
    pairs = Pairs(width=64, cells=64 * 64)
    pairs.grow(64)
    pairs.partner[3, :40] = np.arange(1, 41)
    pairs.weight[3, CROSS, :40] = np.arange(40)
    pairs.grow(128)
    assert pairs.partner.shape == (128, 32)
    assert sorted(pairs.partner[3].tolist()) == list(range(9, 41))


@pytest.mark.parametrize("posted", [10, 20, 100])
def test_narrowed_postings_keep_the_latest(posted: int) -> None:
    postings = Postings(length=4, width=64, cells=64 * 64)
    postings.grow(64)
    for number in range(posted):
        at = number % 64
        postings.size[at] = 0
        learn_posting(at, number, 7, postings.members, postings.size, postings.posted, postings.count)
    postings.grow(256)
    width = postings.posted.shape[1]
    assert width == 16
    count = int(postings.count[7])
    latest = [int(postings.posted[7, (count - 1 - back) % width]) for back in range(min(count, width))]
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
