"""Fast weights: the steps are gradients, and only what pays is served."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.base import BaseParameters, D
from models.fast_weights import FastWeights, compare
from models.features import F
from models.interaction import EventType
from models.rank import Ranker
from models.user_state import UserState
from tests.unit.models.reference import BaseNet
from tests.unit.models.streams import random_base

BASE = random_base()
NONE = np.zeros(D, np.float32)
TASTES = np.random.default_rng(5).standard_normal((40, F)).astype(np.float32) * np.float32(0.5)


def candidates(rng: np.random.Generator, n: int = 40) -> np.ndarray:
    return np.clip(rng.standard_normal((n, F)), -6, 6).astype(np.float32)


class World:
    """Users who choose by the base, by a taste that all share, and by one of their own."""

    def __init__(self, base: BaseParameters, own: float = 0.0, shared: float = 0.0) -> None:
        self.rng = np.random.default_rng(1)
        self.ranker = Ranker(base)
        self.fast = FastWeights(base)
        self.users = [UserState() for _ in TASTES]
        self.own, self.shared = own, shared

    def live(self, events: int) -> float:
        """Let users choose and be learned from; the mean advantage, in nats, of the lists served over the base's."""
        gained = 0.0
        for event in range(events):
            user = event % len(self.users)
            state = self.users[user]
            x = candidates(self.rng)
            scores, inputs = self.ranker.score(x)
            utility = scores + x @ (self.own * TASTES[user] + self.shared * TASTES[0])
            row = int(np.argmax(utility + self.rng.gumbel(size=len(x))))
            served = self.fast.correction(state)
            if served is not None:
                gained += compare(inputs.T, scores, row, NONE, served, np.zeros(D, np.float32))[1]
            self.fast.adapt(state, inputs, scores, row, EventType.CLICK)
            state.events += 1
        return gained / events


def calm_base() -> BaseParameters:
    """A base that leaves room for chance, with step sizes for tastes as strong as those here."""
    return replace(
        BASE,
        skip=BASE.skip * np.float32(0.2),
        out=BASE.out * np.float32(0.1),
        step_sizes=np.full_like(BASE.step_sizes, 0.05),
        decay=0.98,
    )


def test_advantages_and_gradient_are_those_of_the_listwise_loss() -> None:
    x, row, rng = candidates(np.random.default_rng(3)), 5, np.random.default_rng(4)
    delta, own = (rng.standard_normal(D).astype(np.float32) * np.float32(0.1) for _ in range(2))
    net, rows = BaseNet(BASE), torch.from_numpy(x[None])
    with torch.no_grad():
        plain, worker = (
            -torch.log_softmax(net(rows, d[None])[0], 0)[row] for d in map(torch.from_numpy, (NONE, delta))
        )
    weights = torch.from_numpy(delta + own).requires_grad_()
    both = -torch.log_softmax(net(rows, weights[None])[0], 0)[row]
    both.backward()
    scores, inputs = Ranker(BASE).score(x)
    gradient = np.zeros(D, np.float32)
    by_worker, by_user = compare(inputs.T, scores, row, delta, own, gradient)
    assert by_worker == pytest.approx((plain - worker).item(), abs=1e-4)
    assert by_user == pytest.approx((worker - both.detach()).item(), abs=1e-4)
    assert weights.grad is not None
    np.testing.assert_allclose(gradient, weights.grad.numpy(), atol=1e-4)


def test_a_users_step_has_the_size_of_its_event_type_and_decays() -> None:
    x, row, state = candidates(np.random.default_rng(3)), 5, UserState()
    scores, inputs = Ranker(BASE).score(x)
    gradient = np.zeros(D, np.float32)
    compare(inputs.T, scores, row, NONE, NONE, gradient)
    fast = FastWeights(BASE)
    fast.adapt(state, inputs, scores, row, EventType.PURCHASE)
    np.testing.assert_allclose(state.fast, -BASE.step_sizes[2] * gradient, atol=1e-4)
    assert state.base_version == BASE.version
    before = state.fast.copy()
    fast.trust[:] = 0
    fast.delta[:] = 0
    fast.adapt(state, inputs, scores, row, EventType.CLICK)
    expected = BASE.decay * before - BASE.step_sizes[0] * gradient
    np.testing.assert_allclose(state.fast, expected, atol=1e-3)


def test_nobody_is_corrected_before_it_has_proven_to_pay() -> None:
    assert FastWeights(BASE).correction(UserState()) is None


def test_users_of_different_tastes_are_predicted_better_than_by_the_base() -> None:
    world = World(calm_base(), own=1.0)
    world.fast = FastWeights(world.fast.base, worker=False)
    world.live(2_000)
    assert world.live(1_000) > 0.2
    assert world.fast.trust.mean() > 0.5


def test_users_who_are_alike_are_left_to_the_base() -> None:
    world = World(calm_base())
    world.fast = FastWeights(world.fast.base, worker=False)
    world.live(2_000)
    assert world.live(1_000) > -0.01
    assert world.fast.trust[:F].mean() < 0.2


def test_what_moves_all_users_is_followed_until_it_is_over() -> None:
    world = World(calm_base(), shared=1.0)
    world.fast = FastWeights(world.fast.base, users=False)
    world.live(2_000)
    assert world.live(500) > 0.2
    world.shared = 0.0
    world.live(3_000)
    assert world.live(500) > -0.02


def test_what_was_learned_is_carried_over_a_swap() -> None:
    world = World(calm_base(), own=1.0, shared=1.0)
    world.live(1_000)
    state = world.users[0]
    before = world.fast.correction(state)
    assert before is not None
    world.fast.base = replace(world.fast.base, version=99)
    np.testing.assert_array_equal(world.fast.correction(state), before)
    world.live(1)
    assert state.base_version == 99


def test_what_is_switched_off_is_neither_learned_nor_served() -> None:
    world = World(calm_base(), own=1.0, shared=1.0)
    world.fast = FastWeights(world.fast.base, users=False, worker=False)
    assert world.live(1_000) == 0.0
    assert not any(state.fast.any() for state in world.users)
    assert not world.fast.delta.any()


def test_the_same_events_teach_the_same() -> None:
    worlds = [World(calm_base(), own=0.5, shared=0.5) for _ in range(2)]
    assert worlds[0].live(300) == worlds[1].live(300)
    np.testing.assert_array_equal(worlds[0].fast.delta, worlds[1].fast.delta)
    np.testing.assert_array_equal(worlds[0].fast.trust, worlds[1].fast.trust)


def test_who_goes_on_from_a_record_learns_as_if_it_had_never_stopped() -> None:
    world = World(calm_base(), own=1.0, shared=0.5)
    world.live(200)
    before, served = world.fast.encode(), world.fast
    world.fast = FastWeights(world.fast.base)
    assert world.fast.adopt(before)
    assert world.fast.encode() == before
    for fast in (served, world.fast):
        x = candidates(np.random.default_rng(9))
        scores, inputs = world.ranker.score(x)
        state = UserState.decode(world.users[0].encode())
        fast.adapt(state, inputs, scores, 3, EventType.CLICK)
    assert world.fast.encode() == served.encode() != before


@pytest.mark.parametrize("damage", ["short", "other layout", "not finite", "a user's"])
def test_a_record_that_cannot_be_used_changes_nothing(damage: str) -> None:
    world = World(calm_base(), shared=0.5)
    world.live(20)
    raw = world.fast.encode()
    records = {
        "short": raw[:-1],
        "other layout": raw[:1] + b"\0\0\0\0" + raw[5:],
        "not finite": raw[:-8] + np.array(np.nan, "<f8").tobytes(),
        "a user's": world.users[0].encode(),
    }
    fresh = FastWeights(world.fast.base)
    untouched = fresh.encode()
    assert not fresh.adopt(records[damage])
    assert fresh.encode() == untouched
