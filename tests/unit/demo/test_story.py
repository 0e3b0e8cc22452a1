"""The summary and the story tell what was observed, and the view shows it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from schemas.knowledge import ModelUpdate
from schemas.outputs import DriftSignal, Reason, Recommendation, RecommendedItem
from schemas.record import encode
from streamproc.demo import view
from streamproc.demo.backlog import Place
from streamproc.demo.observations import Observations
from streamproc.demo.quality import ARMS, Course, Reading
from streamproc.demo.summary import story, summarise
from streamproc.simulator import World, WorldConfig
from streamproc.simulator.records import ShownList

NOW_MS = 1_700_000_000_000


def record(
    value: bytes | None, key: bytes | None = None, headers: tuple[tuple[str, bytes], ...] = ()
) -> SimpleNamespace:
    return SimpleNamespace(value=value, key=key, headers=headers)


def update(version: int, verdict: str, kind: str, key: str) -> SimpleNamespace:
    fields = {"version": version, "uri": "file:///x", "sha256": "0" * 64, "verdict": verdict, "reason": "better"}
    made = ModelUpdate.model_validate({**fields, "created_ms": NOW_MS, "kind": kind, "serving": key == "base"})
    return record(encode(made), key.encode())


def course(*readings: tuple[int, float, float]) -> Course:
    found = Course()
    for processed, model, popularity in readings:
        hits = dict.fromkeys(ARMS, 0.0) | {"shown": model, "popularity": popularity}
        found.add(Reading(processed, 0, dict.fromkeys(ARMS, float(processed)), hits, hits, 5))
    return found


@pytest.fixture
def seen() -> Observations:
    """A run of 6,000 events with a change at 3,000, noticed at 3,400 and answered by version 5."""
    shown: list[ShownList] = []
    found = Observations(on_list=shown.append)
    world = World(WorldConfig(users=50, items=120, categories=4), 1)
    for offset in range(6_000):
        event = world.step()
        found.sent(event, Place("clicks", 0, offset), timestamp_ms=offset, at=float(offset))
        if offset == 3_399:
            signal = DriftSignal(
                name="paired", timestamp_ms=NOW_MS, detector="ADWIN", worker="w", kind="trigger",
                before=-0.3, after=0.1, window=400,
            )  # fmt: skip
            found.record("drift-signals", record(encode(signal)), now=offset)
        if offset == 3_599:
            found.record("model-updates", update(5, "promoted", "meta", "base@5"), now=offset)
            found.record("model-updates", update(5, "promoted", "meta", "base"), now=offset)
        answer = Recommendation(
            id=f"clicks-0-{offset}", user_id=event.user_id, timestamp_ms=NOW_MS, model_version=3,
            items=[RecommendedItem("item-00003", 1.0, [Reason("pair", 0.5, "often taken next")])],
            source_topic="clicks", source_partition=0, source_offset=offset,
        )  # fmt: skip
        found.record("recommendations", record(encode(answer)), now=offset + 0.25)
    assert len(shown) == 6_000
    return found


COURSE = course((1_000, 400, 100), (3_000, 1_200, 300), (4_000, 1_450, 400), (6_000, 2_250, 600))


def test_the_summary_is_what_was_measured(seen: Observations, tmp_path: Path) -> None:
    for version, verdict in ((1, "promoted"), (2, "rejected"), (3, "promoted"), (3, "rolled_back")):
        seen.record("model-updates", update(version, verdict, "refresh", f"base@{version}"), now=7_000)
    seen.record("model-updates", update(0, "promoted", "initial", "base@0"), now=7_000)
    seen.record("dead-letters", record(b"?", headers=(("error_kind", b"not_json"),)), now=7_001)
    found = summarise(seen, COURSE, meta_updates=1, flow_seconds=3.0, wall_seconds=9.0, guarantee="at_least_once")
    found.write(tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    assert written == {
        "events_in": 6_000,
        "recommendations_out": 6_000,
        "users": len(seen.users),
        "hit_rate_at_20": 0.375,
        "mrr_at_20": 0.375,
        "fresh_hit_rate_at_20": 0.0,
        "baseline_popularity_hit_rate_at_20": 0.1,
        "unadapted_hit_rate_at_20": 0.0,
        "drift_signals": 1,
        "drift_triggers": 1,
        "meta_updates": 1,
        "versions_promoted": 2,
        "versions_rejected": 1,
        "dead_letters": 1,
        "events_per_second": 2000.0,
        "event_to_recommendation_p50_seconds": 0.25,
        "event_to_recommendation_p99_seconds": 0.25,
        "wall_seconds": 9.0,
        "processing_guarantee": "at_least_once",
    }


def test_the_story_names_the_change_its_notice_the_version_and_the_effect(seen: Observations) -> None:
    found = summarise(seen, COURSE, meta_updates=1, flow_seconds=3, wall_seconds=9, guarantee="at_least_once")
    told = story(seen, COURSE, [3_000], found)
    assert any(
        "drift at event 3,000 noticed at 3,400; version 5 (meta-update) promoted at 3,600; hit rate .40 -> .25 -> .40"
        in line
        for line in told
    ), told
    assert "at least once" in told[0]
    assert "250 ms (p50)" in told[1]


def test_a_change_that_nobody_noticed_is_admitted(seen: Observations) -> None:
    seen.alarms.clear()
    found = summarise(seen, COURSE, meta_updates=0, flow_seconds=3, wall_seconds=9, guarantee="exactly_once")
    assert any("drift at event 3,000 not noticed" in line for line in story(seen, COURSE, [3_000], found))


def test_events_that_no_list_rests_on_are_admitted(seen: Observations) -> None:
    event = World(WorldConfig(users=50, items=120, categories=4), 1).step()
    seen.sent(event, Place("purchases", 0, 0), timestamp_ms=9_000, at=9_000.0)
    found = summarise(seen, COURSE, meta_updates=0, flow_seconds=3, wall_seconds=9, guarantee="exactly_once")
    assert any(line.startswith("1 event was followed by no recommendation") for line in story(seen, COURSE, [], found))


def test_nothing_measured_is_told_as_unknown(tmp_path: Path) -> None:
    empty = Observations(on_list=lambda shown: None)
    found = summarise(empty, Course(), meta_updates=0, flow_seconds=0, wall_seconds=1, guarantee="exactly_once")
    assert found.hit_rate_at_20 is None
    assert "unknown" in story(empty, Course(), [], found)[1]


def test_the_view_shows_rates_reasons_and_news(seen: Observations) -> None:
    shown = view.lines(seen, COURSE, rate=1_234.0, title=lambda item: f"<{item}>", header="head", goal=None)
    text = "\n".join(shown)
    assert shown[0] == "head"
    assert "events in 6,000 (1,234/s)" in text
    assert "  shown       40%  ████████████" in text
    assert "1. <item-00003>" in text
    assert "often taken next" in text
    assert "drift alarm: paired -0.3 -> 0.1 (ADWIN)" in text
    assert "version 5 promoted; meta: better" in text
    assert "hit rate @20 of the last 2,000: shown  40%" in view.status(seen, COURSE, 10.0)


def test_an_unreadable_record_is_news_and_nothing_more(seen: Observations) -> None:
    seen.record("drift-signals", record(b"{}"), now=1.0)
    assert "unreadable record on drift-signals" in seen.news[-1][1]
    assert len(seen.alarms) == 1


def test_the_screen_draws_over_what_it_drew() -> None:
    stream = io.StringIO()
    screen = view.Screen(stream)
    screen.draw(["one", "two"])
    screen.draw(["x" * 500])
    first, second = stream.getvalue().split("\x1b[2F")
    assert first == "one\x1b[K\ntwo\x1b[K\n\x1b[J"
    assert second.startswith("xxx")
    assert len(second) < 500
