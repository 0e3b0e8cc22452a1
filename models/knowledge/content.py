"""Item content as one vector: hashed words of category, text and tags, and a projection of the supplied embedding.

Feature hashing with signs (Weinberger et al. 2009) and a random projection both keep inner products in expectation, so
their sum compares items by words and embedding at once. Kept as int8, a cache line for each item: an inner product of
two unit vectors is off by at most .03, and by .002 as a rule.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.interaction import CatalogueItem, hash_id

DIMENSIONS = 64
SCALE = 127
"""A kept number is a coordinate of the unit vector times this, rounded."""
_WORD = re.compile(r"\w+")
_MAX_WORDS = 256


class Content:
    """Unit vectors times `SCALE`, int8 `[rows, 64]`, a row per item slot, zero for an item without content."""

    def __init__(self, rows: int) -> None:
        self.vector = np.zeros((rows, DIMENSIONS), np.int8)

    def unit(self, slots: NDArray[np.int32]) -> NDArray[np.float32]:
        """Unit vectors `[n, 64]` of some items."""
        return self.vector[slots] * np.float32(1 / SCALE)

    def put(self, slot: int, item: CatalogueItem) -> None:
        """Set the vector of an item from what the catalogue says."""
        words = _words(item.category or "") + _words(item.text or "") + [tag.lower() for tag in item.tags]
        vector = _unit(hashed_words(tuple(words[:_MAX_WORDS])))
        if item.vector:
            supplied = np.asarray(item.vector, np.float32)
            vector = vector + _unit(supplied @ _projection(len(supplied)))
        self.vector[slot] = _kept(_unit(vector))

    def put_category(self, slot: int, category: str) -> None:
        """Set the vector of an item of which only the category is known."""
        self.vector[slot] = _kept(_category_vector(category))

    def clear(self, slot: int) -> None:
        """Forget an item whose slot goes to another."""
        self.vector[slot] = 0


def hashed_words(words: tuple[str, ...]) -> NDArray[np.float32]:
    """Sum of the words' signed unit coordinates, two for each word, damped by the square root of its count."""
    vector = np.zeros(DIMENSIONS, np.float32)
    for word in sorted(set(words)):
        hashed = hash_id(word)
        damped = np.sqrt(words.count(word))
        for part in (hashed & 0xFFFF, hashed >> 16 & 0xFFFF):
            vector[part % DIMENSIONS] += damped if part & 0x8000 else -damped
    return vector


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _kept(vector: NDArray[np.float32]) -> NDArray[np.int8]:
    kept: NDArray[np.int8] = np.rint(vector * SCALE).astype(np.int8)
    return kept


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    norm = float(np.sqrt((vector * vector).sum()))
    return vector / np.float32(norm) if norm > 0 else vector


@lru_cache(maxsize=4096)
def _category_vector(category: str) -> NDArray[np.float32]:
    return _unit(hashed_words(tuple(_words(category))))


@lru_cache(maxsize=8)
def _projection(dimensions: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(dimensions)
    return rng.standard_normal((dimensions, DIMENSIONS)).astype(np.float32)
