"""A base model from history, in service before the first event."""

from __future__ import annotations

import asyncio
import csv
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from models.base import BaseParameters, initial_parameters
from models.evaluation import evaluate
from models.ranking_metrics import scores_of
from models.recommender import Recommender
from streamproc.artefacts import load
from streamproc.evaluating import interaction
from streamproc.files import read_events
from streamproc.settings import Settings
from streamproc.simulator.config import WorldConfig
from streamproc.simulator.world import World
from tests.integration.trainer.support import invoke, published, running, until_metric

pytestmark = pytest.mark.embedded

HISTORY = 6_000


def shop(path: Path, events: int, seed: int) -> Path:
    """Events of a simulated shop, whose items and users are others for another seed."""
    world = World(WorldConfig(users=300, items=200, feedback_share=0.0), seed)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp_ms", "user_id", "item_id", "event_type", "category", "price"])
        for _ in range(events):
            event = world.step()
            rows.writerow([event.timestamp_ms, event.user_id, event.item_id, event.kind, event.category, event.price])
    return path


async def test_the_version_serves_on_probation_and_a_trainer_goes_on_from_it(
    settings: Settings, tmp_path: Path
) -> None:
    history = shop(tmp_path / "history.csv", HISTORY, seed=1)
    done = await asyncio.to_thread(invoke, settings, "pretrain", str(history))
    assert done.exit_code == 0, done.output
    assert "version 1 serves: pretrained on history, held-out loss" in done.output
    versions = await published(settings)
    record = versions.records[1]
    assert (record.kind, record.verdict, record.parent) == ("pretrained", "promoted", 0)
    assert (versions.serving_version, versions.parent_on_probation()) == (1, 0)
    parameters = load(record.uri, record.sha256)
    assert mrr(parameters, tmp_path) > 1.04 * mrr(initial_parameters(), tmp_path)  # measured: 1.08
    again = await asyncio.to_thread(invoke, settings, "pretrain", str(history))
    assert again.exit_code == 2
    assert "version 1 serves already: pretraining is for a new deployment" in again.output
    async with running(settings) as trainer:
        await until_metric(trainer, "streamproc_published_version 1.0")
    back = await asyncio.to_thread(invoke, settings, "models", "rollback", "0")
    assert back.exit_code == 0
    anew = await asyncio.to_thread(invoke, settings, "pretrain", str(history), "--limit", "3000")
    assert anew.exit_code == 0
    assert (await published(settings)).serving_version == 2


def mrr(base: BaseParameters, folder: Path) -> float:
    """In the first events of another shop, where nothing but the base is known."""
    rows = map(interaction, islice(read_events(shop(folder / "other.csv", 1_500, seed=2)), None))
    report = evaluate(rows, Recommender(base), None, baselines={})
    return scores_of(np.array(report.model.ranks), 20).mrr


async def test_what_teaches_nothing_is_refused_in_one_line(settings: Settings, tmp_path: Path) -> None:
    short = shop(tmp_path / "short.csv", 60, seed=1)
    later = shop(tmp_path / "later.csv", 60, seed=3)
    for files, words in (
        ([short], "60 events are too few to pretrain on"),
        ([later, short], "give files in the order of time"),
        ([tmp_path / "none.csv"], "none.csv"),
    ):
        done = await asyncio.to_thread(invoke, settings, "pretrain", *map(str, files))
        assert done.exit_code != 0
        assert words in done.output
        assert len(done.output.strip().splitlines()) == 1
    assert not (await published(settings)).records
