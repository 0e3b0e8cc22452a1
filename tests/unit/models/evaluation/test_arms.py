"""Arms: each knows and learns what its words say, and none disturbs the recommender under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from models.base import initial_parameters
from models.evaluation import evaluate
from models.evaluation.arms import ARMS, ArmConfig, SharingArm, make_arms
from models.evaluation.retraining import RetrainedLearner
from models.evaluation.trainer import InlineTrainer
from models.interaction import Interaction
from models.learner import BaseLearner, LearnerConfig
from models.recommender import Recommender, RecommenderConfig
from models.user_state import UserState
from tests.unit.models.streams import random_base, stream


def learner(_learning: str = "meta") -> BaseLearner:
    return BaseLearner(initial_parameters(), LearnerConfig(publish_every=50))


def lists_of(names: Sequence[str], rows: Sequence[Interaction]) -> dict[str, list[list[str]]]:
    """Lists of arms beside a recommender that learns, by name; its own under the empty name."""
    served = Recommender(initial_parameters())
    trainer, states = InlineTrainer(served, learner()), dict[int, UserState]()
    arms = make_arms(names, served, learner, len(rows))
    lists: dict[str, list[list[str]]] = {name: [] for name in ("", *names)}
    for row in rows:
        for name, arm in arms.items():
            lists[name].append(arm.test(row, 20))
        learned = served.learn(states.setdefault(row.user, UserState()), row)
        trainer.take(learned)
        lists[""].append(learned.items)
    assert served.base.version > 3
    return lists


def test_arms_do_not_disturb_the_recommender() -> None:
    rows = stream(500)
    alone, beside = list[list[str]](), list[list[str]]()
    for taken, names in ((alone, ()), (beside, tuple(ARMS))):
        served = Recommender(initial_parameters())
        arms = make_arms(names, served, learner, len(rows))
        evaluate(rows, served, learner(), on_list=lambda _, items, to=taken: to.append(items), baselines={}, arms=arms)
    assert alone == beside


def test_without_user_state_all_users_get_the_same_list() -> None:
    rows = stream(300)
    served = Recommender(random_base())
    arm = SharingArm(replace(ARMS["no_user_state"], worker_delta=False), served, learner, 0)
    for row in rows:
        arm.test(row, 20)
        served.observe(row)
    lists = {tuple(arm.test(Interaction(user, "i1", row.event_type, row.timestamp_ms), 20)) for user in range(30)}
    assert len(lists) == 1


def test_the_last_item_is_all_that_its_arm_knows() -> None:
    rows = stream(300)
    lists = []
    for forgotten in ("i3", "i7"):
        served = Recommender(random_base())
        config = replace(ARMS["last_item_only"], worker_delta=False)  # which follows all users
        arm = SharingArm(config, served, lambda _: BaseLearner(random_base()), 0)
        for row in rows:
            served.observe(row)
        for item in (forgotten, "i20"):
            arm.test(Interaction(9, item, rows[0].event_type, rows[-1].timestamp_ms), 20)
        lists.append(arm.test(Interaction(9, "i1", rows[0].event_type, rows[-1].timestamp_ms), 20))
        assert served.recommend(UserState(), rows[-1].timestamp_ms)[0].item_id
    assert lists[0] == lists[1]


def test_without_fast_weights_the_served_versions_rank() -> None:
    rows = stream(600)
    plain = Recommender(initial_parameters(), RecommenderConfig(fast_weights=False))
    served = Recommender(initial_parameters())
    trainer, states, plain_states = InlineTrainer(served, learner()), dict[int, UserState](), dict[int, UserState]()
    arm = make_arms(["no_fast_weights"], served, learner, len(rows))["no_fast_weights"]
    for row in rows:
        items = arm.test(row, 20)
        if plain.base is not served.base:
            plain.swap(served.base)
        assert items == plain.learn(plain_states.setdefault(row.user, UserState()), row).items
        trainer.take(served.learn(states.setdefault(row.user, UserState()), row))


def test_a_frozen_arm_stops_to_follow_and_an_unadapted_one_never_does() -> None:
    lists = lists_of(["frozen", "unadapted", "no_fast_weights"], stream(500))
    frozen = int(0.3 * 500)
    assert lists["frozen"][:frozen] == lists[""][:frozen]
    assert lists["frozen"][frozen:] != lists[""][frozen:]
    assert lists["unadapted"][200:] != lists["no_fast_weights"][200:]


@pytest.mark.parametrize(("name", "updates"), [("pooled_history", 0), ("no_meta_update", 0), ("", 3)])
def test_arms_with_a_learner_of_their_own_publish_and_some_make_no_meta_update(
    name: str, updates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.evaluation.trainer.META_EVERY", 100)
    made, updated = list[BaseLearner](), list[int]()
    monkeypatch.setattr(BaseLearner, "meta_update", lambda _: updated.append(1))
    served = Recommender(initial_parameters())

    def spied(_learning: str) -> BaseLearner:
        made.append(learner())
        return made[-1]

    arm = SharingArm(ARMS.get(name, ArmConfig("all of it")), served, spied, 0)
    for row in stream(400):
        arm.test(row, 20)
        served.observe(row)
    assert made[0].version > 3
    assert len(updated) == updates


def test_a_retrained_arm_trains_from_the_start_on_what_is_kept() -> None:
    made = list[BaseLearner]()

    def fresh() -> BaseLearner:
        made.append(learner())
        return made[-1]

    retrained = RetrainedLearner(fresh, every=160, kept=200)
    served, versions = Recommender(initial_parameters()), list[int]()
    trainer = InlineTrainer(served, retrained)
    states = dict[int, UserState]()
    for count, row in enumerate(stream(600)):
        trainer.take(served.learn(states.setdefault(row.user, UserState()), row))
        if trainer.versions > len(versions):
            versions.append(count)
    assert len(versions) == len(made) == 7  # at 10, 20, 40, 80, 160, 320 and 480 examples
    taken = [each.learned + each.skipped for each in made]
    assert taken[:5] == sorted(taken[:5])  # a tenth is held out
    assert all(150 < count <= 200 for count in taken[5:])
    assert all(each.skipped == 0 for each in made)
    assert served.base.version == 7
