"""The benchmarks measure what they say, on a small scale."""

from __future__ import annotations

import pytest

from benchmarks import processor
from benchmarks.world import messages


def test_messages_are_the_same_each_time() -> None:
    assert messages(50, users=10, items=150) == messages(50, users=10, items=150)


@pytest.mark.slow
def test_processor_measures_every_event_after_the_warm_up() -> None:
    figures = processor.run(events=1_000, users=50, items=200, batch=20)
    assert 900 <= figures["events"] <= 1_000
    assert 0 < figures["recommendations"] <= figures["events"]
    assert figures["seconds_per_event"] * figures["events_per_second"] == pytest.approx(1.0)
    assert 0 < figures["hit_rate_at_20"] < 1
    assert figures["state_bytes_p50"] <= figures["state_bytes_p99"] < 2_000
