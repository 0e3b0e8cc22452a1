"""Newcomers: counted per category, found by taste, as popular as their category's newcomers usually become."""

from __future__ import annotations

import numpy as np
import pytest

from models.features import INDEX
from models.interaction import CatalogueItem, EventType, Interaction
from models.knowledge import Knowledge
from models.knowledge.newcomers import AGES, NEWEST, age_class, prospect
from models.retrieval import SOURCES, Retriever
from models.user_state import UserState
from tests.unit.models.streams import START_MS

BIT = [name for name, *_ in SOURCES].index("newcomers")


def click(user: int, item: str, second: int, category: str | None = None) -> Interaction:
    return Interaction(user, item, EventType.CLICK, START_MS + 1000 * second, category)


def announce(knowledge: Knowledge, *items: str, category: str | None = None, price: float | None = None) -> None:
    for item in items:
        knowledge.put_item(CatalogueItem(item, START_MS, category, price))


def stock(knowledge: Knowledge, category: str) -> float:
    return float(knowledge.newcomers.stock[knowledge.categories.number(category)])


def expected(knowledge: Knowledge, category: str) -> float:
    newcomers = knowledge.newcomers
    number = knowledge.categories.number(category)
    usual = newcomers.usual(knowledge.event)
    return float(prospect(number, knowledge.event, usual, newcomers.adopted, newcomers.stamp, newcomers.stock))


def test_stock_follows_announcements_first_events_moves_and_removals() -> None:
    knowledge = Knowledge()
    announce(knowledge, "a", "b", "c", category="tea")
    announce(knowledge, "a", category="tea")  # said twice
    assert stock(knowledge, "tea") == 3
    announce(knowledge, "b", category="jam")
    assert (stock(knowledge, "tea"), stock(knowledge, "jam")) == (2, 1)
    knowledge.take(click(1, "a", 0, "jam"))  # its first event moves it
    knowledge.take(click(1, "a", 1))
    knowledge.remove_item("c")
    assert (stock(knowledge, "tea"), stock(knowledge, "jam")) == (0, 1)
    knowledge.remove_item("a")
    assert (stock(knowledge, "tea"), stock(knowledge, "jam")) == (0, 1)


def test_newcomers_of_a_category_that_takes_them_up_are_expected_to_be_chosen() -> None:
    knowledge = Knowledge()
    for kind in ("tea", "jam"):
        announce(knowledge, *(f"{kind} {n}" for n in range(20)), category=kind)
    before = expected(knowledge, "tea")
    for n in range(10):
        knowledge.take(click(n, f"tea {n}", n, "tea"))
    assert expected(knowledge, "tea") > 3 * expected(knowledge, "jam")
    assert expected(knowledge, "tea") > before


def test_the_usual_rate_counts_all_categories() -> None:
    knowledge = Knowledge()
    announce(knowledge, "a", "b", "c", category="tea")
    knowledge.take(click(1, "a", 0))
    assert knowledge.newcomers.usual(knowledge.event) == pytest.approx(1.1 / 3, abs=1e-3)


@pytest.mark.parametrize(("liked", "other"), [("tea", "jam"), ("jam", "tea")])
def test_newcomers_of_the_users_category_and_price_come_first(liked: str, other: str) -> None:
    knowledge, state = Knowledge(), UserState()
    for n in range(40):  # a user each: nothing follows anything, not even by the order of the ids
        knowledge.take(click(n + 2, f"old {n % 4}", n, ("tea", "jam")[n % 2]))
    for n in range(3):
        announce(knowledge, f"{other} {n}", category=other, price=5.0)
        announce(knowledge, f"{liked} {n}", category=liked, price=5.0)
    announce(knowledge, "dear", category=liked, price=5_000.0)
    event = Interaction(1, f"my {liked}", EventType.CLICK, START_MS + 100_000, liked, 5.0)
    knowledge.take(event)
    state.take(event)
    retriever = Retriever(knowledge)
    candidates = retriever.retrieve(state, START_MS + 101_000)
    newcomers = candidates.slots[(candidates.found >> BIT & 1) == 1]
    names = [knowledge.items.names[slot] for slot in newcomers]
    assert set(names) == {f"{kind} {n}" for kind in ("tea", "jam") for n in range(3)} | {"dear"}
    row = {knowledge.items.names[slot]: at for at, slot in enumerate(candidates.slots.tolist())}
    likely = candidates.features[:, INDEX["expected"]]
    assert min(likely[row[f"{liked} {n}"]] for n in range(3)) > max(likely[row[f"{other} {n}"]] for n in range(3))
    assert [name.split()[0] for name in names[:3]] == [liked] * 3


def test_only_the_newest_of_a_category_are_tried_and_never_the_unavailable() -> None:
    knowledge, state = Knowledge(), UserState()
    announce(knowledge, *(f"n{n}" for n in range(200)), category="tea")
    knowledge.put_item(CatalogueItem("n199", START_MS, "tea", available=False))
    candidates = Retriever(knowledge).retrieve(state, START_MS)
    numbers = sorted(int(knowledge.items.names[slot][1:]) for slot in candidates.slots)
    assert numbers
    assert numbers[-1] == 198
    assert numbers[0] >= 200 - NEWEST
    assert np.isfinite(candidates.features).all()


def test_classes_of_age_are_half_octaves() -> None:
    ages = [*range(5_000), 10**6, 2**31 - 2, 2**31 - 1, 10**9]
    expected = [min(int(2 * np.log2(1.0 + age)), AGES - 1) for age in ages]
    assert [age_class(age) for age in ages] == expected
    assert age_class(-3) == 0


def test_newcomers_are_as_popular_as_those_of_their_own_category_become() -> None:
    knowledge, state = Knowledge(), UserState()
    for n in range(6):
        announce(knowledge, f"tea {n}", category="tea")
        announce(knowledge, f"jam {n}", category="jam")
    for n in range(3):
        knowledge.take(click(n + 2, f"tea {n}", n, "tea"))
    state.take(click(1, "tea 0", 10, "tea"))
    candidates = Retriever(knowledge).retrieve(state, START_MS + 20_000)
    popular = {
        knowledge.items.names[slot]: value
        for slot, value in zip(candidates.slots, candidates.features[:, INDEX["pop_slow"]], strict=True)
    }
    assert min(popular[f"tea {n}"] for n in range(3, 6)) > max(popular[f"jam {n}"] for n in range(6)) + 0.5
