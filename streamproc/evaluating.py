"""Evaluation of event files: the recommender and the trainer in one process, without Kafka, deterministic."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from models.base import initial_parameters
from models.baselines import BASELINES, standard_baselines
from models.evaluation import evaluate, summary
from models.evaluation.arms import Learning, make_arms
from models.evaluation.retraining import RetrainedLearner
from models.evaluation.trainer import Learner
from models.interaction import EventType, Interaction, hash_id
from models.learner import BaseLearner
from models.recommender import Recommender
from streamproc.dump import Dump
from streamproc.files import FileEvent, read_events
from streamproc.learning import learner_config
from streamproc.recommending import recommender_config
from streamproc.settings import Settings
from streamproc.splicing import around, spliced

_TYPES = {"click": EventType.CLICK, "cart": EventType.CART, "purchase": EventType.PURCHASE}


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
    arms: Sequence[str] = (),
    baselines: Sequence[str] | None = None,
    splice: bool = False,
    dump: Dump | None = None,
    on_row: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Evaluate the first `limit` rows of a file; return the summary.

    The lists, and so the dump, depend on the rows before them alone: neither on time nor on what follows.

    Parameters
    ----------
    arms : names among `models.evaluation.arms.ARMS`.
    baselines : names among `models.baselines.BASELINES`; None: all of them.
    splice : change the world at half of the rows (see `streamproc.splicing`).

    Raises
    ------
    FileError
        When the file cannot be read or has a malformed row.
    """
    torch.set_num_threads(1)  # sums in another order would give other last digits
    waiting: deque[str] = deque()

    events: Iterable[FileEvent] = itertools.islice(read_events(path), limit)
    windows, count = {}, 0
    if splice or arms:  # they need to know how many rows there are
        whole = list(events)
        count = len(whole)
        events = spliced(whole) if splice else whole
        windows = around(count // 2, count) if splice else {}

    def rows() -> Iterator[Interaction]:
        for event in events:
            waiting.append(event.user_id)
            yield interaction(event)

    def on_list(_index: int, items: list[str]) -> None:
        user_id = waiting.popleft()
        if dump:
            dump.write(user_id, items)
        on_row()

    base = initial_parameters()
    config = learner_config(settings, noise_seed=settings.shuffle_seed)

    def learner(learning: Learning) -> Learner:
        if learning == "retrain":
            return RetrainedLearner(lambda: BaseLearner(base, config))
        if learning == "every_event":
            return BaseLearner(base, replace(config, publish_every=1, average_events=config.fresh))
        return BaseLearner(base, config)

    recommender = Recommender(base, recommender_config(settings))
    rivals = standard_baselines(BASELINES if baselines is None else baselines)
    began = perf_counter()
    report = evaluate(
        rows(), recommender, BaseLearner(base, config), k, on_list, rivals, make_arms(arms, recommender, learner, count)
    )
    return {"file": path.name, **summary(report, windows), "wall_seconds": perf_counter() - began}
