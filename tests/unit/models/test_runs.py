"""Interactions learned in runs of any length teach the same, bit for bit, as one after the other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle, repeat

import numpy as np
import pytest

from models.interaction import CatalogueItem, EventType, Interaction, Run, hash_id
from models.knowledge import Knowledge, KnowledgeConfig
from models.knowledge.popularity import HALF_LIVES
from models.snapshot import freeze
from tests.unit.models.streams import START_MS

EVENTS, PART = 4_000, 1_000
# Every bound is reached: of items, users, sessions, categories, contexts and pairs.
CONFIG = KnowledgeConfig(
    max_items=60, max_users=40, max_sessions=64, max_categories=12, max_contexts=4_096, table_cells=2_048
)


def events() -> list[Interaction]:
    """Stretches where all is new or changes, and others where next to nothing needs Python but what grows."""
    draw, now, rows = random.Random(3), START_MS, []
    for number in range(EVENTS):
        now += round(draw.expovariate(1 / 60_000)) - 5_000  # some come late, some open a session
        calm = number // PART % 3
        item = draw.randrange(60) if calm else int(100 ** draw.random())
        user = 0 if draw.random() < 0.02 else hash_id(f"u{draw.randrange(60)}")
        category = f"c{item % 9}" if calm else draw.choice([None, "", f"c{draw.randrange(20)}", f"c{item % 9}"])
        kind = draw.choice(list(EventType))
        rows.append(Interaction(user, f"i{item}", kind, now, category, draw.choice([None, 1.0 + item % 7, 3.5])))
    return rows


def run(rows: list[Interaction]) -> Run:
    columns = zip(*((e.user, e.item_id, e.event_type, e.timestamp_ms, e.category, e.price) for e in rows), strict=True)
    return Run.of(*columns)


class Careful(Knowledge):
    """Leaves it to no kernel to tell what needs Python: it does all of that before each interaction."""

    def take(self, event: Interaction) -> None:
        one = run([event])
        self._prepare(one, 0)
        assert self._learn(one, np.zeros(1, np.int32), 0, ready=0) == 1


def learned(knowledge: Knowledge, lengths: Iterator[int]) -> Knowledge:
    """Learn in runs of these lengths; 0: an interaction by `take`."""
    rows = events()
    for item in range(0, 60, 3):
        knowledge.put_item(CatalogueItem(f"i{item}", START_MS, f"c{item % 9}", 3.0 + item, "a text"))
    for part in range(0, EVENTS, PART):
        at, end = part, part + PART
        while at < end:
            if length := min(next(lengths), end - at):
                knowledge.take_all(run(rows[at : at + length]))
            else:
                knowledge.take(rows[at])
            at += length or 1
        knowledge.remove_item(f"i{part // PART + 2}")
        knowledge.discount(0.9)
    return knowledge


@pytest.mark.parametrize("lengths", [[0], [1], [7, 1, 0, 50, 3], [113], [PART]], ids=str)
def test_runs_of_any_length_teach_what_single_interactions_do(
    lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.knowledge.popularity._RESCALE", 1_700 / HALF_LIVES[0])  # due in calm stretches
    one = learned(Careful(CONFIG), repeat(0))
    assert one.event == EVENTS
    assert one.popularity.origin[0] == 3_402
    assert (one.users.used, len(one.categories.names), len(one.second.context)) == (41, 13, 4_096)
    assert one.items.removed > 100
    singly, together = freeze(one), freeze(learned(Knowledge(CONFIG), cycle(lengths)))
    assert singly.keys() == together.keys()
    different = [
        path
        for path, array in singly.items()
        if not np.array_equal(array, together[path], equal_nan=array.dtype.kind == "f")
    ]
    assert different == []


def test_a_run_of_none_teaches_nothing() -> None:
    knowledge = Knowledge()
    knowledge.take_all(Run.of([], [], [], [], [], []))
    assert knowledge.event == 0
