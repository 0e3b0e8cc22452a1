"""Never-seen items: found by what the catalogue says of them, in a small shop where novelties come and go."""

from __future__ import annotations

import random

import pytest

from benchmarks.cold_items import announced, held_back, measure_first_events, measure_held_back, measure_served
from models.interaction import CatalogueItem, EventType, Interaction, hash_id

CATEGORIES, LIFE, LEAD = 10, 400, (20, 300)


def shop(rows: int, seed: int = 0) -> list[Interaction]:
    """Users who keep to one of ten categories, whose items are in fashion for 400 rows each."""
    rng = random.Random(seed)
    taken = []
    for number in range(rows):
        user = rng.randrange(120)
        kind = user % CATEGORIES if rng.random() < 0.8 else rng.randrange(CATEGORIES)
        place = f"{kind}-{(number + 40 * kind) // LIFE}-{int(6 * rng.random() ** 2)}"
        item = f"{hash_id(place):016x}"  # tells nothing of the kind: what is measured is what else the catalogue says
        taken.append(
            Interaction(
                user + 1, item, EventType.CLICK, 1_700_000_000_000 + 30_000 * number, f"kind {kind}", kind + 1.0
            )
        )
    return taken


def test_every_item_is_announced_before_its_first_event_beside_a_decoy() -> None:
    rows = shop(600)
    known, decoys, last = set(), 0, 0
    for row in announced(rows, LEAD):
        assert row.timestamp_ms >= last
        last = row.timestamp_ms
        if isinstance(row, CatalogueItem):
            assert row.category
            known.add(row.item_id)
            decoys += " decoy " in row.item_id
        else:
            assert row.item_id in known
    assert 2 * decoys == len(known)
    assert [row for row in announced(rows, LEAD) if isinstance(row, Interaction)] == rows


def test_a_held_back_category_appears_half_way() -> None:
    rows = shop(600)
    stream = list(held_back(rows, "kind 3"))
    first = next(at for at, row in enumerate(stream) if row.category == "kind 3")
    assert all(isinstance(row, Interaction) for row in stream[:first])
    assert isinstance(stream[first], CatalogueItem)
    assert stream[-300:] == rows[-300:]
    assert stream[:first] == [row for row in rows[:300] if row.category != "kind 3"]


@pytest.mark.slow
def test_announced_newcomers_are_found_five_times_as_often_as_at_random() -> None:
    figures = measure_first_events(shop(5_000), LEAD)
    assert figures.events > 300
    assert 0 < figures.random < 0.2
    assert figures.newcomers > 5 * figures.random


@pytest.mark.slow
def test_places_kept_for_newcomers_show_them_to_those_who_come_for_them() -> None:
    without, with_places = (measure_served(shop(3_000), places, LEAD) for places in (0, 10))
    assert with_places.first_events > 1.2 * without.first_events
    assert with_places.mrr > 0.9 * without.mrr


@pytest.mark.slow
def test_a_held_back_category_is_soon_known() -> None:
    figures = measure_held_back(shop(6_000), "kind 3")
    assert figures is not None
    assert figures.events > 250
    assert figures.early_hit_rate > 0.5
