"""Evaluation of event files: the recommender and the trainer in one process, without Kafka, deterministic."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from models.base import initial_parameters
from models.baselines import Baseline, standard_baselines
from models.evaluation import Report, evaluate
from models.interaction import EventType, Interaction, hash_id
from models.learner import BaseLearner, LearnerConfig
from models.recommender import Recommender
from streamproc.dump import Dump
from streamproc.files import FileEvent, read_events
from streamproc.recommending import recommender_config
from streamproc.settings import Settings

_TYPES = {"click": EventType.CLICK, "cart": EventType.CART, "purchase": EventType.PURCHASE}


class Timed:
    """A baseline with a stop watch."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self.seconds = 0.0

    def recommend(self, user: int, k: int) -> list[str]:
        """The best k items."""
        began = perf_counter()
        items = self._baseline.recommend(user, k)
        self.seconds += perf_counter() - began
        return items

    def learn(self, event: Interaction) -> None:
        """Take the event."""
        began = perf_counter()
        self._baseline.learn(event)
        self.seconds += perf_counter() - began


def interaction(event: FileEvent) -> Interaction:
    """What the recommender learns from a row.

    >>> interaction(FileEvent(1700000000000, "u1", "i1", "purchase", None, 2.5)).event_type.name
    'PURCHASE'
    """
    return Interaction(
        user=hash_id(event.user_id),
        item_id=event.item_id,
        event_type=_TYPES[event.event_type],
        timestamp_ms=event.timestamp_ms,
        category=event.category,
        price=event.price,
    )


def evaluate_file(
    settings: Settings,
    path: Path,
    *,
    k: int,
    limit: int | None = None,
    dump: Dump | None = None,
    on_row: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Evaluate the first `limit` rows of a file; return the summary.

    The lists, and so the dump, depend on the rows before them alone: neither on time nor on what follows.

    Raises
    ------
    FileError
        When the file cannot be read or has a malformed row.
    """
    torch.set_num_threads(1)  # sums in another order would give other last digits
    waiting: deque[str] = deque()

    def rows() -> Iterator[Interaction]:
        for event in itertools.islice(read_events(path), limit):
            waiting.append(event.user_id)
            yield interaction(event)

    def on_list(_index: int, items: list[str]) -> None:
        user_id = waiting.popleft()
        if dump:
            dump.write(user_id, items)
        on_row()

    baselines = {name: Timed(baseline) for name, baseline in standard_baselines().items()}
    recommender, learner = _fresh(settings)
    began = perf_counter()
    report = evaluate(rows(), recommender, learner, k, on_list, baselines)
    seconds = {name: timed.seconds / max(report.rows, 1) for name, timed in baselines.items()}
    return {"file": path.name, **_summary(report, seconds), "wall_seconds": perf_counter() - began}


def _fresh(settings: Settings) -> tuple[Recommender, BaseLearner]:
    base = initial_parameters()
    config = LearnerConfig(publish_every=settings.publish_every, seed=settings.shuffle_seed)
    return Recommender(base, recommender_config(settings)), BaseLearner(base, config)


def _summary(report: Report, baseline_seconds: dict[str, float]) -> dict[str, Any]:
    counts = {"rows": report.rows, "scored_rows": report.scored_rows}
    return {
        **counts,
        "k": report.k,
        **asdict(report.model),
        "recall": report.recall,
        "seconds_per_event": report.seconds_per_event,
        "trainer_seconds_per_event": report.trainer_seconds_per_event,
        "versions": report.versions,
        "baselines": {
            name: {**counts, **asdict(scores), "seconds_per_event": baseline_seconds[name]}
            for name, scores in report.baselines.items()
        },
    }
