"""Item knowledge: everything that all workers share, a pure function of the interactions and the catalogue seen so far.

It depends on the sequence of `take`, `discount`, `put_item` and `remove_item` alone, never on the base model or on a
user's private record: a worker that replays the log of interactions holds the same knowledge as the one that wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.interaction import ROW, CatalogueItem, Interaction, Run, hash_id
from models.knowledge.arrays import aligned
from models.knowledge.categories import Categories
from models.knowledge.codes import Codes
from models.knowledge.content import Content
from models.knowledge.items import ITEM_ROW, Items
from models.knowledge.learning import learn_price, learn_run
from models.knowledge.neighbours import Postings
from models.knowledge.newcomers import Newcomers
from models.knowledge.pairs import Pairs
from models.knowledge.popularity import Popularity
from models.knowledge.second_order import SecondOrder
from models.knowledge.tables import arguments, tables
from models.knowledge.users import Users
from models.user_state import HASH_MASK

FRESH = 1024
RECENT = 64


@dataclass(frozen=True, slots=True)
class KnowledgeConfig:
    """Bounds of the knowledge. All arrays have their full length from the start; the pages of what is not yet used
    take no memory.

    Attributes
    ----------
    max_items, max_users, max_sessions, max_categories, max_contexts : how many of each are remembered; contexts
        are a power of two.
    pairs_per_item, neighbours_per_item : partners in the pair table, and sessions and users posted, of each item.
    table_cells : entries of the pair table and of each posting table for which all items compete beyond their first
        eight; in a catalogue so large that they are used up, rows stay as wide as they are.
    session_length : items remembered of a session.
    slow_half_life, fast_half_life : of the pair weights, events; the slow one is lengthened by `half_life_per_item`
        for each item known, since a large catalogue tells little per item in so many events.
    """

    max_items: int = 1_000_000
    max_users: int = 1_000_000
    max_sessions: int = 131_072
    max_categories: int = 65_536
    max_contexts: int = 1_048_576
    pairs_per_item: int = 128
    neighbours_per_item: int = 128
    table_cells: int = 16_777_216
    session_length: int = 24
    slow_half_life: float = 50_000.0
    fast_half_life: float = 3_000.0
    half_life_per_item: float = 10.0


class Knowledge:
    """All tables, kept in step.

    Attributes
    ----------
    event : number of interactions taken.
    recent : int32[RECENT], ring of the slots touched last.
    fresh : int32[FRESH], ring of references of the items met last, by announcement or first event.
    price_sum, price_count : of all events, for the usual price.
    """

    def __init__(self, config: KnowledgeConfig = KnowledgeConfig()) -> None:
        self.config = config
        rows = config.max_items + 1
        table = aligned(rows, ITEM_ROW)
        self.items = Items(table)
        self.categories = Categories(config.max_categories)
        self.codes = Codes(rows)
        self.content = Content(rows)
        self.newcomers = Newcomers(config.max_categories + 1)
        self.popularity = Popularity(table["score"], config.max_categories + 1)
        self.pairs = Pairs(rows, config.pairs_per_item, config.table_cells)
        self.second = SecondOrder(config.max_contexts)
        self.sessions = Postings(
            config.max_sessions, config.session_length, rows, config.neighbours_per_item, config.table_cells
        )
        self.users = Users(config.max_users, rows, config.neighbours_per_item, config.table_cells)
        self.event = 0
        self.session = 0
        self.recent = np.zeros(RECENT, np.int32)
        self.fresh = np.zeros(FRESH, np.int32)
        self.met = 0
        self.price_mean = 0.0
        self._repeats = self._repeats_in_session = 0
        self._price_count = 0
        # What `take` puts its interaction into: to make an array costs as much as a third of what is learned.
        self._one = (np.zeros(1, ROW), np.zeros(1, np.int32))

    @cached_property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return arguments(learn_run, tables(self))

    @property
    def slow_half_life(self) -> float:
        """Half life of the slow pair weights at the present size of the catalogue, events."""
        return self.config.slow_half_life + self.config.half_life_per_item * len(self.items)

    @property
    def repeat_rate(self) -> float:
        """Share of events on an item that the user had touched before; a tenth is assumed at the start."""
        return (self._repeats + 1.0) / (self.event + 10.0)

    @property
    def repeats_in_session(self) -> float:
        """Share of the repeats that come within the session; a half is assumed at the start."""
        return (self._repeats_in_session + 5.0) / (self._repeats + 10.0)

    def slot(self, item_id: str) -> int:
        """Slot of an item, 0 where it is unknown."""
        return self.items.table.get(_key(item_id))

    def put_item(self, item: CatalogueItem) -> None:
        """Take what the catalogue says; an item never seen is a candidate from now on."""
        known = self.slot(item.item_id)
        slot = known or self._add(item.item_id, item.timestamp_ms)
        items = self.items
        before = int(items.category[slot])
        described = self._categorise(slot, item.category)
        if item.price is not None:
            self._price_count, self.price_mean = learn_price(
                slot, float(item.price), self._price_count, self.price_mean, items.price
            )
        if items.events[slot] == 0 and (described or not known):
            if known:
                self.newcomers.withdraw(before)
            self.newcomers.announce(items.reference(slot), int(items.category[slot]))
        self.content.put(slot, item)
        self.items.available[slot] = item.available

    def remove_item(self, item_id: str) -> None:
        """Forget an item; it is recommended no more."""
        slot = self.slot(item_id)
        if slot:
            self._remove(slot)

    def take(self, event: Interaction) -> None:
        """Learn from one interaction."""
        rows, categories = self._one
        rows[0] = event.user, hash_id(event.item_id), event.event_type, event.timestamp_ms, event.price
        self._take(Run(rows, (event.item_id,), (event.category,)), categories)

    def take_all(self, run: Run) -> None:
        """Learn from interactions; the same as from one after the other, but for the cost."""
        self._take(run, np.empty(len(run.rows), np.int32))

    def _take(self, run: Run, categories: NDArray[np.int32]) -> None:
        """Learn from a run; `categories` are filled in."""
        categories[:] = [self.categories.known(name) for name in run.categories]
        at = self._learn(run, categories, 0, ready=-1)
        while at < len(run.rows):
            self._prepare(run, at)
            at = self._learn(run, categories, at, ready=at)

    def _learn(self, run: Run, categories: NDArray[np.int32], at: int, ready: int) -> int:
        """Learn from interaction `at` and those after it, until one needs `_prepare`; returns which."""
        items, users, second = self.items, self.users, self.second
        done, self.session, self._price_count, self.price_mean, repeated, in_session, taken = learn_run(
            *self._arrays,
            items.table.keys,
            items.table.values,
            users.table.keys,
            users.table.values,
            second.context,
            second.total,
            second.successor,
            second.weight,
            run.rows,
            categories,
            at,
            ready,
            self.event,
            self.session,
            self.popularity.rescale_after,
            second.room,
            self._price_count,
            self.price_mean,
            self.slow_half_life,
            self.config.fast_half_life,
        )
        self.event += done - at
        self._repeats += repeated
        self._repeats_in_session += in_session
        second.grow(taken)
        return int(done)

    def _prepare(self, run: Run, at: int) -> None:
        """Do what only Python does before interaction `at` is learned from."""
        row, category, items = run.rows[at], run.categories[at], self.items
        slot = self.slot(run.item_ids[at])
        if slot == 0:
            slot = self._add(run.item_ids[at], int(row["timestamp_ms"]))
        elif items.events[slot] == 0:
            self.newcomers.adopt(int(items.category[slot]), self.event)
            self.newcomers.learn_age(slot, self.event, items.used, items.last_event, items.events)
        if self._categorise(slot, category) and not self.content.vector[slot].any():
            self.content.put_category(slot, category or "")
        self.popularity.rescale(self.event + 1, items.used)
        self.users.make_room(int(row["user"]) or 1)

    def discount(self, kept: float) -> None:
        """Keep so much, 0 to 1, of what was learned of what follows what: where it is stale, new events outweigh it.

        Popularity, categories and neighbours are left as they are: they forget fast enough by themselves.
        """
        self.pairs.discount(kept, self.items.used)
        self.second.discount(kept)
        self.codes.discount(kept)

    def _add(self, item_id: str, timestamp_ms: int) -> int:
        items = self.items
        if not items.next_slot():
            self._remove(items.coldest())
        slot = items.add(item_id, _key(item_id), timestamp_ms, self.event)
        self.codes.add(slot, item_id)
        self.fresh[self.met % FRESH] = items.reference(slot)
        self.met += 1
        return slot

    def _categorise(self, slot: int, category: str | None) -> bool:
        """Take the category of an item; returns whether it is news."""
        number = self.categories.number(category)
        if number == 0 or number == self.items.category[slot]:
            return False
        self.items.category[slot] = number
        return True

    def _remove(self, slot: int) -> None:
        category = int(self.items.category[slot])
        if self.items.events[slot] == 0:
            self.newcomers.withdraw(category)
        self.popularity.clear(slot, category)
        self.pairs.clear(slot)
        self.sessions.clear(slot)
        self.users.lists.clear(slot)
        self.content.clear(slot)
        self.codes.remove(slot, self.items.names[slot])
        self.recent[self.recent == slot] = 0
        self.items.remove(slot)


def _key(item_id: str) -> int:
    return hash_id(item_id) & HASH_MASK or 1
