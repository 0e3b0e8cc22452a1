"""What a retriever writes to, allocated once."""

from __future__ import annotations

import numpy as np

from models.features import F
from models.knowledge.content import DIMENSIONS
from models.knowledge.popularity import LEADERS
from models.knowledge.second_order import SUCCESSORS
from models.knowledge.users import HISTORY
from models.retrieval.codes import TOUCHED
from models.retrieval.neighbours import NEIGHBOURS
from models.retrieval.rules import RULE_ITEMS
from models.retrieval.select import DEEPEST, SOURCES
from models.retrieval.tastes import KINDS
from models.retrieval.workspace import COLUMNS
from models.user_state import ITEMS


class Scratch:
    """Scratch of a retriever; what the next request needs to be zero is made so by it or left so by the last one.

    Parameters
    ----------
    items, categories : item slots and category numbers.
    candidates : most candidates of a request.
    pairs, session : partners of an item in the pair table, and items of a session, at most.

    Attributes
    ----------
    place : int32[items], 1-based row of a slot in the workspace, 0 where it is untouched.
    slots : int32[rows], slots touched, in the order of the first touch.
    value : float32[rows, COLUMNS], one column per retriever score.
    found : int32[rows], bit s set where source s proposed the item.
    size : int64[1], rows in use.
    own, order : int32[ITEMS], see `locate`.
    taste_place, taste_category, shares : see `weigh`.
    profile : float32[DIMENSIONS], unit content vector of the user's latest items.
    lists, lengths : see `choose`.
    chosen, candidates, sources : int32[candidates], workspace rows, slots and `found` bits of the candidates.
    numbers : float32, features of the candidates and what they are made of.
    """

    def __init__(self, items: int, categories: int, candidates: int, pairs: int, session: int) -> None:
        rules = RULE_ITEMS * pairs + SUCCESSORS
        voted = NEIGHBOURS * (session + HISTORY)
        proposed = len(SOURCES) * DEEPEST + LEADERS
        spare = 1  # for `choose`
        rows = ITEMS + rules + voted + TOUCHED + proposed + candidates + spare  # the most that a request can touch
        self.place = np.zeros(items, np.int32)
        self.slots = np.zeros(rows, np.int32)
        self.value = np.zeros((rows, COLUMNS), np.float32)
        self.found = np.zeros(rows, np.int32)
        self.size = np.zeros(1, np.int64)
        self.own = np.zeros(ITEMS, np.int32)
        self.order = np.zeros(ITEMS, np.int32)
        self.taste_place = np.zeros(categories, np.int32)
        self.taste_category = np.zeros(KINDS, np.int32)
        self.shares = np.zeros((KINDS, 4), np.float32)
        self.profile = np.zeros(DIMENSIONS, np.float32)
        self.lists = np.zeros((len(SOURCES), DEEPEST), np.int32)
        self.lengths = np.zeros(len(SOURCES), np.int64)
        self.chosen = np.zeros(candidates, np.int32)
        self.candidates = np.zeros(candidates, np.int32)
        self.sources = np.zeros(candidates, np.int32)
        self.numbers = np.zeros((F + 2) * candidates, np.float32)
