"""What a worker does with records of `model-updates`: serve, shadow, and go on where an artefact is damaged or gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from models.base import initial_parameters
from models.recommender import Recommender
from schemas.knowledge import ModelUpdate
from schemas.record import encode
from streamproc.artefacts import save
from streamproc.engine import InputRecord
from streamproc.metrics import WorkerMetrics
from streamproc.settings import Settings
from streamproc.versions import POINTER_KEY, record_key
from streamproc.worker.knowledge import SharedKnowledge

BASE = initial_parameters()


class Worker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recommender = Recommender(BASE)
        metrics = WorkerMetrics(CollectorRegistry())
        self.shared = SharedKnowledge(Settings(), self.recommender, metrics, "life-1")

    def version(self, number: int, **changes: object) -> ModelUpdate:
        parent = max(0, number - 1)
        uri, digest = save(replace(BASE, version=number, parent=parent), str(self.folder))
        record = ModelUpdate(
            version=number,
            parent=parent,
            uri=uri,
            sha256=digest,
            verdict="candidate",
            reason="test",
            created_ms=1_700_000_000_000,
            kind="refresh",
            serving=False,
        )
        return record.model_copy(update=changes)

    def read(self, *records: tuple[bytes, ModelUpdate]) -> None:
        made = [InputRecord("model-updates", 0, 0, 0, key, encode(update), ()) for key, update in records]
        self.shared.load(made)
        self.shared.apply(made)

    def promote(self, update: ModelUpdate) -> None:
        promoted = update.model_copy(update={"verdict": "promoted", "serving": True, "probation": True})
        self.read((record_key(update.version), promoted), (POINTER_KEY, promoted))

    @property
    def state(self) -> tuple[int, list[int]]:
        return self.shared.serving, self.recommender.shadows.versions


def test_a_candidate_runs_in_the_shadow_then_serves_with_its_parent_in_its_shadow(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    first, second = worker.version(1), worker.version(2)
    worker.read((record_key(0), worker.version(0, parent=None, verdict="promoted")), (record_key(1), first))
    assert worker.state == (0, [1])
    worker.promote(first)
    assert worker.state == (1, [0])
    worker.read((record_key(2), second))
    assert worker.state == (1, [2, 0])
    worker.read((record_key(2), second.model_copy(update={"verdict": "rejected"})))
    assert worker.state == (1, [0])


@pytest.mark.parametrize("damage", ["truncated", "replaced", "missing"])
def test_an_artefact_that_is_not_what_its_record_says_leaves_the_worker_as_it_was(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(tmp_path)
    first, second = worker.version(1), worker.version(2)
    worker.promote(first)
    (file,) = tmp_path.glob("base-00000002-*")
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(whole[:-5] if damage == "truncated" else next(tmp_path.glob("base-00000001-*")).read_bytes())
    worker.read((record_key(2), second))
    assert worker.state == (1, [])
    worker.promote(second)
    assert worker.state == (1, [])
    assert "version 2 not loaded, still serving 1" in caplog.text
    file.write_bytes(whole)
    worker.promote(second)
    assert worker.state == (2, [1])
