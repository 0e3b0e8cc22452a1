"""What a worker does with records of `model-updates`: serve, shadow, and go on where an artefact is damaged or gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fsspec
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
    def __init__(self, location: str) -> None:
        self.location = location
        self.recommender = Recommender(BASE)
        metrics = WorkerMetrics(CollectorRegistry())
        self.shared = SharedKnowledge(Settings(), self.recommender, metrics, "life-1")

    def version(self, number: int, **changes: object) -> ModelUpdate:
        parent = max(0, number - 1)
        uri, digest = save(replace(BASE, version=number, parent=parent), self.location)
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


@pytest.fixture(params=["folder", "file", "memory"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where artefacts lie."""
    return {"folder": str(tmp_path), "file": tmp_path.as_uri(), "memory": f"memory://{tmp_path.name}"}[request.param]


def unreachable(*_: object, **__: object) -> bytes:
    raise RuntimeError("the driver's own\nkind of error")


def test_a_candidate_runs_in_the_shadow_then_serves_with_its_parent_in_its_shadow(location: str) -> None:
    worker = Worker(location)
    first, second = worker.version(1), worker.version(2)
    worker.read((record_key(0), worker.version(0, parent=None, verdict="promoted")), (record_key(1), first))
    assert worker.state == (0, [1])
    worker.promote(first)
    assert worker.state == (1, [0])
    worker.read((record_key(2), second))
    assert worker.state == (1, [2, 0])
    worker.read((record_key(2), second.model_copy(update={"verdict": "rejected"})))
    assert worker.state == (1, [0])


@pytest.mark.parametrize("damage", ["truncated", "replaced", "missing", "out of reach"])
def test_an_artefact_that_is_not_what_its_record_says_leaves_the_worker_as_it_was(
    location: str, damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(location)
    first, second = worker.version(1), worker.version(2)
    worker.promote(first)
    store, path = fsspec.core.url_to_fs(second.uri)
    whole = store.cat_file(path)
    if damage == "missing":
        store.rm_file(path)
    elif damage == "out of reach":
        monkeypatch.setattr(type(store), "cat_file", unreachable)
    else:
        first_path = fsspec.core.url_to_fs(first.uri)[1]
        store.pipe_file(path, whole[:-5] if damage == "truncated" else store.cat_file(first_path))
    worker.read((record_key(2), second))
    assert worker.state == (1, [])
    worker.promote(second)
    assert worker.state == (1, [])
    assert "version 2 not loaded, still serving 1" in caplog.text
    monkeypatch.undo()
    store.pipe_file(path, whole)
    worker.promote(second)
    assert worker.state == (2, [1])
