"""Prequential evaluation: every event first tests the list that stood before it, then teaches (Gama et al. 2013)."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

import numpy as np

from models.base import BaseParameters
from models.baselines import Baseline, standard_baselines
from models.interaction import CatalogueItem, Interaction
from models.ranking_metrics import Scores, scores_of
from models.recommender import Learned, Recommender
from models.user_state import UserState
from schemas.training import Moments, TrainingExample

META_EVERY = (
    10_000  # examples between meta-updates: ten minutes, the trainer's timer, of a shop with 17 events a second
)
MOMENTS_EVERY = 500  # examples between two reports of moments, as in the worker
WARM_UP = 0.1  # share of the rows that is learned from but not scored


class Learner(Protocol):
    """What the evaluation needs of the base learner."""

    @property
    def due(self) -> bool:
        """Whether a version should be published."""
        ...

    def observe(self, example: TrainingExample) -> bool:
        """Learn from an example."""
        ...

    def merge(self, moments: Moments) -> bool:
        """Take moments of the raw features."""
        ...

    def meta_update(self) -> object:
        """Learn where users start and how fast they adapt."""
        ...

    def snapshot(self, version: int) -> BaseParameters:
        """The version to publish."""
        ...


@dataclass(slots=True)
class Trace:
    """Per row: ranks (0 is a miss) and what is needed to split them."""

    rank: array[int] = field(default_factory=lambda: array("h"))
    recalled: array[int] = field(default_factory=lambda: array("b"))
    new_item: array[int] = field(default_factory=lambda: array("b"))
    user_events: array[int] = field(default_factory=lambda: array("l"))
    event_type: array[int] = field(default_factory=lambda: array("b"))
    baselines: dict[str, array[int]] = field(default_factory=dict)

    def take(self, event: Interaction, learned: Learned) -> None:
        """Append a row."""
        self.rank.append(learned.rank or 0)
        self.recalled.append(learned.recalled)
        self.new_item.append(learned.new_item)
        self.user_events.append(learned.user_events)
        self.event_type.append(event.event_type)


@dataclass(frozen=True, slots=True)
class Report:
    """Result of an evaluation; scores are over `scored_rows`, the rows after the first 10 %.

    Attributes
    ----------
    recall : share of scored rows whose item was among the candidates.
    seconds_per_event : to predict and learn, without the trainer's part and the baselines.
    trainer_seconds_per_event : the trainer's part.
    versions : base versions published along the way.
    """

    rows: int
    scored_rows: int
    k: int
    model: Scores
    baselines: Mapping[str, Scores]
    recall: float
    seconds_per_event: float
    trainer_seconds_per_event: float
    versions: int
    trace: Trace


def evaluate(
    rows: Iterable[Interaction | CatalogueItem],
    recommender: Recommender,
    learner: Learner | None,
    k: int = 20,
    on_list: Callable[[int, list[str]], None] | None = None,
    baselines: Mapping[str, Baseline] | None = None,
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
    clock : seconds.
    """
    baselines = standard_baselines() if baselines is None else baselines
    trace = Trace(baselines={name: array("h") for name in baselines})
    states: dict[int, UserState] = {}
    shown: set[str] = set()
    shown_by: dict[str, set[str]] = {name: set() for name in baselines}
    spent, trained, examples, version = 0.0, 0.0, 0, recommender.base.version
    first_version = version
    for row in rows:
        if isinstance(row, CatalogueItem):
            recommender.put_item(row)
            continue
        began = clock()
        state = states.get(row.user) or states.setdefault(row.user, UserState())
        learned = recommender.learn(state, row, k)
        spent += clock() - began
        if on_list:
            on_list(len(trace.rank), learned.items)
        trace.take(row, learned)
        shown.update(learned.items)
        for name, baseline in baselines.items():
            items = baseline.recommend(row.user, k)
            shown_by[name].update(items)
            trace.baselines[name].append(items.index(row.item_id) + 1 if row.item_id in items else 0)
            baseline.learn(row)
        if learner is not None and learned.example is not None:
            began = clock()
            examples += 1
            if examples % MOMENTS_EVERY == 0 and (moments := recommender.take_moments()):
                learner.merge(moments)
            learner.observe(learned.example)
            if examples % META_EVERY == 0:
                learner.meta_update()
            if learner.due:
                version += 1
                recommender.swap(learner.snapshot(version))
            trained += clock() - began
    count = len(trace.rank)
    start = int(count * WARM_UP)
    known = max(len(recommender.knowledge.items), 1)
    return Report(
        rows=count,
        scored_rows=count - start,
        k=k,
        model=scores_of(np.array(trace.rank)[start:], len(shown) / known),
        baselines={
            name: scores_of(np.array(trace.baselines[name])[start:], len(shown_by[name]) / known) for name in baselines
        },
        recall=float(np.array(trace.recalled)[start:].mean()) if count > start else 0.0,
        seconds_per_event=spent / max(count, 1),
        trainer_seconds_per_event=trained / max(count, 1),
        versions=version - first_version,
        trace=trace,
    )
