"""What workers report of a harmful version lets its parent take over again, within few events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.base import BaseParameters, initial_parameters
from models.interaction import Interaction
from models.learner import BaseLearner
from models.recommender import Recommender
from models.user_state import UserState
from schemas.evidence import decode_evidence, encode_evidence
from streamproc.settings import Settings
from streamproc.trainer.live import LiveEvidence
from streamproc.worker.evidence import EvidenceWindow
from tests.unit.models.streams import stream

WARM_UP = 600  # events, which the serving version learns from


class Shop:
    """A recommender on a stream, and the trainer's view of its evidence."""

    def __init__(self, seed: int, workers: int = 1) -> None:
        self.recommender, self.learner = Recommender(initial_parameters()), BaseLearner(initial_parameters())
        self.states: dict[int, UserState] = {}
        self.rows = iter(stream(WARM_UP + 4_000, seed=seed))
        self.windows = [EvidenceWindow() for _ in range(workers)]
        self.live = LiveEvidence(Settings(probation_comparisons=300), lambda: 0.0)
        self.events = 0
        for _ in range(WARM_UP):
            self.step()
        self.good = self.learner.snapshot(1)

    def step(self) -> bool:
        """Take an event; whether there is something for the trainer to do."""
        row: Interaction = next(self.rows)
        learned = self.recommender.learn(self.states.setdefault(row.user, UserState()), row)
        if learned.example is not None:
            self.learner.observe(learned.example)
        self.events += 1
        evidence = self.windows[row.user % len(self.windows)].add(row, learned)
        return evidence is not None and self.live.add(decode_evidence(encode_evidence(evidence)))

    def serve(self, version: BaseParameters, parent: BaseParameters) -> None:
        self.recommender.swap(version)
        self.recommender.shadows.replace([parent])
        self.live.on_probation(version.version, parent.version)
        self.events = 0


def test_a_negated_version_loses_to_its_parent_within_2_000_events_with_one_worker_or_four() -> None:
    delays = []
    for seed, workers in ((0, 1), (1, 4)):
        shop = Shop(seed, workers)
        shop.serve(replace(shop.good, version=2, parent=1, skip=-shop.good.skip, out=-shop.good.out), shop.good)
        while not shop.step():
            assert shop.events <= 2_000
        assert shop.live.lost is not None
        assert "parent 1 did better by 0." in shop.live.lost.reason
        delays.append(shop.events)
    assert np.max(delays) <= 2_000


def test_a_version_as_good_as_its_parent_keeps_its_place() -> None:
    shop = Shop(seed=4)
    shop.serve(replace(shop.good, version=2, parent=1), shop.good)
    while not shop.step():
        assert shop.events < 4_000
    assert (shop.live.lost, shop.live.kept is not None) == (None, True)
