"""From traces to figures: everything that the summary, the table and the report page show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import BlockBootstrap, compared, interval
from models.evaluation.prequential import Report
from models.evaluation.trace import Trace, numbers
from models.interaction import EventType
from models.ranking_metrics import hits, reciprocal_ranks, scores_of
from models.retrieval import SOURCES

Mask = NDArray[np.bool_]
Figures = dict[str, Any]

DEPTHS = (1, 5, 10, 20)
AGES = {"1": (0, 0), "2": (1, 1), "3-10": (2, 9), "11-100": (10, 99), "101-": (100, 2**62)}
"""Which event of the user it is, and how many came before."""

POINTS = 60
"""Of a curve over the rows."""

_METRICS = {"hr": hits, "mrr": reciprocal_ranks}


def summary(report: Report, windows: Mapping[str, tuple[int, int]] | None = None) -> Figures:
    """All figures of an evaluation, over the scored rows, as plain numbers, lists and dictionaries.

    Intervals are 95 % (see `BlockBootstrap`); None where there is nothing to tell.

    Parameters
    ----------
    windows : first row and the one after the last, of parts to tell apart by name.
    """
    count = len(report.model.ranks)
    scored = count - report.start
    splits = _splits(report)
    rows = np.arange(report.start, count)
    splits["window"] = {name: (rows >= first) & (rows < end) for name, (first, end) in (windows or {}).items()}
    bootstrap = BlockBootstrap(scored) if scored else None
    ours = _figures(report, report.model, splits, bootstrap)

    def rivals(traces: Mapping[str, Trace]) -> dict[str, Figures]:
        return {
            name: _figures(report, trace, splits, bootstrap)
            | ({"we_gain": _gains(report, trace, splits, bootstrap)} if bootstrap else {})
            for name, trace in traces.items()
        }

    return {
        **ours,
        "k": report.k,
        "curve_rows": [int(part[-1]) + 1 for part in _parts_of(np.arange(count))],
        "recall": _mean(numbers(report.rows.recalled, report.start)),
        "retrievers": _retrievers(report),
        "trainer_seconds_per_event": _mean(np.array(report.rows.trainer_seconds)[report.start :]),
        "versions": report.versions,
        "baselines": rivals(report.baselines),
        "arms": rivals(report.arms),
    }


def _splits(report: Report) -> dict[str, dict[str, Mask]]:
    """Which scored rows are of which kind."""
    rows, start = report.rows, report.start
    before, kind = numbers(rows.user_events, start), numbers(rows.event_type, start)
    repeat, new = numbers(rows.repeat, start) > 0, numbers(rows.new_item, start) > 0
    row = np.arange(len(before))
    return {
        "user_age": {age: (before >= low) & (before <= high) for age, (low, high) in AGES.items()},
        "item": {"repeat": repeat, "novel": ~repeat & ~new, "never_seen": new},
        "event_type": {each.name.lower(): kind == each for each in EventType},
        "half": {"first": row < len(row) // 2, "last": row >= len(row) // 2},
    }


def _figures(
    report: Report, trace: Trace, splits: Mapping[str, Mapping[str, Mask]], bootstrap: BlockBootstrap | None
) -> Figures:
    ranks, start, k = numbers(trace.ranks, report.start), report.start, report.k
    shown = sum(last >= start for last in trace.last_shown.values())
    scores = asdict(scores_of(ranks, k))
    return {
        "rows": len(trace.ranks),
        "scored_rows": scores.pop("rows"),
        **scores,
        "coverage": shown / max(report.known_items, 1) if len(ranks) else 0.0,
        "diversity": _mean(np.array(trace.diversities)[start:]),
        "novelty": _mean(np.array(trace.novelties)[start:]),
        "seconds_per_event": _mean(np.array(trace.seconds)[start:]) or 0.0,
        "at": {str(depth): _scores(ranks, depth) for depth in sorted({*DEPTHS, k})},
        "splits": {
            split: {part: {"rows": int(where.sum())} | _scores(ranks[where], k) for part, where in parts.items()}
            for split, parts in splits.items()
        },
        "curve": {
            name: [float(metric(part, k).mean()) for part in _parts_of(numbers(trace.ranks))]
            for name, metric in _METRICS.items()
        },
        "intervals": {
            name: interval(bootstrap.means(metric(ranks, k))) if bootstrap else None
            for name, metric in _METRICS.items()
        },
    }


def _parts_of(values: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """All rows, the warm-up included, in at most `POINTS` parts."""
    return [part for part in np.array_split(values, POINTS) if len(part)]


def _scores(ranks: NDArray[np.int64], k: int) -> dict[str, float]:
    scores = asdict(scores_of(ranks, k))
    del scores["rows"]
    return scores


def _gains(
    report: Report, trace: Trace, splits: Mapping[str, Mapping[str, Mask]], bootstrap: BlockBootstrap
) -> Figures:
    """What the recommender gains over another on the same rows, in all and in parts of them."""
    ranks, theirs = numbers(report.model.ranks, report.start), numbers(trace.ranks, report.start)
    wheres = {"all": np.ones(len(ranks), np.bool_)}
    wheres |= {f"user_age {age}": where for age, where in splits["user_age"].items()}
    wheres |= {f"{half} half": where for half, where in splits["half"].items()}
    wheres |= splits["window"]
    return {
        name: {
            part: compared(bootstrap, metric(ranks, report.k), metric(theirs, report.k), where)
            for part, where in wheres.items()
        }
        for name, metric in _METRICS.items()
    }


def _retrievers(report: Report) -> dict[str, Figures]:
    """Of each source: recall, what it alone recalls, its share of the hits and of the items shown."""
    start, rows = report.start, report.rows
    found = numbers(rows.found, start)
    ranks = numbers(report.model.ranks, start)
    hit = found[(ranks > 0) & (ranks <= report.k)]
    shown = numbers(rows.shown_found, int(numbers(rows.shown)[:start].sum()))
    return {
        name: {
            "recall": _mean((found >> bit) & 1),
            "recall_alone": _mean(found == 1 << bit),
            "hits": _mean((hit >> bit) & 1),
            "shown": _mean((shown >> bit) & 1),
        }
        for bit, (name, *_) in enumerate(SOURCES)
    }


def _mean(values: NDArray[Any]) -> float | None:
    """Mean of the values that are defined, None without any."""
    values = values[np.isfinite(values)]
    return float(values.mean(dtype=np.float64)) if len(values) else None
