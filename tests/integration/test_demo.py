"""The whole demonstration on the in-process broker, as a user starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from streamproc.brokers.kafka import KafkaBroker

pytestmark = [pytest.mark.embedded, pytest.mark.slow, pytest.mark.timeout(600)]


def start(*flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "streamproc", "demo", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes_of(process_id: int) -> list[int]:
    """Ids of the running children of a process (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == process_id:
                found.append(int(entry.name))
    return found


def test_every_event_is_answered_measured_and_told(tmp_path: Path) -> None:
    process = start("--headless", "--events", "2000", "--summary", str(tmp_path / "out.json"))
    told, log = process.communicate(timeout=500)
    assert process.returncode == 0, log
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["events_in"] == 2_000
    assert 500 < found["recommendations_out"] <= 2_000  # at most one for each event, one per user and micro-batch
    assert 100 < found["users"] <= 520
    assert found["hit_rate_at_20"] > found["baseline_popularity_hit_rate_at_20"] > 0
    assert found["hit_rate_at_20"] > found["unadapted_hit_rate_at_20"]
    assert 0 < found["mrr_at_20"] < found["hit_rate_at_20"]
    assert found["versions_promoted"] + found["versions_rejected"] > 0
    assert found["dead_letters"] == 0
    assert 0 < found["event_to_recommendation_p50_seconds"] <= found["event_to_recommendation_p99_seconds"]
    assert 0 < 2_000 / found["events_per_second"] < found["wall_seconds"]
    assert "2,000 events of" in told
    assert "drift at event 1,000" in told
    assert "delivery at least once" in log


def test_ctrl_c_ends_it_cleanly_with_its_children(tmp_path: Path) -> None:
    process = start("--summary", str(tmp_path / "out.json"))
    try:
        assert process.stderr is not None
        log = ""
        while "recommendations" not in log:
            line = process.stderr.readline()
            assert line, f"it ended early: {log}"
            log += line
        children = processes_of(process.pid)
        assert len(children) == 2
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert re.search(r"[\d,]+ events of", told)
    assert json.loads((tmp_path / "out.json").read_text())["events_in"] > 0
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_closing_the_terminal_ends_it_with_its_children(tmp_path: Path) -> None:
    demo = [sys.executable, "-m", "streamproc", "demo", "--summary", str(tmp_path / "out.json")]
    terminal = subprocess.Popen(
        [sys.executable, "-c", f"import pty; pty.spawn({demo!r})"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert terminal.stdout is not None
        shown = ""
        while "recommendations" not in shown:
            drawn = os.read(terminal.stdout.fileno(), 10_000).decode(errors="replace")
            assert drawn, f"it ended early: {shown}"
            shown = (shown + drawn)[-100_000:]
        (running,) = processes_of(terminal.pid)
        ended = [running, *processes_of(running)]
        assert len(ended) == 3
    finally:
        terminal.kill()
        terminal.communicate()
    deadline = time.monotonic() + 30
    while left := [process for process in ended if Path(f"/proc/{process}").exists()]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.1)
    assert json.loads((tmp_path / "out.json").read_text())["wall_seconds"] > 0


def test_a_child_that_dies_ends_it_with_the_reason() -> None:
    process = start("--headless")
    try:
        deadline = time.monotonic() + 30
        while len(children := processes_of(process.pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(children[0], signal.SIGKILL)
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert log.strip().splitlines()[-1].startswith("Error: the worker was killed by signal 9")
    assert "Traceback" not in log


@pytest.mark.kafka
def test_on_a_real_kafka_it_works_exactly_once_on_topics_of_its_own(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    broker = kafka_broker.bootstrap_servers
    process = start(
        *("--headless", "--events", "600", "--bootstrap-servers", broker, "--summary", str(tmp_path / "out.json"))
    )
    told, log = process.communicate(timeout=500)
    assert process.returncode == 0, log
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["events_in"], found["dead_letters"]) == (600, 0)
    assert found["processing_guarantee"] == "exactly_once"
    assert found["hit_rate_at_20"] > found["baseline_popularity_hit_rate_at_20"]
    assert "delivery exactly once" in told
    names = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).topics
    assert sum(re.fullmatch(r"demo-[0-9a-f]{8}\.clicks", name) is not None for name in names) == 1
