"""What workers write for the world outside: recommendations and drift signals."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from schemas.record import STRICT, Id, Record, TimestampMs

Name = Annotated[str, Field(min_length=1, max_length=128)]
Partition = Annotated[int, Field(ge=0)]
Offset = Annotated[int, Field(ge=0)]


# Plain dataclasses, validated where a record is read. What a worker writes for every event it writes without them
# (`streamproc.worker.writes.recommendation`).
@dataclass(slots=True)
class Reason:
    """One feature's share in an item's score."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    feature: Annotated[str, Field(min_length=1, max_length=128, description="Name of the ranking feature.")]
    contribution: Annotated[float, Field(description="What it added to the score, to four decimals.")]
    words: Annotated[str, Field(max_length=512, description="The same for people.")]


@dataclass(slots=True)
class RecommendedItem:
    """One place of the list."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    item_id: Annotated[Id, Field(description="The item.")]
    score: Annotated[float, Field(description="The ranker's score; comparable within one list only.")]
    reasons: Annotated[list[Reason], Field(max_length=3, description="The features that lifted it most.")]
    propensity: Annotated[
        float | None,
        Field(
            ge=0, le=1, description="Probability with which exploration put the item here; null without exploration."
        ),
    ] = None


class Recommendation(Record):
    """A fresh list for one user (topic `recommendations`)."""

    id: Annotated[str, Field(min_length=1, max_length=512)] = Field(
        description="`topic-partition-offset` of the event that caused it: a repeat has the same id."
    )
    user_id: Id = Field(description="For whom; also the record's key.")
    timestamp_ms: TimestampMs = Field(description="Time of the event that caused it.")
    model_version: Annotated[int, Field(ge=0)] = Field(description="Version of the shared base model.")
    items: list[RecommendedItem] = Field(description="Best first.")
    source_topic: Annotated[str, Field(min_length=1, max_length=249)] = Field(description="Topic of the causing event.")
    source_partition: Partition = Field(description="Its partition.")
    source_offset: Offset = Field(description="Its offset.")
    request_id: Id | None = Field(default=None, description="Of the request that this answers.")


class DriftSignal(Record):
    """An alarm of a drift detector, evidence beside one, or a command to adapt (topic `drift-signals`)."""

    name: Name = Field(description="The signal that changed, for example `relative_hit_rate`; also the record's key.")
    timestamp_ms: TimestampMs = Field(description="When it was raised.")
    detector: Name = Field(description="For example `CUSUM`, or `operator` for a command.")
    worker: Name = Field(description="Who raised it: a worker, or the trainer for what the events of all workers show.")
    kind: Literal["trigger", "evidence", "command"] = Field(
        description="A trigger or a command starts a meta-update; evidence is for people."
    )
    before: float = Field(description="Estimate of the signal before the change.")
    after: float = Field(description="Estimate after it.")
    window: Annotated[int, Field(ge=0)] = Field(description="How many observations the later estimate rests on.")
    partition: Partition | None = Field(default=None, description="The partition that was watched, if only one.")
