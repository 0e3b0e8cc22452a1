"""Small seeded streams for the tests of the models."""

from __future__ import annotations

import numpy as np

from models.base import H2, BaseParameters, F, initial_parameters
from models.interaction import EventType, Interaction, hash_id
from models.recommender import Recommender
from models.user_state import UserState

START_MS = 1_600_000_000_000


def stream(events: int, users: int = 30, items: int = 60, seed: int = 0) -> list[Interaction]:
    """Users of one of three tastes click through popular items, in sessions, and often come back to what they had."""
    rng = np.random.default_rng(seed)
    now, last, rows = START_MS, dict[int, int](), []
    for _ in range(events):
        now += int(rng.exponential(20_000))
        user = int(rng.integers(users))
        taste = user % 3
        if user in last and rng.random() < 0.5:
            item = (last[user] + 3) % items
        else:
            item = int(items * rng.random() ** 2) // 3 * 3 + taste
        last[user] = item
        kind = EventType(int(rng.choice(3, p=[0.7, 0.1, 0.2])))
        category = f"kind {item % 3}" if seed % 2 == 0 else None
        rows.append(Interaction(hash_id(f"u{user}"), f"i{item}", kind, now, category, price=1.0 + item % 7))
    return rows


def random_base(seed: int = 0) -> BaseParameters:
    """A base whose net is loud, so that every part of it matters."""
    rng = np.random.default_rng(seed)
    like = initial_parameters()
    return BaseParameters(
        version=seed + 1,
        parent=0,
        layout=like.layout,
        mean=like.mean,
        std=like.std,
        w1=like.w1,
        b1=rng.standard_normal(len(like.b1)).astype(np.float32),
        w2=like.w2,
        b2=rng.standard_normal(len(like.b2)).astype(np.float32),
        out=rng.standard_normal(H2).astype(np.float32),
        skip=rng.standard_normal(F).astype(np.float32),
        step_sizes=like.step_sizes,
        decay=0.9,
    )


def learn_all(recommender: Recommender, rows: list[Interaction]) -> dict[int, UserState]:
    """Have every event of a stream learned; the users' states after it."""
    states: dict[int, UserState] = {}
    for row in rows:
        recommender.learn(states.setdefault(row.user, UserState()), row)
    return states
