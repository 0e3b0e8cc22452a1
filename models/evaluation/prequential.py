"""Prequential evaluation: every event first tests the list that stood before it, then teaches (Gama et al. 2013)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from models.baselines import Baseline, standard_baselines
from models.evaluation.catalogue import Catalogue
from models.evaluation.trace import Rows, Trace
from models.evaluation.trainer import InlineTrainer, Learner
from models.interaction import CatalogueItem, Interaction
from models.recommender import Recommender
from models.trigger import kept
from models.user_state import UserState

WARM_UP = 0.1
"""Share of the rows that is learned from but not scored."""

DEEPEST = 20
"""Ranks are kept at least this deep, whatever the length of the lists."""


class Arm(Protocol):
    """Another recommender on the same rows and over the same item knowledge, which it leaves as it is."""

    def test(self, event: Interaction, depth: int) -> list[str]:
        """The list that stood before the event; then learn from it."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """Result of an evaluation: the traces, of which the rows from `start` on are scored.

    Attributes
    ----------
    start : first row after the warm-up of 10 %.
    depth : length up to which ranks are known.
    known_items : items known at the end.
    versions : base versions published along the way.
    """

    k: int
    depth: int
    start: int
    known_items: int
    versions: int
    rows: Rows
    model: Trace
    baselines: Mapping[str, Trace]
    arms: Mapping[str, Trace]


def evaluate(
    rows: Iterable[Interaction | CatalogueItem],
    recommender: Recommender,
    learner: Learner | None,
    k: int = 20,
    on_list: Callable[[int, list[str]], None] | None = None,
    baselines: Mapping[str, Baseline] | None = None,
    arms: Mapping[str, Arm] | None = None,
    clock: Callable[[], float] = perf_counter,
) -> Report:
    """Run a stream through the recommender, with the trainer in line.

    Parameters
    ----------
    rows : interactions in the order in which they happened; catalogue items among them are announced, not scored.
    recommender : starts as it is.
    learner : learns from the examples and has its versions served when they are due; None: the base stays.
    on_list : called with the index of each interaction and the list that stood before it.
    baselines : by name, run on the same rows; None: `standard_baselines()`.
    arms : by name, recommenders that share the knowledge of `recommender`.
    clock : seconds.
    """
    baselines = standard_baselines() if baselines is None else baselines
    arms = arms or {}
    trainer = None if learner is None else InlineTrainer(recommender, learner)
    depth = max(k, DEEPEST)
    taken, model = Rows(), Trace()
    baseline_traces, arm_traces = {name: Trace() for name in baselines}, {name: Trace() for name in arms}
    states: dict[int, UserState] = {}
    catalogue = Catalogue()
    for row in rows:
        if isinstance(row, CatalogueItem):
            recommender.put_item(row)
            catalogue.announce(row)
            continue
        # Arms before the recommender: it takes the row into the knowledge that they share.
        for name, arm in arms.items():
            began = clock()
            items = arm.test(row, depth)
            arm_traces[name].take(items, row.item_id, k, catalogue, clock() - began)
        for name, baseline in baselines.items():
            began = clock()
            items = baseline.recommend(row.user, depth)
            baseline.learn(row)
            baseline_traces[name].take(items, row.item_id, k, catalogue, clock() - began)
        began = clock()
        state = states.get(row.user) or states.setdefault(row.user, UserState())
        learned = recommender.learn(state, row, depth)
        learned_at = clock()
        if trainer is not None and (alarm := trainer.take(learned)):
            recommender.discount(kept(alarm.before, alarm.after))
        trained_at = clock()
        if on_list:
            on_list(len(model.ranks), learned.items[:k])
        model.take(learned.items, row.item_id, k, catalogue, learned_at - began)
        taken.take(row, learned, k, trained_at - learned_at)
        catalogue.take(row)
    return Report(
        k=k,
        depth=depth,
        start=int(len(model.ranks) * WARM_UP),
        known_items=len(catalogue),
        versions=trainer.versions if trainer else 0,
        rows=taken,
        model=model,
        baselines=baseline_traces,
        arms=arm_traces,
    )
