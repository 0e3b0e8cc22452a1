"""The numbers of a run, and its story."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from streamproc.demo.observations import Observations
from streamproc.demo.quality import Arm, Course

WINDOW = 2_000  # events over which the story tells a hit rate
_DIP = 1_000  # events after a change over which it tells the damage


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run measured. Seconds are wall time; rates and ranks are means over all scored events.

    `hit_rate_at_20` and `mrr_at_20` are of the lists really shown, `fresh_hit_rate_at_20` of those that a request just
    before each event would have got; the baselines are scored on the same events.

    A value is None where nothing was measured, as the latency of a run that was stopped before its first answer.
    """

    events_in: int
    recommendations_out: int
    users: int
    hit_rate_at_20: float | None
    mrr_at_20: float | None
    fresh_hit_rate_at_20: float | None
    baseline_popularity_hit_rate_at_20: float | None
    unadapted_hit_rate_at_20: float | None
    drift_signals: int
    drift_triggers: int
    meta_updates: int
    versions_promoted: int
    versions_rejected: int
    dead_letters: int
    events_per_second: float
    event_to_recommendation_p50_seconds: float | None
    event_to_recommendation_p99_seconds: float | None
    wall_seconds: float
    processing_guarantee: str

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def summarise(
    seen: Observations, course: Course, *, meta_updates: int, flow_seconds: float, wall_seconds: float, guarantee: str
) -> Summary:
    """Put the measurements together.

    Parameters
    ----------
    flow_seconds : float
        From the first event to the last answer.
    wall_seconds : float
        The whole run with the start of the processes.
    """
    last = course.last

    def rounded(value: float | None, digits: int) -> float | None:
        return None if value is None else round(value, digits)

    def hit_rate(arm: Arm) -> float | None:
        return rounded(last.hit_rate(arm), 4) if last else None

    return Summary(
        events_in=seen.events,
        recommendations_out=seen.recommendations,
        users=len(seen.users),
        hit_rate_at_20=hit_rate("shown"),
        mrr_at_20=rounded(last.mrr("shown"), 4) if last else None,
        fresh_hit_rate_at_20=hit_rate("model"),
        baseline_popularity_hit_rate_at_20=hit_rate("popularity"),
        unadapted_hit_rate_at_20=hit_rate("unadapted"),
        drift_signals=len(seen.alarms),
        drift_triggers=len(seen.triggers),
        meta_updates=meta_updates,
        versions_promoted=seen.count("promoted"),
        versions_rejected=seen.count("rejected"),
        dead_letters=seen.dead_letters,
        events_per_second=round(seen.events / flow_seconds, 1) if flow_seconds > 0 else 0.0,
        event_to_recommendation_p50_seconds=rounded(seen.backlog.quantile(0.5), 6),
        event_to_recommendation_p99_seconds=rounded(seen.backlog.quantile(0.99), 6),
        wall_seconds=round(wall_seconds, 3),
        processing_guarantee=guarantee,
    )


def story(seen: Observations, course: Course, drifts: list[int], summary: Summary) -> list[str]:
    """Tell what happened, a line for each thing."""
    p50, p99 = summary.event_to_recommendation_p50_seconds, summary.event_to_recommendation_p99_seconds
    lines = [
        f"{summary.events_in:,} events of {summary.users:,} users became {summary.recommendations_out:,}"
        f" recommendations at {summary.events_per_second:,.0f} events/s, delivery"
        f" {summary.processing_guarantee.replace('_', ' ')}",
        f"from an event to the recommendation that rests on it: {_ms(p50)} (p50), {_ms(p99)} (p99)",
        f"hit rate @20: shown {_rate(summary.hit_rate_at_20)}, un-adapted {_rate(summary.unadapted_hit_rate_at_20)},"
        f" popularity {_rate(summary.baseline_popularity_hit_rate_at_20)}",
    ]
    for number, drift in enumerate(drifts):
        until = drifts[number + 1] if number + 1 < len(drifts) else summary.events_in
        lines.append(_drift_line(seen, course, drift, until))
    if not drifts and seen.triggers:
        lines.append(f"{_count(len(seen.triggers), 'drift alarm')}, though the simulated habits did not change at once")
    metas = [update for update in seen.versions.values() if update.kind == "meta"]
    if summary.meta_updates:
        told = ", ".join(f"version {update.version} {update.verdict.replace('_', ' ')}" for update in metas)
        lines.append(_count(summary.meta_updates, "meta-update") + (f": {told}" if told else ""))
    lines.append(
        f"{summary.versions_promoted} versions of the base model promoted, {summary.versions_rejected} rejected"
    )
    if unanswered := seen.backlog.waiting:
        were = "was" if unanswered == 1 else "were"
        lines.append(f"{_count(unanswered, 'event')} {were} followed by no recommendation that rests on it")
    if summary.dead_letters:
        lines.append(f"{_count(summary.dead_letters, 'record')} went to the dead letters")
    return lines


def _drift_line(seen: Observations, course: Course, drift: int, until: int) -> str:
    noticed = next((alarm.event for alarm in seen.triggers if drift <= alarm.event < until + WINDOW), None)
    meta = [
        (event, version)
        for version, event in seen.went_live.items()
        if event >= drift and version in seen.versions and seen.versions[version].kind == "meta"
    ]
    parts = [f"drift at event {drift:,}"]
    parts[0] += f" noticed at {noticed:,}" if noticed is not None else " not noticed"
    if meta:
        event, version = min(meta)
        parts.append(f"version {version} (meta-update) promoted at {event:,}")
    before = course.hit_rate("shown", max(0, drift - WINDOW), drift)
    after = course.hit_rate("shown", drift, min(drift + _DIP, until))
    late = course.hit_rate("shown", max(drift + _DIP, until - WINDOW), until) if until > drift + _DIP else None
    parts.append("hit rate " + " -> ".join(_rate(rate) for rate in (before, after, late)))
    return "; ".join(parts)


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.2f}".lstrip("0") if rate < 1 else "1.00"


def _ms(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds * 1_000:.0f} ms"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
