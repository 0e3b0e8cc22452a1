"""The dashboard, the rules and the compose file speak of metrics, services and files that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from streamproc.metrics import TrainerMetrics, WorkerMetrics

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "monitoring" / "rules.yml").read_text())
DASHBOARD = json.loads((ROOT / "monitoring" / "grafana" / "dashboards" / "streamproc.json").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def exported() -> set[str]:
    """Return every sample name that our processes can show, and what Prometheus and our rules add."""
    names = {"up"} | {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
    for bundle in (WorkerMetrics, TrainerMetrics):
        registry = CollectorRegistry()
        metrics = bundle(registry)
        if isinstance(metrics, WorkerMetrics):
            metrics.watch(users=lambda: 0, items=lambda: 0)
        for family in registry.collect():
            names.add(family.name)
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [])
            names |= {family.name + suffix for suffix in suffixes}
    return names


def metric_names(expression: str) -> set[str]:
    without_labels = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(?:by|on|without) *\([^)]*\)", "", expression)
    return set(re.findall(r"\b(?:streamproc_|streamproc:|process_|up\b)[a-z0-9_:]*", without_labels))


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"]
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield f"rule {rule.get('record') or rule['alert']}", rule["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_named_exists(where: str, expression: str) -> None:
    named = metric_names(expression)
    assert named, where
    assert named <= exported()


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = {
        name for panel in DASHBOARD["panels"] for t in panel.get("targets", []) for name in metric_names(t["expr"])
    }
    recorded = {name for group in RULES["groups"] for rule in group["rules"] for name in metric_names(rule["expr"])}
    base = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in shown | recorded}
    registries: list[Any] = []
    for bundle in (WorkerMetrics, TrainerMetrics):
        registries.append(registry := CollectorRegistry())
        bundle(registry)
    ours = {family.name for registry in registries for family in registry.collect()}
    left_out = {"streamproc_base_swaps", "streamproc_publish_seconds"}  # the version line shows both
    assert {name for name in ours if name.startswith("streamproc_")} - base == left_out


def test_every_alert_has_a_test() -> None:
    tests = yaml.safe_load((ROOT / "monitoring" / "rules_test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if case["exp_alerts"]}
    assert fired == {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}


def test_panels_do_not_overlap_and_share_no_id() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_prometheus_asks_services_that_exist() -> None:
    scrapes = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    for scrape in scrapes:
        (config,) = scrape["dns_sd_configs"]
        for name in config["names"]:
            assert str(config["port"]) in COMPOSE["services"][name]["expose"]


def test_compose_pins_images_checks_health_and_mounts_what_exists() -> None:
    one_shot = {"topics", "simulator"}
    for name, service in COMPOSE["services"].items():
        image, _, tag = service["image"].partition(":")
        assert image
        assert re.match(r"v?\d", tag), f"{name} has no pinned tag"
        assert name in one_shot or "healthcheck" in service
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists(), f"{name} mounts {source}"
        # A fixed host port would keep a second copy from starting; workers must scale.
        assert name not in {"worker", "trainer"} or "ports" not in service
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), f"{name} is open to the network"
