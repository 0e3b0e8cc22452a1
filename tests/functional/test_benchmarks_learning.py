"""The learning benchmark measures what it says, on a small scale."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.learning import harm, loop, outcomes, recovery, splices, swaps, swaps_under_load
from benchmarks.learning.__main__ import main
from benchmarks.learning.outcomes import SHOPS, World, triggers
from benchmarks.learning.recovery_page import chart
from models.drift import Alarm
from models.evaluation import trainer
from models.trigger import Trigger
from schemas.knowledge import ModelUpdate
from streamproc.worker.evidence import EVENTS


@pytest.mark.parametrize("module", [outcomes, recovery, swaps_under_load])
def test_examples_hold(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_a_large_loss_is_noticed_as_soon_with_four_workers_and_nothing_in_a_calm_world() -> None:
    lost = World(SHOPS["bare"], loss=0.5, change_at=3_000)
    (alone, *_), (shared, *_) = (list(triggers(lost, 9_000, seed=3, workers=workers)) for workers in (1, 4))
    assert 3_000 < alone < 4_000
    assert shared - 3_000 < 1.5 * (alone - 3_000)
    assert not list(triggers(World(SHOPS["bare"], season=0.05), 9_000, seed=3))


def test_alarms_missed_alarms_and_early_ones_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scripted(Trigger):
        """Raised at these events of the merged stream."""

        at: ClassVar = {100, 1_300}

        def update(self, promise: float, model_hit: bool, baseline_hit: bool) -> Alarm | None:
            self.events += 1
            return Alarm("scripted", "trigger", "none", 0.0, 0.0, 1) if self.events in self.at else None

    monkeypatch.setattr(outcomes, "Trigger", Scripted)
    monkeypatch.setattr(outcomes, "CALM_EVENTS", 1_000)
    monkeypatch.setattr(outcomes, "SEEDS", 3)
    found = outcomes.sudden(SHOPS["bare"], 0.1, workers=1)
    assert found == {"delay_median_events": 299, "missed": 0, "seeds": 3, "false_alarms_before": 3}
    shared = outcomes.sudden(SHOPS["bare"], 0.1, workers=4)
    assert 299 <= shared["delay_median_events"] < 299 + 4 * EVENTS
    monkeypatch.setattr(Scripted, "at", {100})
    missed = outcomes.sudden(SHOPS["bare"], 0.1, workers=1)
    assert missed == {"delay_median_events": None, "missed": 3, "seeds": 3, "false_alarms_before": 3}
    monkeypatch.setattr(Scripted, "at", {100, 1_300})
    assert outcomes.seasonal(SHOPS["bare"], 2_000)["seasonal_alarms_per_million"] == pytest.approx(1_000)


def test_a_splice_is_measured_on_every_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    rows = [f"{1_700_000_000_000 + n * 60_000},u{n % 9},i{n * n % 23},click,," for n in range(400)]
    path.write_text("timestamp_ms,user_id,item_id,event_type,category,price\n" + "\n".join(rows) + "\n")
    figures = splices.measure([path], quick=True)
    served, online = (figures["files"]["shop.csv"][name] for name in ("served", splices.ONLINE))
    assert figures["splice_mrr_change_vs_online"]["shop.csv"] == served["after_splice"] / online["after_splice"] - 1
    assert figures["calm_mrr_change_vs_online"]["shop.csv"] == served["before_splice"] / online["before_splice"] - 1


def test_swaps_between_equals_and_a_harmful_version_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swaps, "LEARNED", 600)
    monkeypatch.setattr(swaps, "BETWEEN", 50)
    monkeypatch.setattr(swaps, "QUICK_SWAPS", 4)
    monkeypatch.setattr(harm, "MOST", 400)
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(main, ["--quick", "--part", "swaps", "--part", "harm", "--json", str(file)])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    assert figures["swaps"] == 4
    assert abs(figures["swap_hit_rate_loss"]) < 0.2
    assert min(figures["kept_hit_rates"]) > 0
    assert 0 < figures["harmful_rollback_events"] <= 400
    assert "harmful_rollback_events" in result.output


def hits_at(rates: list[float]) -> np.ndarray:
    """Outcomes whose blocks of 500 have these hit rates."""
    return np.concatenate([np.arange(recovery.BLOCK) < rate * recovery.BLOCK for rate in rates])


def test_recovery_is_counted_from_the_new_version_to_the_first_block_as_good_as_nine_tenths() -> None:
    attainable = hits_at([0.8, 0.5, 0.8, 0.8])
    assert recovery.recovery(hits_at([0.2, 0.4, 0.72, 0.8]), attainable, since=0) == 1_500
    assert recovery.recovery(hits_at([0.2, 0.45, 0.5, 0.8]), attainable, since=0) == 1_000
    assert recovery.recovery(hits_at([0.2, 0.4, 0.72, 0.8]), attainable, since=1_000) == 500
    assert recovery.recovery(hits_at([0.7, 0.4, 0.7, 0.71]), attainable, since=500) is None
    assert recovery.recovery(attainable, attainable, since=None) is None


def test_the_course_after_a_change_is_followed_for_every_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scripted(Trigger):
        """Raised 70 events after the change."""

        def update(self, promise: float, model_hit: bool, baseline_hit: bool) -> Alarm | None:
            self.events += 1
            return Alarm("scripted", "trigger", "none", 0.0, 0.0, 1) if self.events == 371 else None

    for name, size in {"USERS": 30, "CHANGE_AT": 300, "AFTER": 400, "BLOCK": 100, "QUICK_SEEDS": 1}.items():
        monkeypatch.setattr(recovery, name, size)
    monkeypatch.setattr(trainer, "Trigger", Scripted)
    figures = recovery.measure(quick=True)
    for name, arm in figures["recovery"]["arms"].items():
        assert len(arm["curve"]) == len(figures["recovery"]["attainable"]) == 4
        assert arm["alarm_event"]["median"] == arm["served_event"]["median"] == 70
        assert figures["recovery_events"][name] in (100, 200, 300, None)
    assert figures["recovery_events_of_the_base"][recovery.NEW_BASE] == 100
    assert "new version" in chart(figures["recovery"])


START = 1_700_000_000.0


def update(version: int, created: float, verdict: str, kind: str = "refresh") -> ModelUpdate:
    fields = {"version": version, "created_ms": int(1000 * created), "verdict": verdict, "kind": kind}
    return ModelUpdate.model_validate(fields | {"uri": "v", "sha256": "0" * 64, "reason": "test", "serving": False})


def test_the_loop_ends_with_a_list_of_what_was_begun_after_the_alarm_and_proven() -> None:
    triggers_at = [START, START + 10, START + 20]  # the first is of something else, before the change
    updates = [
        (START + 11, update(4, START + 9, "promoted")),  # begun before the alarm
        (START + 12, update(5, START + 11, "candidate", "meta")),
        (START + 13, update(5, START + 11, "rejected", "meta")),
        (START + 14, update(6, START + 13, "promoted")),
    ]
    answers = [(START + 11.5, 4), (START + 13.5, 5), (START + 14.5, 6)]
    found = loop.course(START + 5, loop.Written(triggers_at, updates, answers))
    assert found == {"alarm_seconds": 5, "loop_seconds": 4.5, "meta_verdict_seconds": 3, "meta_promoted": False}
    assert set(loop.course(START + 30, loop.Written(triggers_at, updates, answers)).values()) == {None}
    unproven = loop.course(START + 5, loop.Written(triggers_at, updates[:2], answers[:2]))
    assert (unproven["loop_seconds"], unproven["meta_verdict_seconds"]) == (None, None)
