"""The trainer on the in-process broker: examples and signals in, versions out."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import fsspec
import pytest

from schemas.knowledge import ItemStatsDelta
from schemas.outputs import DriftSignal
from schemas.record import decode
from streamproc.artefacts import load
from streamproc.engine.broadcast import Broadcast
from streamproc.errors import StreamprocError
from streamproc.settings import Settings
from streamproc.trainer import Trainer, training
from streamproc.versions import VersionLog
from tests.integration.trainer.support import (
    a_worker,
    drift_signal,
    examples,
    invoke,
    published,
    running,
    send,
    teach,
    traffic,
    trainable,
    until,
    until_metric,
)

pytestmark = pytest.mark.embedded


async def test_publishes_on_cadence_and_a_restart_learns_every_example_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "QUIET_SECONDS", 0.5)
    values = examples(800)
    async with running(settings), a_worker(settings):
        await teach(settings, [*values[:389], b"damaged"], 3)
    before = await published(settings)
    record = before.records[before.serving_version]
    assert before.records[3].metrics["gain_nats"] == pytest.approx(0.2)
    assert before.records[3].reason.startswith("better on 40 live events, gain +0.2000 nats over version 2; refresh")
    served = load(record.uri, record.sha256)
    assert (served.version, served.parent) == (record.version, record.parent)

    left = trainable(values) - record.metrics["examples"]
    async with running(settings), a_worker(settings):
        await send(settings, "training-examples", values[389:])
        after = await until(
            settings,
            lambda log: (
                log.serving_version > before.serving_version
                and log.records[log.serving_version].metrics["examples"] >= left
            ),
        )
    assert after.records[before.serving_version + 1].parent == before.serving_version
    assert after.records[after.serving_version].metrics["examples"] == left


async def test_a_command_makes_a_meta_update_and_evidence_does_not(settings: Settings) -> None:
    async with running(settings) as trainer, a_worker(settings):
        await teach(settings, examples(390), 3)
        await send(settings, "drift-signals", [drift_signal("evidence"), b"{}", drift_signal("trigger")])
        versions = await until(settings, lambda log: any(record.kind == "meta" for record in log.records.values()))
        async with aiohttp.ClientSession() as session:
            for page, said in (("healthz", "ok"), ("readyz", "ready"), ("metrics", "streamproc_versions_total")):
                async with session.get(f"http://127.0.0.1:{trainer.http.port}/{page}") as answer:
                    assert answer.status == 200
                    assert said in await answer.text()
    metas = [record for record in versions.records.values() if record.kind == "meta"]
    assert len(metas) == 1
    assert metas[0].reason.startswith("trigger relative_hit_rate (0.100 -> 0.200) from w")
    assert metas[0].metrics["meta_users"] == 40


async def test_a_loss_in_the_stream_of_all_workers_is_told_and_answered(settings: Settings) -> None:
    async with running(settings), a_worker(settings):
        await teach(settings, examples(390), 3)
        await send(settings, "training-examples", traffic(3_000, 0.8) + traffic(1_000, 0.2))
        versions = await until(settings, lambda log: any(record.kind == "meta" for record in log.records.values()))
        async with Broadcast(settings, [settings.topic("drift-signals")]) as signals:
            told = [(record.offset, decode(DriftSignal, record.value)) for record in await signals.catch_up()]
        async with Broadcast(settings, [settings.topic("item-stats")]) as stats:
            deltas = [decode(ItemStatsDelta, record.value) for record in await stats.catch_up()]
    ((offset, trigger),) = [pair for pair in told if pair[1].kind == "trigger"]
    assert trigger.worker == "trainer"
    assert trigger.after < trigger.before
    reason = next(record.reason for record in versions.records.values() if record.kind == "meta")
    assert reason.startswith(f"trigger {trigger.name} (")
    assert "from trainer" in reason
    ((source, kept),) = [((delta.source_topic, delta.offset_last), delta.kept) for delta in deltas]
    assert source == (settings.topic("drift-signals"), offset)
    assert kept == pytest.approx(max((trigger.after / (0.65 * trigger.before)) ** 6, 0.05))


async def test_what_meta_updates_spend_of_privacy_is_told_and_goes_on_after_a_restart(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "QUIET_SECONDS", 0.5)
    # One version is kept: those that spent it are forgotten, what they spent is not.
    settings = settings.model_copy(update={"privacy_noise_multiplier": 2.0, "keep_versions": 1})
    told = [0.0]
    for life in (1, 2):
        async with running(settings) as trainer, a_worker(settings, gain=-0.2):  # finds every candidate worse
            await until_metric(trainer, f"streamproc_privacy_epsilon {told[-1]!r}")
            await send(settings, "training-examples", examples(1_300, seed=life))
            async with asyncio.timeout(60):
                while _epsilon(await published(settings)) <= told[-1]:  # the first ones find too few examples
                    await send(settings, "drift-signals", [drift_signal("trigger")])
                    await asyncio.sleep(0.5)
        log = await published(settings)
        told.append(_epsilon(log))
    assert 0 < told[1] < told[2]
    assert len(log.records) <= 3
    listed = await asyncio.to_thread(invoke, settings, "models", "list")
    assert f"  {told[2]:.2f}  " in listed.output.splitlines()[-1]


def _epsilon(log: VersionLog) -> float:
    spent = log.privacy_spent()
    return spent.epsilon if spent else 0.0


async def test_without_live_traffic_the_time_out_decides(settings: Settings) -> None:
    quiet = settings.model_copy(update={"promotion_timeout_seconds": 1.0})
    async with running(quiet):
        await send(quiet, "training-examples", examples(480))
        versions = await until(quiet, lambda log: log.serving_version >= 2)
    assert versions.records[1].reason.startswith("the first version")
    assert versions.records[2].reason.startswith("0 live events in 1 s; held-out loss ")
    second = versions.records[2].metrics
    assert second["comparisons"] == 0
    assert second["held_out_loss_after"] < second["held_out_loss_before"]


async def test_rollback_by_command_is_followed_by_the_trainer(settings: Settings) -> None:
    values = examples(600)
    async with running(settings) as trainer, a_worker(settings):
        await teach(settings, values[:390], 3)
        result = await asyncio.to_thread(invoke, settings, "models", "rollback", "1")
        assert (result.exit_code, result.output) == (
            0,
            "version 1 serves: rolled back by command, version 3 served before\n",
        )
        await until_metric(trainer, "streamproc_published_version 1.0")
        await send(settings, "training-examples", values[390:])
        versions = await until(settings, lambda log: log.serving_version >= 4)
    assert versions.records[3].verdict == "rolled_back"
    assert versions.records[4].parent == 1
    listed = await asyncio.to_thread(invoke, settings, "models", "list")
    lines = [line.split() for line in listed.output.splitlines()]
    assert [line[0] for line in lines] == ["version", *(str(v) for v in range(len(lines) - 1))]
    assert lines[4][2:4] == ["refresh", "rolled_back"]


async def test_rollback_says_what_is_wrong_in_one_line(settings: Settings) -> None:
    nothing = await asyncio.to_thread(invoke, settings, "models", "rollback")
    assert nothing.exit_code == 2
    assert nothing.output == "Error: there is nothing to go back to from version 0: it is the built-in one\n"
    async with running(settings), a_worker(settings):
        await send(settings, "training-examples", examples(120))
        await until(settings, lambda log: log.serving_version == 1)
    unknown = await asyncio.to_thread(invoke, settings, "models", "rollback", "77")
    assert (unknown.exit_code, unknown.output.count("\n")) == (2, 1)
    assert "version 77 is not kept" in unknown.output
    back = await asyncio.to_thread(invoke, settings, "models", "rollback", "0")
    assert back.output.startswith("version 0 serves")
    assert (await published(settings)).serving_version == 0


@pytest.mark.parametrize("store", ["folder", "memory"])
async def test_a_damaged_artefact_in_service_is_named_and_a_rollback_mends_it(settings: Settings, store: str) -> None:
    if store == "memory":
        settings = settings.model_copy(update={"artefact_uri": f"memory://{settings.application_id}"})
    async with running(settings), a_worker(settings):
        await teach(settings, examples(260), 2)
    serving = (await published(settings)).serving_version
    artefacts, folder = fsspec.core.url_to_fs(settings.artefacts)
    (damaged,) = artefacts.glob(f"{folder}/base-{serving:08d}-*")
    artefacts.pipe_file(damaged, artefacts.cat_file(damaged)[:-5])
    with pytest.raises(StreamprocError, match=r"damaged.*`streamproc models rollback`"):
        await Trainer(settings).run()
    assert (await asyncio.to_thread(invoke, settings, "models", "rollback")).exit_code == 0
    async with running(settings) as trainer, a_worker(settings):
        await until_metric(trainer, f"streamproc_published_version {serving - 1}.0")


async def test_a_store_keeps_as_many_artefacts_as_it_is_told(settings: Settings) -> None:
    changes = {"artefact_uri": f"memory://{settings.application_id}", "keep_versions": 1}
    settings = settings.model_copy(update=changes)
    async with running(settings), a_worker(settings):
        await teach(settings, examples(600), 5)
        versions = await until(settings, lambda log: len(log.records) <= 3)
    kept = fsspec.filesystem("memory").ls(settings.application_id, detail=False)
    named = {record.uri.rpartition("/")[2] for record in versions.kept()}
    assert named <= {name.rpartition("/")[2] for name in kept}
    assert len(kept) <= 3


async def test_a_trainer_without_the_driver_of_its_store_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(StreamprocError, match=r"artefacts cannot lie at 's3://bucket'.*s3fs"):
        await Trainer(settings.model_copy(update={"artefact_uri": "s3://bucket"})).run()


def test_the_process_ends_cleanly_on_sigterm(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    keys = ("bootstrap_servers", "application_id", "processing_guarantee", "topic_prefix", "trainer_http_port")
    lines = [f"{key} = {getattr(settings, key)!r}".replace("'", '"') for key in keys]
    file.write_text("\n".join([*lines, f'data_dir = "{tmp_path}"']))
    command = [sys.executable, "-m", "streamproc", "trainer", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "trainer ready on version 0" in line:
                break
        process.send_signal(signal.SIGTERM)
        said += process.stderr.read()
        assert process.wait(30) == 0, said
    assert "Traceback" not in said


def test_a_broker_that_is_away_gets_one_clear_line() -> None:
    command = [sys.executable, "-m", "streamproc", "trainer", "--bootstrap-servers", "127.0.0.1:1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: cannot reach Kafka at 127.0.0.1:1")
    assert ended.stderr.count("\n") == 1
