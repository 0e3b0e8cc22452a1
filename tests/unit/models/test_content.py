"""Content vectors: what is alike stays alike when a coordinate is kept in one byte."""

from __future__ import annotations

import numpy as np
import pytest

from models.interaction import CatalogueItem
from models.knowledge.content import DIMENSIONS, Content
from models.retrieval.content import likeness

WORDS = ["red", "blue", "green", "shirt", "shoe", "hat", "wool", "silk", "summer", "winter", "long", "short"]


def catalogue(rng: np.random.Generator, items: int) -> list[CatalogueItem]:
    texts = [" ".join(rng.choice(WORDS, 5)) for _ in range(items)]
    vectors = [tuple(rng.standard_normal(30).tolist()) for _ in range(items)]
    return [CatalogueItem(f"i{n}", 0, None, None, text, (), vectors[n], True) for n, text in enumerate(texts)]


def exact(items: list[CatalogueItem], monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The vectors as they are before they are rounded."""
    content = Content(len(items))
    content.vector = np.zeros((len(items), DIMENSIONS), np.float32)
    monkeypatch.setattr("models.knowledge.content._kept", lambda vector: vector)
    for slot, item in enumerate(items):
        content.put(slot, item)
    monkeypatch.undo()
    return content.vector


def test_inner_products_survive_the_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    items = catalogue(np.random.default_rng(5), 200)
    content, whole = Content(len(items)), exact(items, monkeypatch)
    for slot, item in enumerate(items):
        content.put(slot, item)
    assert content.vector.nbytes == len(items) * 64
    slots = np.arange(len(items), dtype=np.int32)
    error = content.unit(slots) @ content.unit(slots).T - whole @ whole.T
    assert np.abs(error).max() < 0.03
    assert error.std() < 0.004
    found = [likeness(whole[3], content.vector, slot) for slot in slots]
    assert np.allclose(found, content.unit(slots) @ whole[3], atol=1e-5)


def test_a_slot_that_was_given_up_is_like_nothing() -> None:
    content = Content(2)
    content.put_category(1, "shoes")
    assert content.vector[1].any()
    content.clear(1)
    assert not content.unit(np.array([0, 1], np.int32)).any()
