"""Snapshots on disk: what is trusted, what is not, and what is not learned twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.base import initial_parameters
from models.interaction import EventType, Interaction
from models.knowledge import Knowledge, KnowledgeConfig
from models.knowledge.pairs import CROSS
from models.recommender import Recommender, RecommenderConfig
from models.snapshot import Arrays, freeze
from schemas.knowledge import InteractionColumns, ItemStatsDelta
from schemas.record import encode
from streamproc.engine import InputRecord
from streamproc.metrics import WorkerMetrics
from streamproc.settings import Settings
from streamproc.worker.knowledge import SharedKnowledge
from streamproc.worker.snapshots import MAX_AGE_SECONDS, Snapshot, Snapshots

CONFIG = KnowledgeConfig(max_items=1_000)
POSITIONS = {("item-stats", 0): 41, ("items", 3): 7}
SOURCES = {("clicks", 2): 99}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def written(settings: Settings) -> Path:
    """Write a snapshot of one interaction; return its file."""
    knowledge = Knowledge(CONFIG)
    knowledge.take(Interaction(1, "tea", EventType.CLICK, 1_700_000_000_000))
    Snapshots(settings, CONFIG, lambda: 1e9).write(freeze(knowledge), POSITIONS, SOURCES)
    (path,) = (settings.data_dir / "knowledge").iterdir()
    return path


def test_what_was_written_is_read(settings: Settings) -> None:
    written(settings)
    kept = Snapshots(settings, CONFIG, lambda: 1e9 + 60).read()
    assert kept is not None
    assert kept.knowledge.slot("tea") == kept.knowledge.event == 1
    assert (kept.positions, kept.sources) == (POSITIONS, SOURCES)


def test_no_snapshot_is_no_error(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    assert Snapshots(settings, CONFIG, lambda: 1e9).read() is None
    assert not caplog.records


def test_an_old_one_is_not_used(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    written(settings)
    assert Snapshots(settings, CONFIG, lambda: 1e9 + MAX_AGE_SECONDS + 1).read() is None
    assert "12 hours old" in caplog.text


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_damaged_one_is_not_used(settings: Settings, caplog: pytest.LogCaptureFixture, keep: int) -> None:
    path = written(settings)
    path.write_bytes(path.read_bytes()[:keep])
    assert Snapshots(settings, CONFIG, lambda: 1e9).read() is None
    assert "cannot be used" in caplog.text


def test_a_full_disk_costs_the_snapshot_only(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    (settings.data_dir / "knowledge").write_text("a file where the folder should be")
    Snapshots(settings, CONFIG, lambda: 1e9).write(freeze(Knowledge(CONFIG)), {}, {})
    assert "no snapshot" in caplog.text


def columns(*items: str) -> InteractionColumns:
    n = len(items)
    return InteractionColumns([1] * n, list(items), [0] * n, [1_700_000_000_000] * n, [None] * n, [None] * n)


def record(topic: str, first: int, last: int, *items: str, kept: float = 1.0) -> InputRecord:
    delta = ItemStatsDelta(
        instance="first-life",
        source_topic=topic,
        source_partition=0,
        offset_first=first,
        offset_last=last,
        interactions=columns(*items),
        kept=kept,
    )
    return InputRecord("item-stats", 0, last, 1_700_000_000_000, None, encode(delta))


def reader(settings: Settings, kept: Snapshot | None = None) -> SharedKnowledge:
    recommender = Recommender(initial_parameters(), RecommenderConfig(CONFIG), kept.knowledge if kept else None)
    metrics = WorkerMetrics(CollectorRegistry(), 20)
    return SharedKnowledge(settings, recommender, metrics, "second-life", kept.sources if kept else {})


def test_a_discount_holds_for_what_lies_before_it_in_the_log_and_no_second_time(settings: Settings) -> None:
    log = [
        record("clicks", 0, 1, "a", "b"),
        record("drift-signals", 7, 7, kept=0.25),
        record("clicks", 2, 3, "c", "d"),
        record("drift-signals", 7, 7, kept=0.25),  # from a leader that took over
        record("clicks", 4, 4, "e"),
    ]
    whole = reader(settings)
    whole.apply(log)
    knowledge = whole.recommender.knowledge
    pairs, (a, c) = knowledge.pairs, map(knowledge.slot, "ac")
    assert pairs.weight[pairs.blocks.row[a, 0], CROSS] == pytest.approx(0.25, rel=1e-3)
    assert pairs.total[c, CROSS] == pytest.approx(1 + 1 / 2, rel=1e-3)
    for end in range(len(log)):  # wherever a snapshot ends, the tail of the log leads to the same
        before = reader(settings)
        before.apply(log[:end])
        snapshots = Snapshots(settings, CONFIG, lambda: 1e9)
        snapshots.write(freeze(before.recommender.knowledge), POSITIONS, before.sources)
        after = reader(settings, snapshots.read())
        after.apply(log[end:])
        assert_same(freeze(after.recommender.knowledge), freeze(knowledge))
        assert after.sources == whole.sources


def assert_same(some: Arrays, others: Arrays) -> None:
    assert some.keys() == others.keys()
    for name, array in some.items():
        assert np.array_equal(array, others[name], equal_nan=array.dtype.kind == "f"), name


def test_interactions_that_the_snapshot_holds_are_not_taken_again(settings: Settings) -> None:
    recommender, metrics = Recommender(initial_parameters()), WorkerMetrics(CollectorRegistry(), 20)
    shared = SharedKnowledge(settings, recommender, metrics, "second-life", known={("clicks", 0): 9})
    shared.apply([record("clicks", 5, 9, "known"), record("clicks", 10, 10, "new"), record("purchases", 0, 3, "other")])
    knowledge = recommender.knowledge
    assert knowledge.slot("known") == 0
    assert knowledge.slot("new") > 0
    assert knowledge.slot("other") > 0
    assert shared.sources == {("clicks", 0): 10, ("purchases", 0): 3}
