"""A first version of the base model from history: what the trainer would have learned, before the first event."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from models.base import BaseParameters, initial_parameters
from models.evaluation import evaluate
from models.interaction import Interaction
from models.learner import BaseLearner
from models.meta import MetaReport
from models.privacy import Spent
from models.ranking_metrics import Scores, scores_of
from models.recommender import Recommender
from streamproc.errors import StreamprocError
from streamproc.evaluating import interaction
from streamproc.files import FileError, read_events
from streamproc.learning import learner_config
from streamproc.recommending import recommender_config
from streamproc.settings import Settings
from streamproc.trainer.held_out import MIN_HELD_OUT, judge
from streamproc.trainer.proof import Verdict


class PretrainingError(StreamprocError):
    """The history teaches nothing that should serve."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What came of the history.

    Attributes
    ----------
    parameters : the base model, a child of the built-in version 0.
    scores : prequential, over the last half of the events, with what was learned until then in service.
    verdict : on examples that were set aside, against the built-in version.
    spent : of users' privacy, by each meta-update.
    """

    parameters: BaseParameters
    scores: Scores
    verdict: Verdict
    spent: tuple[Spent, ...]


class _AccountedLearner(BaseLearner):
    """Remembers what its meta-updates spend."""

    spent: tuple[Spent, ...] = ()

    def meta_update(self, out_of_time: Callable[[], bool] = lambda: False) -> MetaReport:
        report = super().meta_update(out_of_time)
        if report.spent:
            self.spent += (report.spent,)
        return report


def pretrain(
    settings: Settings,
    paths: Sequence[Path],
    version: int,
    limit: int | None = None,
    on_row: Callable[[], object] = lambda: None,
) -> Pretrained:
    """Learn the base from event files as the trainer does, and end with a meta-update.

    Parameters
    ----------
    paths : in the order of time.
    version : number of what comes of it.
    limit : events of each file.

    Raises
    ------
    FileError
        A file cannot be read, has a malformed row, or begins before the one before it ends.
    PretrainingError
        There is too little history, or what was learned foretells the events set aside worse than the built-in version.
    """
    torch.set_num_threads(1)  # steps are too small to share, and sums in another order give other last digits
    base = initial_parameters()
    learner = _AccountedLearner(base, learner_config(settings, noise_seed=secrets.randbits(63)))
    recommender = Recommender(base, recommender_config(settings))

    def on_list(_index: int, _items: list[str]) -> None:
        on_row()

    report = evaluate(_history(paths, limit), recommender, learner, settings.k, on_list, baselines={})
    learner.meta_update()
    parameters = learner.snapshot(version, parent=0)
    verdict = judge(learner.held_out_losses(parameters), learner.held_out_losses(base))
    if "held_out_examples" not in verdict.metrics:
        raise PretrainingError(
            f"{len(report.model.ranks)} events are too few to pretrain on: {verdict.reason}, {MIN_HELD_OUT} are needed"
        )
    if not verdict.accepted:
        raise PretrainingError(f"the history teaches less than the built-in model knows: {verdict.reason}")
    ranks = np.array(report.model.ranks)
    return Pretrained(parameters, scores_of(ranks[len(ranks) // 2 :], settings.k), verdict, learner.spent)


def _history(paths: Iterable[Path], limit: int | None) -> Iterator[Interaction]:
    last_ms = 0
    for path in paths:
        for number, event in enumerate(islice(read_events(path), limit)):
            if number == 0 and event.timestamp_ms < last_ms:
                raise FileError(f"{path} begins before the file before it ends: give files in the order of time")
            last_ms = event.timestamp_ms
            yield interaction(event)
