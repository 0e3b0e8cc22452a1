"""The worker's output records: one function for each topic that it writes."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import orjson

from models.drift import Alarm
from models.features import FEATURES
from models.interaction import Interaction
from models.lists import Ranked
from schemas.knowledge import ItemStatsDelta
from schemas.outputs import DriftSignal, Recommendation
from schemas.record import RecordError, encode
from streamproc.engine import InputRecord, Output
from streamproc.settings import Settings

_WORDS: Final = {feature.name: feature.words for feature in FEATURES}
_STATS_VERSION: Final = ItemStatsDelta.model_fields["schema_version"].default
_SCHEMA_VERSION: Final = Recommendation.model_fields["schema_version"].default
INSTANCE_HEADER: Final = "instance"
MAX_REASONS: Final = 3
# A record of so many interactions stays below the brokers' usual limit of 1 MB, whatever the ids.
MAX_INTERACTIONS: Final = 500


def recommendation(
    settings: Settings,
    user_id: str,
    cause: InputRecord,
    timestamp_ms: int,
    ranked: Sequence[Ranked],
    model_version: int,
    request_id: str | None = None,
) -> Output:
    """A list for one user; its id follows from the causing record, so a repeat has the same id.

    Written as `schemas.outputs.Recommendation` is, byte for byte, without its objects: to make eighty of them for each
    list, and have pydantic write them, took two and a half times as long.
    """
    items = []
    for item_id, score, reasons, propensity in ranked:
        why = [
            {"feature": name, "contribution": share, "words": _WORDS.get(name, name)}
            for name, share in reasons[:MAX_REASONS]
        ]
        item: dict[str, Any] = {"item_id": item_id, "score": score, "reasons": why}
        items.append(item if propensity is None else item | {"propensity": propensity})
    record = {
        "schema_version": _SCHEMA_VERSION,
        "id": f"{cause.topic}-{cause.partition}-{cause.offset}",
        "user_id": user_id,
        "timestamp_ms": timestamp_ms,
        "model_version": model_version,
        "items": items,
        "source_topic": cause.topic,
        "source_partition": cause.partition,
        "source_offset": cause.offset,
    }
    if request_id is not None:
        record["request_id"] = request_id
    return Output(settings.topic("recommendations"), user_id.encode(), orjson.dumps(record), ())


def dead_letter(settings: Settings, record: InputRecord, error: RecordError) -> Output:
    """The record as it came, with headers that say where it lay and what is wrong with it."""
    headers = (
        *record.headers,
        ("streamproc.topic", record.topic.encode()),
        ("streamproc.partition", str(record.partition).encode()),
        ("streamproc.offset", str(record.offset).encode()),
        ("streamproc.error", error.kind.encode()),
        ("streamproc.message", error.reason.encode()),
    )
    return Output(settings.topic("dead-letters"), record.key, record.value, headers)


def item_stats(settings: Settings, instance: str, learned: Sequence[tuple[InputRecord, Interaction]]) -> list[Output]:
    """The interactions of one micro-batch in order, for the item knowledge of all workers.

    One record for each run of at most `MAX_INTERACTIONS` from one topic, so that its source range is exact. Written as
    `schemas.knowledge.ItemStatsDelta` is, without its objects.
    """
    outputs = []
    headers = ((INSTANCE_HEADER, instance.encode()),)
    for _, run in groupby(enumerate(learned), key=lambda pair: (pair[1][0].topic, pair[0] // MAX_INTERACTIONS)):
        part = [pair for _, pair in run]
        first, last = part[0][0], part[-1][0]
        interactions = [interaction for _, interaction in part]
        record = {
            "schema_version": _STATS_VERSION,
            "instance": instance,
            "source_topic": last.topic,
            "source_partition": last.partition,
            "offset_first": first.offset,
            "offset_last": last.offset,
            "interactions": {
                "user": [each.user for each in interactions],
                "item_id": [each.item_id for each in interactions],
                "event_type": [each.event_type for each in interactions],
                "timestamp_ms": [each.timestamp_ms for each in interactions],
                "category": [each.category for each in interactions],
                "price": [each.price for each in interactions],
            },
            "kept": 1.0,
        }
        outputs.append(Output(settings.topic("item-stats"), None, orjson.dumps(record), headers, partition=0))
    return outputs


def drift_signal(settings: Settings, alarm: Alarm, timestamp_ms: int) -> Output:
    """An alarm of this worker's detectors."""
    signal = DriftSignal(
        name=alarm.name,
        timestamp_ms=timestamp_ms,
        detector=alarm.detector,
        worker=settings.worker_id,
        kind=alarm.kind,
        before=alarm.before,
        after=alarm.after,
        window=alarm.window,
    )
    return Output(settings.topic("drift-signals"), alarm.name.encode(), encode(signal), ())
