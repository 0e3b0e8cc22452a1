"""The base learner: learns, holds out, averages, follows the scaler, meta-updates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base import BaseParameters, F, initial_parameters
from models.learner import BaseLearner, LearnerConfig
from models.meta import MetaConfig
from schemas.training import Moments, TrainingExample, quantise

BASE = initial_parameters()
N = 17


class World:
    """Users choose among 17 candidates by a shared taste, and each by a taste of their own."""

    def __init__(self, seed: int, own: float = 0.0, users: int = 60) -> None:
        self.rng = np.random.default_rng(seed)
        self.shared = self.rng.normal(size=F) * 0.5
        self.own = self.rng.normal(size=(users, F)) * own
        self.time = 0

    def example(self, base: BaseParameters = BASE) -> TrainingExample:
        self.time += 1
        user = int(self.rng.integers(len(self.own)))
        x = self.rng.normal(size=(N, F))
        utility = x @ (self.shared + self.own[user])
        share = np.exp(utility - utility.max())
        chosen = int(self.rng.choice(N, p=share / share.sum()))
        x[[0, chosen]] = x[[chosen, 0]]
        raw = BASE.mean + x * BASE.std
        return TrainingExample(
            layout=BASE.layout,
            event_type=int(self.rng.integers(3)),
            user=user,
            timestamp_ms=1_700_000_000_000 + self.time,
            base_version=base.version,
            partition=0,
            offset=self.time,
            correction=np.zeros(N, np.float16),
            features=quantise((raw - base.mean) / base.std),
        )

    def examples(self, count: int) -> list[TrainingExample]:
        return [self.example() for _ in range(count)]


def test_learns_a_taste_and_does_the_same_again_from_the_same_examples() -> None:
    examples = World(0).examples(1_500)
    snapshots = []
    for _ in range(2):
        learner = BaseLearner(BASE)
        for example in examples:
            assert learner.observe(example)
        snapshots.append(learner.snapshot(1))
    for array in ("mean", "std", "w1", "b1", "w2", "b2", "out", "skip", "step_sizes"):
        np.testing.assert_array_equal(getattr(snapshots[0], array), getattr(snapshots[1], array))
    assert snapshots[0].parent == 0
    assert learner.held_out_losses(snapshots[0]).mean() < learner.held_out_losses(BASE).mean() - 0.5
    assert learner.held_out_losses(snapshots[0]).mean() < 1.5


def test_held_out_examples_are_set_aside_by_origin_and_teach_nothing() -> None:
    examples = World(1).examples(1_000)
    learner = BaseLearner(BASE, LearnerConfig(held_out_share=0.2))
    for example in examples:
        learner.observe(example)
    held_out = len(learner.held_out_losses(BASE))
    assert 150 < held_out < 250
    assert learner.learned == 1_000 - held_out
    only_held_out = BaseLearner(BASE, LearnerConfig(held_out_share=1.0))
    for example in examples:
        only_held_out.observe(example)
    snapshot = only_held_out.snapshot(1)
    np.testing.assert_array_equal(snapshot.w1, BASE.w1)
    assert (only_held_out.learned, only_held_out.steps) == (0, 0)


def test_steps_once_per_batch_of_fresh_examples() -> None:
    learner = BaseLearner(BASE, LearnerConfig(held_out_share=0.0, fresh=8))
    for example in World(2).examples(23):
        learner.observe(example)
    assert (learner.learned, learner.steps) == (23, 2)


def test_refuses_what_it_cannot_read() -> None:
    learner = BaseLearner(BASE)
    good = World(3).example()
    assert not learner.observe(replace(good, layout=1))
    assert not learner.observe(replace(good, base_version=9))
    assert not learner.observe(replace(good, features=good.features[:, :5]))
    assert not learner.observe(replace(good, features=good.features[:1], correction=good.correction[:1]))
    assert (learner.skipped, learner.learned) == (4, 0)
    learner.know(replace(BASE, version=9))
    assert learner.observe(replace(good, base_version=9))
    assert not learner.merge(Moments(1, 5.0, np.zeros(F), np.ones(F)))
    assert not learner.merge(Moments(BASE.layout, 5.0, np.zeros(3), np.ones(3)))


def scores(parameters: BaseParameters, raw: np.ndarray) -> np.ndarray:
    x = np.clip((raw - parameters.mean) / parameters.std, -6, 6)
    first = x @ parameters.w1.T + parameters.b1
    first = np.maximum(first, 0.01 * first)
    last = first @ parameters.w2.T + parameters.b2
    last = np.maximum(last, 0.01 * last)
    return x @ parameters.skip + last @ parameters.out


def test_a_moved_scaler_leaves_the_ranking_where_it_was() -> None:
    world = World(4)
    learner, unmoved = BaseLearner(BASE), BaseLearner(BASE)
    for example in world.examples(600):
        learner.observe(example)
        unmoved.observe(example)
    moved_mean = BASE.mean + 0.5 * BASE.std
    learner.merge(Moments(BASE.layout, 1e6, moved_mean.astype(float), (1.7 * BASE.std.astype(float)) ** 2 * 1e6))
    moved, same = learner.snapshot(1), unmoved.snapshot(1)
    np.testing.assert_allclose(moved.std, 1.7 * BASE.std, rtol=0.01)
    np.testing.assert_array_equal(same.std, BASE.std)
    raw = BASE.mean + world.rng.normal(size=(50, F)) * BASE.std
    difference = scores(moved, raw) - scores(same, raw)
    np.testing.assert_allclose(difference, difference[0], atol=1e-3)
    # Examples of the older version are still read, and learning goes on from where it was.
    before = learner.held_out_losses(moved).mean()
    assert before == pytest.approx(unmoved.held_out_losses(same).mean(), abs=1e-3)
    for _ in range(600):
        learner.observe(world.example(moved))
        learner.observe(world.example(BASE))
    assert learner.held_out_losses(learner.snapshot(2)).mean() < before


def test_a_scaler_within_the_tolerance_does_not_move() -> None:
    learner = BaseLearner(BASE)
    near = BASE.mean.astype(float) + 0.02 * BASE.std
    learner.merge(Moments(BASE.layout, 1e6, near, BASE.std.astype(float) ** 2 * 1e6))
    np.testing.assert_array_equal(learner.snapshot(1).mean, BASE.mean)


def test_adopting_an_older_version_takes_learning_back() -> None:
    world = World(5)
    learner = BaseLearner(BASE)
    for example in world.examples(400):
        learner.observe(example)
    learner.adopt(BASE)
    again = learner.snapshot(7)
    np.testing.assert_array_equal(again.skip, BASE.skip)
    assert (again.version, again.parent) == (7, 0)


def test_due_follows_the_ramp_and_a_restart_skips_it() -> None:
    world = World(6)
    learner, due = BaseLearner(BASE, LearnerConfig(held_out_share=0.0)), []
    for number, example in enumerate(world.examples(320), 1):
        learner.observe(example)
        if learner.due:
            due.append(number)
            learner.snapshot(len(due))
    assert due == [100, 200, 300]
    restarted = BaseLearner(replace(BASE, version=12), LearnerConfig(held_out_share=0.0))
    restarted.know(BASE)
    for example in world.examples(320):
        assert restarted.observe(example)
    assert not restarted.due


def test_meta_update_learns_step_sizes_where_users_differ_and_shrinks_them_where_they_do_not() -> None:
    start = replace(BASE, step_sizes=np.full_like(BASE.step_sizes, 0.01))
    sizes = {}
    for own in (0.0, 0.6):
        world = World(7, own=own)
        learner = BaseLearner(start, LearnerConfig(meta=MetaConfig(step_size_rate=2e-3)))
        for example in world.examples(2_000):
            learner.observe(example)
        report = learner.meta_update()
        adapted = learner.snapshot(1)
        sizes[own] = float(adapted.step_sizes.mean())
        assert report.adopted
        assert report.loss_after < report.loss_before
        if own:
            still = replace(adapted, step_sizes=np.zeros_like(adapted.step_sizes))
            gain = learner.adapted_losses(still) - learner.adapted_losses(adapted)
            assert gain.mean() > 2 * gain.std() / np.sqrt(len(gain))
    assert sizes[0.0] < 0.5 * sizes[0.6]


def test_meta_update_without_users_to_learn_from_changes_nothing() -> None:
    learner = BaseLearner(BASE)
    assert not learner.meta_update().adopted
    for example in World(8).examples(20):
        learner.observe(example)
    assert not learner.meta_update().adopted
    np.testing.assert_array_equal(learner.snapshot(1).step_sizes, BASE.step_sizes)
