"""A harmful version that was forced into service is rolled back by worker and trainer, without anybody's help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.knowledge import ModelUpdate
from schemas.record import encode
from streamproc.artefacts import load, save
from streamproc.versions import POINTER_KEY, VersionLog, record_key
from tests.integration.trainer.support import published, running

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SLICE = 40  # events sent before the test looks again


async def forced(settings: Any, versions: VersionLog) -> ModelUpdate:
    """A version with negated weights, put into service as if it had been proven."""
    serving = versions.records[versions.serving_version]
    good, number = load(serving.uri, serving.sha256), versions.next_version
    harmful = replace(good, version=number, parent=good.version, skip=-good.skip, out=-good.out)
    uri, digest = save(harmful, settings.artefacts)
    changes = {"uri": uri, "sha256": digest, "verdict": "promoted", "reason": "forced", "probation": True}
    return serving.model_copy(update={**changes, "version": number, "parent": good.version, "metrics": {}})


async def test_negated_weights_are_rolled_back_within_2_000_events(
    make_shop: Callable[..., Any], stream: list[tuple[str, str, bytes]]
) -> None:
    shop = make_shop(trainer_http_port=0, session_timeout_seconds=6)
    settings = shop.settings.model_copy(update={"artefact_uri": str(shop.folder / "artefacts")})
    rest = iter(stream)

    async def send_some() -> None:
        shop.produce([next(rest) for _ in range(SLICE)])
        await asyncio.to_thread(shop.drain)

    shop.start_worker(artefact_uri=settings.artefact_uri)
    async with running(settings):
        while (await published(settings)).serving_version < 1:
            await send_some()
    async with running(settings):  # past the early ramp: no candidate is on its way that would take the bad one's place
        versions = await published(settings)
        bad = await forced(settings, versions)
        shop.produce([("model-updates", record_key(bad.version).decode(), encode(bad))])
        shop.produce([("model-updates", POINTER_KEY.decode(), encode(bad))])
        events = 0
        while (versions := await published(settings)).serving_version == bad.version:
            await send_some()
            events += SLICE
            assert events <= 2_000
    left = versions.records[bad.version]
    assert left.verdict == "rolled_back"
    assert versions.serving_version == bad.parent
    assert f"rolled back to {bad.parent}: parent {bad.parent} did better by 0." in left.reason
    assert left.metrics["probation_gain_nats"] < -0.1
