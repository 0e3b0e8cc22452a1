"""What the figures come to: ratios of rows of one run, the only figures that another machine can be asked to repeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

# Name of the ratio: (system, workload) over (system, workload).
_OF = {
    "recommend_vs_stock_faust_parse": (("streamproc", "recommend"), ("faust", "parse")),
    "parse_vs_stock_faust": (("streamproc", "parse"), ("faust", "parse")),
    "parse_vs_quix": (("streamproc", "parse"), ("quix", "parse")),
    "parse_vs_aiokafka": (("streamproc", "parse"), ("aiokafka", "parse")),
    "stateful_vs_stock_faust": (("streamproc", "stateful"), ("faust", "stateful")),
    "stateful_vs_quix": (("streamproc", "stateful"), ("quix", "stateful")),
    "parse_vs_kafka_streams": (("streamproc", "parse"), ("kafka-streams", "parse")),
    "stateful_vs_kafka_streams": (("streamproc", "stateful"), ("kafka-streams", "stateful")),
    "stateful_rocksdb_vs_kafka_streams_rocksdb": (
        ("streamproc-rocksdb", "stateful"),
        ("kafka-streams-rocksdb", "stateful"),
    ),
    "stateful_vs_aiokafka": (("streamproc", "stateful"), ("aiokafka", "stateful")),
    "stateful_rocksdb_vs_stock_faust": (("streamproc-rocksdb", "stateful"), ("faust", "stateful")),
    "stateful_rocksdb_vs_stock_faust_rocksdb": (("streamproc-rocksdb", "stateful"), ("faust-rocksdb", "stateful")),
}


def ratios(rows: Sequence[Row]) -> dict[str, float | None]:
    """Return events per second of one over those of another; with the suffix `_cpu`, events per second of CPU time.

    The latter hold on a machine that others use too. ``None`` where a row is missing or has a problem.

    Examples
    --------
    >>> faust = {"system": "faust", "workload": "parse", "events_per_second": 50.0, "cpu_seconds_per_1k": 20.0}
    >>> ours = {"system": "streamproc", "workload": "parse", "events_per_second": 900.0, "cpu_seconds_per_1k": 1.0}
    >>> found = ratios([faust, ours])
    >>> found["parse_vs_stock_faust"], found["parse_vs_stock_faust_cpu"], found["parse_vs_quix"]
    (18.0, 20.0, None)
    """
    by_place = {(row["system"], row["workload"]): row for row in rows}
    found: dict[str, float | None] = {}
    for name, (ours, theirs) in _OF.items():
        over, under = by_place.get(ours, {}), by_place.get(theirs, {})
        found[name] = _divide(over.get("events_per_second"), under.get("events_per_second"))
        found[f"{name}_cpu"] = _divide(under.get("cpu_seconds_per_1k"), over.get("cpu_seconds_per_1k"))
    return found


def _divide(over: float | None, under: float | None) -> float | None:
    return over / under if over and under else None
