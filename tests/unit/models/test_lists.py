"""What is in a list, and what is not: for cold users, of new items, of what is left out, asked for or filtered."""

from __future__ import annotations

from models.base import initial_parameters
from models.interaction import CatalogueItem, EventType, Interaction
from models.recommender import Recommender, RecommenderConfig
from models.rules import RulesConfig
from models.user_state import UserState
from schemas.events import MAX_K
from tests.unit.models.streams import START_MS, learn_all, stream


def test_unavailable_item_is_in_no_list() -> None:
    recommender, rows = Recommender(initial_parameters()), stream(400)
    states = learn_all(recommender, rows)
    for number in range(0, 60, 2):
        recommender.put_item(CatalogueItem(f"i{number}", START_MS, available=False))
    for state in states.values():
        ranked = recommender.recommend(state, rows[-1].timestamp_ms, k=60)
        assert ranked
        assert all(int(item.item_id[1:]) % 2 == 1 for item in ranked)


def test_cold_user_gets_popular_items() -> None:
    recommender = Recommender(initial_parameters())
    for row in stream(500):
        recommender.observe(row)
    events = recommender.knowledge.items
    ranked = recommender.recommend(UserState(), START_MS + 10**8, k=5)
    popular = sorted(range(1, events.used), key=lambda slot: -events.events[slot])[:15]
    assert {item.item_id for item in ranked} <= {events.names[slot] for slot in popular}


def test_the_longest_list_that_may_be_asked_for_is_filled() -> None:
    recommender, anna = Recommender(initial_parameters()), UserState()
    for number in range(300):
        event = Interaction(number % 7 + 1, f"i{number}", EventType.CLICK, START_MS + 1000 * number)
        recommender.learn(anna if event.user == 1 else UserState(), event)
    for state in (anna, UserState()):
        assert len({ranked.item_id for ranked in recommender.recommend(state, START_MS + 10**6, k=MAX_K)}) == MAX_K


def test_announced_item_is_a_candidate_before_its_first_event() -> None:
    recommender, rows = Recommender(initial_parameters()), stream(400, seed=2)
    states = learn_all(recommender, rows)
    now = rows[-1].timestamp_ms
    recommender.put_item(CatalogueItem("brand new", now, category="kind 1", price=3.0, text="soft green shoes"))
    for state in states.values():
        assert "brand new" in [ranked.item_id for ranked in recommender.recommend(state, now, k=200)]


def test_nothing_known_gives_an_empty_list() -> None:
    recommender = Recommender(initial_parameters())
    assert recommender.recommend(UserState(), START_MS) == []
    learned = recommender.learn(UserState(), stream(1)[0])
    assert (learned.items, learned.rank, learned.example, learned.new_item) == ([], None, None, True)


def test_what_is_left_out_is_in_no_list() -> None:
    recommender, rows = Recommender(initial_parameters()), stream(400)
    states = learn_all(recommender, rows)
    state, now = states[rows[-1].user], rows[-1].timestamp_ms
    before = [item.item_id for item in recommender.recommend(state, now)]
    after = [item.item_id for item in recommender.recommend(state, now, exclude=before[:3])]
    assert after[:17] == before[3:]
    assert len(after) == len(before) == 20
    assert not set(before[:3]) & set(after)


def test_given_items_are_ranked_and_unknown_ones_come_last() -> None:
    recommender, rows = Recommender(initial_parameters()), stream(400)
    states = learn_all(recommender, rows)
    ranked = recommender.recommend(
        states[rows[-1].user], rows[-1].timestamp_ms, among=["never", "i3", "i4", "i5", "i3"], exclude=["i4"]
    )
    assert [item.item_id for item in ranked][-1] == "never"
    assert {item.item_id for item in ranked} == {"never", "i3", "i5"}
    assert [item.score for item in ranked] == sorted((item.score for item in ranked), reverse=True)


def test_filters_keep_out_what_the_user_had_but_for_consumables() -> None:
    rows = stream(400)
    for rules, kinds in (
        (RulesConfig(filter_seen=True), set(EventType)),
        (RulesConfig(filter_purchased=True), {EventType.PURCHASE}),
        (RulesConfig(filter_seen=True, repeatable=frozenset({"kind 1"})), set(EventType)),
    ):
        recommender = Recommender(initial_parameters(), RecommenderConfig(rules=rules))
        states = learn_all(recommender, rows)
        consumables = 0
        for user, state in states.items():
            had = {row.item_id for row in rows if row.user == user and row.event_type in kinds}
            for ranked in recommender.recommend(state, rows[-1].timestamp_ms):
                consumable = int(ranked.item_id[1:]) % 3 == 1
                consumables += ranked.item_id in had and consumable
                assert ranked.item_id not in had or (rules.repeatable and consumable)
        assert bool(consumables) == bool(rules.repeatable)


def test_reasons_are_given_for_every_item() -> None:
    recommender, rows = Recommender(initial_parameters()), stream(400)
    states = learn_all(recommender, rows)
    ranked = recommender.recommend(states[rows[-1].user], rows[-1].timestamp_ms)
    assert all(0 < len(item.reasons) <= 3 for item in ranked)
    assert not any(item.reasons for item in recommender.recommend(UserState(), START_MS, explain=False))
