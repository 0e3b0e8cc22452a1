"""Bring the containers up, wait until recommendations flow, look at every part, take them down: `make compose-test`.

Ports on the host are free ones and the project has a name of its own, so that a running stack is not disturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer

from schemas.outputs import Recommendation
from schemas.record import decode

ROOT = Path(__file__).parents[2]
WORKERS = 2
UP_SECONDS = 300.0
FLOW_SECONDS = 180.0


class StackError(Exception):
    """What the stack did not do."""


def compose_command() -> list[str]:
    """Return `docker compose`, or the older `docker-compose`."""
    if (
        shutil.which("docker")
        and not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise StackError("neither `docker compose` nor `docker-compose` is here")


def free_ports(count: int) -> list[int]:
    """Return ports on 127.0.0.1 that nobody uses; held together while being picked, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def fetch(url: str) -> Any:
    """Return the JSON at `url`, or None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def query(prometheus: str, expression: str) -> float:
    """Return the value of an expression that yields one number; 0 where it yields none."""
    answer = fetch(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    result = answer["data"]["result"] if answer else []
    return float(result[0]["value"][1]) if result else 0.0


def wait_for(what: str, seconds: float, condition: Callable[[], bool]) -> float:
    """Return the seconds until `condition` held; raises StackError when it does not in time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(1.0)
    raise StackError(f"{what}: not within {seconds:.0f} s")


def read_recommendation(bootstrap_servers: str) -> Recommendation:
    """Return one committed recommendation, read from the host as any program would."""
    options = {"bootstrap.servers": bootstrap_servers, "group.id": "compose-test", "auto.offset.reset": "earliest"}
    consumer = Consumer({**options, "isolation.level": "read_committed", "log_level": 0})
    try:
        consumer.subscribe(["recommendations"])
        records = consumer.consume(1, timeout=60)
        if not records:
            raise StackError("no recommendation can be read from the host")
        return decode(Recommendation, records[0].value(), max_bytes=1_000_000)
    finally:
        consumer.close()


def look_at_everything(kafka: str, prometheus: str, grafana: str) -> str:
    """Return a line of figures; raises StackError at the first part that does not do its work."""
    up = wait_for(
        f"{WORKERS} workers and one trainer scraped by Prometheus",
        UP_SECONDS,
        lambda: (
            query(prometheus, 'sum(up{job="worker"})') == WORKERS and query(prometheus, 'sum(up{job="trainer"})') == 1
        ),
    )
    flow = wait_for(
        "recommendations by every worker",
        FLOW_SECONDS,
        lambda: query(prometheus, "count(streamproc_recommendations_total > 0)") == WORKERS,
    )
    wait_for(
        "the trainer learns", FLOW_SECONDS, lambda: query(prometheus, "sum(streamproc_trainer_examples_total)") > 0
    )
    wait_for("a base version published", FLOW_SECONDS, lambda: query(prometheus, "max(streamproc_base_version)") > 0)
    one = read_recommendation(kafka)
    rules = fetch(f"{prometheus}/api/v1/rules")
    unhealthy = [
        rule["name"] for group in rules["data"]["groups"] for rule in group["rules"] if rule["health"] == "err"
    ]
    if unhealthy:
        raise StackError(f"rules that fail: {', '.join(unhealthy)}")
    wait_for("Grafana", 60.0, lambda: fetch(f"{grafana}/api/health") is not None)
    events = query(prometheus, "sum(streamproc_events_total)")
    lists = query(prometheus, "sum(streamproc_recommendations_total)")
    return (
        f"scraped after {up:.0f} s, recommendations {flow:.0f} s later: {events:.0f} events, {lists:.0f} lists "
        f"by {WORKERS} workers, the first of {len(one.items)} items"
    )


def main() -> int:
    """Return 0 when every part did its work, else 1 after the logs and the reason."""
    kafka, prometheus, grafana = free_ports(3)
    ports = {"KAFKA_PORT": str(kafka), "PROMETHEUS_PORT": str(prometheus), "GRAFANA_PORT": str(grafana)}
    environ = {**os.environ, **ports}
    try:
        compose = [*compose_command(), "--project-name", f"streamproc-test-{os.getpid()}"]
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    def run(*words: str) -> int:
        return subprocess.run([*compose, *words], cwd=ROOT, env=environ, check=False).returncode

    code = 1
    try:
        if run("up", "--build", "--detach", "--scale", f"worker={WORKERS}") != 0:
            raise StackError("the stack did not come up")
        hosts = (f"127.0.0.1:{kafka}", f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{grafana}")
        print(look_at_everything(*hosts))
        code = 0
    except StackError as error:
        run("ps")
        run("logs", "--tail", "60")
        print(f"error: {error}", file=sys.stderr)
    finally:
        run("down", "--volumes", "--timeout", "20")
    return code


if __name__ == "__main__":
    sys.exit(main())
