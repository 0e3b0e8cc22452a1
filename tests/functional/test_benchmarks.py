"""The benchmarks measure what they say, on a small scale."""

from __future__ import annotations

import doctest
import json
import sys
import time
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest

from benchmarks import clicks, components, event_cost, job, latency, machine, page, ratios, served, shop
from benchmarks.job import Job, Meter
from benchmarks.shop import Shop, history, message
from models.interaction import EventType, Interaction
from schemas.knowledge import ItemStatsDelta
from schemas.record import decode


@pytest.mark.parametrize("module", [clicks, event_cost, job, latency, machine, page, ratios, served, shop])
def test_examples_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_the_shop_is_the_same_each_time_and_goes_on_after_its_history() -> None:
    source = Shop(50, 200)
    events = list(islice(source.events(), 1_200))
    assert list(islice(source.events(), 1_200)) == events
    assert len({event.timestamp_ms for event in events}) == len(events)  # answers are told apart by it
    stream = source.events()
    deltas = [decode(ItemStatsDelta, value, max_bytes=1_000_000) for value in history(stream, 700)]
    assert [item for delta in deltas for item in delta.interactions.item_id] == [
        event.item_id for event in events[:700]
    ]
    assert next(stream) == events[700]


def test_a_file_takes_the_place_of_the_simulated_shop(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("timestamp_ms,user_id,item_id,event_type\n1700000000000,u1,i1,purchase\n")
    (event,) = Shop(1, 100, file).events()
    assert message(event)[:2] == ("purchases", b"u1")
    assert list(Shop(1, 100, file).catalogue()) == []


def test_a_page_is_filled_again_from_a_run_even_where_a_system_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"events_per_second": 100.0, "cpu_seconds_per_1k": 0.5, "rss_mb": 80.0, "load": 1.0}
    waited = {"p50_ms": 7.0, "p99_ms": 21.0}
    rows = [
        {"system": "streamproc", "workload": "parse", **row},
        {"system": "quix", "workload": "parse", **dict.fromkeys(row), "problem": "not installed: no network"},
        {"system": "streamproc", "workload": "recommend-lone", **row, "uncommitted": waited, "committed": waited},
        {"system": "streamproc", "workload": "components", **row, "us_per_event": {"rank": 300.0, "decode": 10.0}},
        {"system": "streamproc", "workload": "components-items-1000", **row},
    ]
    run, text = tmp_path / "run.json", tmp_path / "performance.md"
    run.write_text(json.dumps({"rows": rows, "ratios": ratios.ratios(rows)}))
    text.write_text("before\n<!-- benchmarks -->\nold\n<!-- end benchmarks -->\nafter\n")
    monkeypatch.setattr(page, "DOCS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["page", str(run)])
    page.main()
    filled = text.read_text()
    page.main()
    assert text.read_text() == filled
    assert "| parse | quix | not installed: no network |" in filled
    assert "| recommend-lone | 7 | 21 | 7 | 21 |" in filled
    assert filled.startswith("before\n")
    assert filled.endswith("after\n")
    assert "old" not in filled
    drawn = {file.name for file in tmp_path.glob("*.svg")}
    assert drawn == {"performance-systems.svg", "performance-components.svg", "performance-items.svg"}
    assert all(f"]({name})" in filled for name in drawn)


@pytest.mark.parametrize("seconds", [60.0, 0.05])
def test_a_meter_stops_with_the_records_or_with_the_time(seconds: float) -> None:
    meter = Meter(Job("parse", "memory", "", "", "", "", "", 4, "", 1_000, seconds, -1))
    assert not meter.add(50)
    assert not meter.add(50)  # the clock starts: a tenth was for warming up
    assert not meter.add(800)
    time.sleep(0.06)
    assert meter.add(1) == (seconds < 60)
    assert meter.add(99)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "rocksdb"])
def test_components_measure_every_event_after_the_warm_up(kind: Literal["memory", "rocksdb"]) -> None:
    row = components.run(Shop(50, 200), known=500, events=4_000, kind=kind)
    assert 3_700 <= row["events"] <= 4_300
    parts = row["us_per_event"]
    assert sum(parts.values()) == pytest.approx(1_000 * row["cpu_seconds_per_1k"])
    assert {"decode", "state", "retrieve", "rank", "adapt", "encode"} <= set(parts)


@pytest.mark.slow
def test_the_parts_of_an_event_are_all_of_it() -> None:
    rows = [
        Interaction(n % 40, f"i{n * n % 90}", EventType.CLICK, 1_700_000_000_000 + 60_000 * n, f"c{n % 5}", 1.0)
        for n in range(10_000)
    ]
    cost = event_cost.measure(rows)
    whole = cost.pop(event_cost.TOTAL)
    assert sum(cost.values()) == pytest.approx(whole)
    assert {"retrieve", "rank", "adapt", "learn"} <= set(cost)
