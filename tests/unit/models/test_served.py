"""What events are learned from: the candidates of the list that the user was served, as long as they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.interaction import EventType, Interaction
from models.recommender import Recommender, RecommenderConfig
from models.retrieval import Candidates
from models.served import Served
from models.user_state import SESSION_IDLE_MS, UserState
from tests.unit.models.streams import START_MS, random_base, stream


def shop(served_lists: int = 10, max_items: int | None = None) -> tuple[Recommender, UserState]:
    """A recommender that has learned from many users, and one of them with a list to go by."""
    config = RecommenderConfig(served_lists=served_lists)
    if max_items is not None:
        config = replace(config, knowledge=replace(config.knowledge, max_items=max_items))
    recommender, anna = Recommender(random_base(), config), UserState()
    for row in stream(300):
        recommender.observe(row)
    for second, item in enumerate(("i3", "i6")):
        recommender.learn(anna, anna_clicks(item, 6_000_000 + 1_000 * second))
    return recommender, anna


def anna_clicks(item: str, after_ms: int) -> Interaction:
    return Interaction(7, item, EventType.CLICK, START_MS + after_ms, "kind 0")


def everybody_clicks(recommender: Recommender, item: str) -> None:
    for user in range(100, 140):
        recommender.observe(Interaction(user, item, EventType.CLICK, START_MS + 6_002_000, "kind 0"))


def served(recommender: Recommender, user: UserState) -> list[str]:
    return [ranked.item_id for ranked in recommender.recommend(user, START_MS + 6_001_000)]


def test_an_event_is_scored_and_learned_against_the_list_that_was_served_and_not_what_came_since() -> None:
    recommender, anna = shop()
    shown = served(recommender, anna)
    everybody_clicks(recommender, "the craze")
    learned = recommender.learn(anna, anna_clicks(shown[4], 6_030_000))
    assert learned.items == shown
    assert learned.rank == 5
    assert learned.example is not None


def test_without_lists_kept_an_event_is_scored_against_one_of_its_own_moment() -> None:
    recommender, anna = shop(served_lists=0)
    shown = served(recommender, anna)
    everybody_clicks(recommender, "the craze")
    assert recommender.learn(anna, anna_clicks(shown[4], 6_030_000)).items != shown


@pytest.mark.parametrize(
    ("before", "clicks"),
    [
        ("nothing", anna_clicks("i9", 6_001_000 + SESSION_IDLE_MS + 1)),
        ("an event", anna_clicks("i9", 6_030_000)),
        ("an event elsewhere", anna_clicks("i9", 6_030_000)),
        ("a removal", anna_clicks("i9", 6_030_000)),
    ],
)
def test_a_list_of_another_session_or_state_or_catalogue_is_not_gone_by(before: str, clicks: Interaction) -> None:
    lists = []
    for served_lists in (10, 0):
        recommender, anna = shop(served_lists)
        shown = served(recommender, anna)
        everybody_clicks(recommender, "the craze")
        if before == "an event":
            recommender.learn(anna, anna_clicks("i12", 6_020_000))
        if before == "an event elsewhere":  # on another worker, before its partition came here again
            anna.take(anna_clicks("i12", 6_020_000))
        if before == "a removal":
            recommender.remove_item(shown[0])
        lists.append(recommender.learn(anna, clicks).items)
    assert lists[0] == lists[1] != shown


def test_an_item_that_took_the_slot_of_one_that_was_served_is_not_taken_for_it() -> None:
    recommender, anna = shop(max_items=60)
    shown = served(recommender, anna)
    slot = recommender.knowledge.slot(shown[0])
    recommender.remove_item(shown[0])
    everybody_clicks(recommender, "the heir")
    assert recommender.knowledge.slot("the heir") == slot
    learned = recommender.learn(anna, anna_clicks("the heir", 6_030_000))
    assert learned.rank != 1
    assert shown[0] not in learned.items


def test_what_answers_a_question_of_its_own_is_not_learned_from() -> None:
    recommender, anna = shop()
    shown = served(recommender, anna)
    recommender.recommend(anna, START_MS + 6_002_000, among=["i1", "i2"])
    assert recommender.learn(anna, anna_clicks(shown[4], 6_030_000)).items == shown


def test_the_lists_that_are_kept_are_the_latest_and_copies() -> None:
    lists = Served(lists=2)
    slots, features = np.arange(4, dtype=np.int32), np.ones((3, 4), np.float32).T
    users = []
    for number in range(3):
        user = UserState()
        user.take(Interaction(number + 1, "tea", EventType.CLICK, START_MS))
        lists.keep(user, Candidates(slots, features, slots), removed=0)
        users.append(user)
    features[:] = 0  # scratch of the next request
    assert lists.take(users[0], START_MS, removed=0) is None
    for user in users[1:]:
        kept = lists.take(user, START_MS, removed=0)
        assert kept is not None
        assert (kept.features == 1).all()
        assert lists.take(user, START_MS, removed=0) is None  # handed out once
