"""Three worker processes on a real Kafka: how long after the command until all of them serve the old version."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

from aiokafka import AIOKafkaProducer

from models.base import initial_parameters
from schemas.knowledge import ModelUpdate
from schemas.record import encode
from streamproc import topics
from streamproc.artefacts import save
from streamproc.brokers.kafka import KafkaBroker
from streamproc.connection import aiokafka_options
from streamproc.demo.children import environment
from streamproc.settings import Settings
from streamproc.trainer.commands import roll_back
from streamproc.versions import POINTER_KEY, record_key

WORKERS = 3
TURNS = 5
_PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.01


def measure() -> dict[str, Any]:
    """Seconds, the median of five turns, from the call behind `streamproc models rollback` until all serve it."""
    with TemporaryDirectory(prefix="bench-learning-") as folder, KafkaBroker() as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers, data_dir=Path(folder), artefact_uri=folder)
        topics.create(settings)
        ports = _free_ports()
        workers = [_worker(settings, port, number) for number, port in enumerate(ports)]
        try:
            seconds = [asyncio.run(_turn(settings, ports, 2 * turn + 1)) for turn in range(TURNS)]
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()
    return {"rollback_seconds": median(seconds), "rollback_seconds_longest": max(seconds)}


async def _turn(settings: Settings, ports: list[int], version: int) -> float:
    """Have two versions served one after the other, and go back to the first."""
    for number in (version, version + 1):
        await publish(settings, number)
    _wait(lambda: _serving(ports) == {version + 1})
    began = time.perf_counter()
    await roll_back(settings, version)
    _wait(lambda: _serving(ports) == {version})
    return time.perf_counter() - began


async def publish(settings: Settings, number: int) -> None:
    """Have the workers serve a version of that number, which is as good as the built-in one."""
    uri, digest = save(replace(initial_parameters(), version=number, parent=number - 1), settings.artefacts)
    update = ModelUpdate(
        version=number,
        parent=number - 1,
        uri=uri,
        sha256=digest,
        verdict="promoted",
        reason="benchmark",
        created_ms=time.time_ns() // 1_000_000,
        kind="refresh",
        serving=True,
    )
    async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
        for key in (record_key(number), POINTER_KEY):
            await producer.send_and_wait(settings.topic("model-updates"), encode(update), key=key)


def _free_ports() -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(WORKERS)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _worker(settings: Settings, port: int, number: int) -> subprocess.Popen[bytes]:
    own = {"worker_http_port": port, "worker_id": f"worker-{number}", "data_dir": settings.data_dir / str(number)}
    changed = settings.model_copy(update=own | {"log_level": "WARNING"})
    return subprocess.Popen([sys.executable, "-m", "streamproc", "worker"], env=environment(changed))


def _serving(ports: list[int]) -> set[int | None]:
    """Versions that the workers' metrics name; None for one that does not answer yet."""
    return {_version_at(port) for port in ports}


def _version_at(port: int) -> int | None:
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            found = re.search(r"^streamproc_base_version (\S+)", answer.read().decode(), re.MULTILINE)
    except OSError:
        return None
    return int(float(found[1])) if found else None


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the workers do not follow the versions: look at their logs")
        time.sleep(_LOOK_SECONDS)
