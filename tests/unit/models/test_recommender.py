"""The recommender as a whole: determinism, rebuilding, bounds, swaps; what lists hold is in `test_lists.py`."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import orjson
import pytest

from models.base import initial_parameters
from models.evaluation import evaluate, summary
from models.interaction import CatalogueItem, Interaction
from models.knowledge import Knowledge, KnowledgeConfig
from models.learner import BaseLearner
from models.recommender import Recommender, RecommenderConfig
from models.retrieval import SOURCES
from models.rules import RulesConfig
from models.snapshot import freeze
from models.user_state import UserState
from tests.unit.models.streams import START_MS, learn_all, random_base, stream


def knowledge_of(recommender: Recommender) -> dict[str, object]:
    """All arrays and numbers of the item knowledge."""
    arrays = freeze(recommender.knowledge)
    facts = orjson.loads(arrays.pop("facts").tobytes())
    return {path: array.tobytes() for path, array in arrays.items()} | facts


def test_observe_changes_knowledge_exactly_as_learn_does() -> None:
    rows = stream(600)
    learning, observing = Recommender(random_base()), Recommender(initial_parameters())
    learn_all(learning, rows)
    for row in rows:
        observing.observe(row)
    assert knowledge_of(learning) == knowledge_of(observing)


def test_lists_of_a_prefix_are_the_prefix_of_the_lists() -> None:
    def lists(count: int) -> list[list[str]]:
        taken: list[list[str]] = []
        base = initial_parameters()
        evaluate(
            stream(700)[:count], Recommender(base), BaseLearner(base), on_list=lambda _, items: taken.append(items)
        )
        return taken

    whole = lists(700)
    assert lists(300) == whole[:300]
    assert lists(700) == whole


def test_states_through_bytes_give_the_same_answers() -> None:
    rows, base = stream(300), random_base()
    kept, coded = Recommender(base), Recommender(base)
    states, records = dict[int, UserState](), dict[int, bytes]()
    for row in rows:
        first = kept.learn(states.setdefault(row.user, UserState()), row)
        state = UserState.decode(records.get(row.user))
        assert coded.learn(state, row).items == first.items
        records[row.user] = state.encode()


def test_lists_are_better_than_popularity_on_a_stream_with_tastes() -> None:
    base = initial_parameters()
    report = summary(evaluate(stream(3000), Recommender(base), BaseLearner(base)))
    assert report["mrr"] > 1.3 * report["baselines"]["popularity_2000"]["mrr"]


def test_learn_reports_what_recommend_would_have_answered() -> None:
    recommender, rows = Recommender(random_base()), stream(400)
    states = learn_all(recommender, rows[:-1])
    state, last = states[rows[-1].user], rows[-1]
    answered = [ranked.item_id for ranked in recommender.recommend(state, last.timestamp_ms)]
    learned = recommender.learn(state, last)
    assert learned.items == answered
    assert learned.rank == (answered.index(last.item_id) + 1 if last.item_id in answered else None)


def test_memory_is_bounded_and_slots_are_recycled() -> None:
    config = KnowledgeConfig(max_items=40, max_users=20, max_sessions=64, max_categories=5, max_contexts=1024)
    recommender = Recommender(initial_parameters(), RecommenderConfig(knowledge=config))
    states = dict[int, UserState]()
    for i, row in enumerate(stream(3000, users=60, items=300)):
        learned = recommender.learn(states.setdefault(row.user, UserState()), row)
        assert len(set(learned.items)) == len(learned.items)
        if i > 500:
            assert learned.items
    knowledge = recommender.knowledge
    assert len(knowledge.items) == 40
    assert len(knowledge.items.hashes) == 41
    assert knowledge.users.used <= 21
    assert len(knowledge.sessions.size) == 64
    names = [name for name in knowledge.items.names if name]
    assert len(set(names)) == len(names) == 40


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory in use is read from Linux' /proc")
def test_small_catalogue_takes_little_memory() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    learn_all(Recommender(initial_parameters()), stream(10))  # what is compiled and imported once stays out of it
    before = resident()
    recommender = Recommender(initial_parameters())
    learn_all(recommender, stream(500))
    assert resident() - before < 60_000_000
    assert recommender.knowledge.pairs.weight.nbytes > 400_000_000  # the bound of a million items, its pages unused


def test_removed_item_is_gone_and_may_come_back() -> None:
    recommender, rows = Recommender(initial_parameters()), stream(400)
    states = learn_all(recommender, rows)
    state = states[rows[-1].user]
    gone = recommender.recommend(state, rows[-1].timestamp_ms, k=1)[0].item_id
    recommender.remove_item(gone)
    assert gone not in [ranked.item_id for ranked in recommender.recommend(state, rows[-1].timestamp_ms, k=200)]
    recommender.put_item(CatalogueItem(gone, rows[-1].timestamp_ms))
    assert gone in [ranked.item_id for ranked in recommender.recommend(state, rows[-1].timestamp_ms, k=200)]


def test_small_disorder_and_equal_times_do_no_harm() -> None:
    rows = stream(300)
    shuffled = [
        Interaction(row.user, row.item_id, row.event_type, row.timestamp_ms // 60_000 * 60_000 - 90_000 * (i % 3))
        for i, row in enumerate(rows)
    ]
    recommender = Recommender(initial_parameters())
    for state in learn_all(recommender, shuffled).values():
        assert UserState.decode(state.encode()).encode() == state.encode()
        assert np.isfinite([item.score for item in recommender.recommend(state, START_MS)]).all()


@pytest.mark.parametrize("version", [1, 2])
def test_swap_serves_the_new_version_and_keeps_users(version: int) -> None:
    recommender, rows = Recommender(initial_parameters()), stream(200)
    states = learn_all(recommender, rows)
    before = {user: state.encode() for user, state in states.items()}
    recommender.swap(random_base(version - 1))
    assert recommender.base.version == version
    recommender.recommend(states[rows[-1].user], rows[-1].timestamp_ms)
    assert {user: state.encode() for user, state in states.items()} == before


def test_knowledge_keeps_leaders_sorted_and_complete() -> None:
    knowledge = Knowledge(KnowledgeConfig(max_items=50))
    for row in stream(2000, items=90, seed=1):
        knowledge.take(row)
    popularity = knowledge.popularity
    for which in range(4):
        row = popularity.leaders[which][popularity.leaders[which] > 0]
        scores = popularity.score[row, which]
        assert (np.diff(scores) <= 0).all()
        assert len(set(row.tolist())) == len(row) == int((popularity.score[:, which] > 0).sum())
        assert (popularity.place[row, which] == np.arange(len(row)) + 1).all()


@pytest.mark.parametrize(
    "rules",
    [
        RulesConfig(),
        RulesConfig(filter_seen=True, category_cap=3, diversity=0.3),
        RulesConfig(exploration=0.2),
        RulesConfig(newcomer_places=3),
    ],
)
def test_the_list_that_is_scored_keeps_to_the_rules_as_the_one_that_is_shown(rules: RulesConfig) -> None:
    recommender = Recommender(random_base(), RecommenderConfig(rules=rules))
    states, answered_all = dict[int, UserState](), 0
    for row in stream(400):
        state = states.setdefault(row.user, UserState())
        answered = [ranked.item_id for ranked in recommender.recommend(state, row.timestamp_ms, k=10)]
        learned = recommender.learn(state, row, k=10)
        assert learned.items == answered
        assert learned.rank == (answered.index(row.item_id) + 1 if row.item_id in answered else None)
        answered_all += len(answered)
    assert answered_all > 2_000


def test_learn_tells_who_found_the_item_and_those_of_the_list() -> None:
    recommender, states, recalled = Recommender(random_base()), dict[int, UserState](), 0
    for row in stream(400):
        learned = recommender.learn(states.setdefault(row.user, UserState()), row)
        assert len(learned.items_found) == len(learned.items)
        assert learned.recalled or learned.found == 0
        if learned.rank is not None:
            assert learned.found == learned.items_found[learned.rank - 1]
            recalled += 1
        assert 0 <= learned.found < 1 << len(SOURCES)
        assert (learned.items_found < 1 << len(SOURCES)).all()
    assert recalled > 100


def test_recommenders_that_share_their_knowledge_agree_with_one_of_its_own() -> None:
    alone, first = Recommender(random_base()), Recommender(random_base())
    second = Recommender(random_base(), knowledge=first.knowledge)
    users = [dict[int, UserState]() for _ in range(3)]
    for row in stream(300):
        states = [states.setdefault(row.user, UserState()) for states in users]
        expected = alone.learn(states[0], row)
        assert second.learn_user(states[1], row).items == expected.items
        assert first.learn(states[2], row).items == expected.items
