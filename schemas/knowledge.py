"""What workers and the trainer tell each other: model versions and shared item statistics."""

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from schemas.outputs import Name, Offset, Partition
from schemas.record import (
    MAX_ID_BYTES,
    STRICT,
    Category,
    Id,
    Price,
    Record,
    RecordError,
    SchemaVersion2,
    TimestampMs,
    decode,
)

Version = Annotated[int, Field(ge=0, lt=2**32)]
UserHash = Annotated[int, Field(ge=0, lt=2**64)]
EventTypeNumber = Annotated[int, Field(ge=0, le=2)]
# Whoever wrote it has measured its bytes: to do so again costs more than all else that is read of an interaction.
_WrittenId = Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES)]


# Plain dataclasses for speed, like those of schemas/outputs.py.
@dataclass(slots=True)
class PrivateSteps:
    """Steps of the sampled Gaussian mechanism in meta-updates."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    noise_multiplier: Annotated[float, Field(gt=0, description="Standard deviation of the noise, in clips.")]
    sampling_rate: Annotated[float, Field(gt=0, le=1, description="Chance of each user to take part in a step.")]
    steps: Annotated[int, Field(ge=1, description="How many.")]


@dataclass(slots=True)
class PrivacySpent:
    """What the meta-updates up to a version have spent of the users' privacy, since it is protected."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    epsilon: Annotated[float, Field(ge=0, description="How much any one user's window can have told, at most.")]
    delta: Annotated[float, Field(gt=0, lt=1, description="Chance with which that may fail.")]
    clip: Annotated[float, Field(gt=0, description="Largest L2 norm of a user's contribution to a step.")]
    steps: Annotated[
        list[PrivateSteps], Field(max_length=256, description="All of them; the next version's epsilon adds to these.")
    ]


class ModelUpdate(Record):
    """A version of the shared base model (topic `model-updates`, compacted).

    The record under key `base` is the one in service; the one under `base@VERSION` tells what became of that version.
    """

    name: Name = Field(default="base", description="Which model.")
    version: Version = Field(description="Counts up from 1; 0 is the built-in initial model.")
    parent: Version | None = Field(default=None, description="The version it was trained from.")
    uri: Annotated[str, Field(min_length=1, max_length=2_048)] = Field(description="Where the artefact lies.")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(description="Of the artefact's bytes.")
    verdict: Literal["candidate", "promoted", "rejected", "rolled_back"] = Field(
        description="What became of it; a candidate runs in the shadow of the version in service."
    )
    reason: Annotated[str, Field(max_length=1_024)] = Field(description="Why, for people.")
    created_ms: TimestampMs = Field(description="When it was made.")
    kind: Literal["initial", "pretrained", "refresh", "meta", "rollback"] = Field(description="What made it.")
    serving: bool = Field(description="Whether workers serve it from now on.")
    probation: bool = Field(
        default=False, description="Whether its parent runs in its shadow, to take over again if it did better."
    )
    metrics: dict[Annotated[str, Field(max_length=128)], float] = Field(
        default={}, description="Measurements behind the verdict."
    )
    privacy: PrivacySpent | None = Field(
        default=None, description="What meta-updates have spent so far; null: they do not protect users."
    )


@dataclass(slots=True)
class InteractionColumns:
    """Interactions without the users' ids, a list for each field.

    Every worker reads those of all, and an object for each takes several times as long to read.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    user: Annotated[list[UserHash], Field(description="64-bit hash of the user id.")]
    item_id: Annotated[list[_WrittenId], Field(description="The item.")]
    event_type: Annotated[list[EventTypeNumber], Field(description="0 click, 1 cart, 2 purchase.")]
    timestamp_ms: Annotated[list[TimestampMs], Field(description="When it happened.")]
    category: Annotated[list[_WrittenId | None], Field(description="The item's category.")]
    price: Annotated[list[Price | None], Field(description="Price of one unit.")]


def _of_one_length(columns: InteractionColumns) -> InteractionColumns:
    if len({len(getattr(columns, field.name)) for field in fields(columns)}) > 1:
        raise PydanticCustomError("lengths", "one value of each field for each interaction")
    return columns


class ItemStatsDelta(Record):
    """The interactions of one micro-batch, in the order in which they were learned, or a discount (topic `item-stats`).

    A discount has no interactions; its source is the record of `drift-signals` that calls for it.
    """

    schema_version: SchemaVersion2 = Field(
        default="2.0", description="Version of this schema; workers also read version 1, which had a list of objects."
    )
    instance: Name = Field(description="Who learned them; a worker skips its own records.")
    source_topic: Annotated[str, Field(min_length=1, max_length=249)] = Field(description="Where they came from.")
    source_partition: Partition = Field(description="Its partition.")
    offset_first: Offset = Field(description="First offset that this record covers.")
    offset_last: Offset = Field(description="Last offset that this record covers.")
    interactions: Annotated[InteractionColumns, AfterValidator(_of_one_length)] = Field(description="Oldest first.")
    kept: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0, description="What is kept, before these, of the weight of what was learned of what follows what."
    )


@dataclass(slots=True)
class _FormerInteraction:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    user: UserHash
    item_id: Id
    event_type: EventTypeNumber
    timestamp_ms: TimestampMs
    category: Category = None
    price: Price | None = None


class _FormerItemStatsDelta(Record):
    """Version 1 of the record, of which logs are full."""

    instance: Name
    source_topic: str
    source_partition: Partition
    offset_first: Offset
    offset_last: Offset
    interactions: list[_FormerInteraction]
    kept: Annotated[float, Field(ge=0, le=1)] = 1.0


def decode_item_stats(raw: bytes | None, *, max_bytes: int) -> ItemStatsDelta:
    """Read a record of `item-stats` of either version.

    Raises
    ------
    RecordError
        As `schemas.record.decode`.
    """
    try:
        return decode(ItemStatsDelta, raw, max_bytes=max_bytes)
    except RecordError as error:
        if error.kind != "unknown_version":
            raise
    former = decode(_FormerItemStatsDelta, raw, max_bytes=max_bytes)
    columns = {
        field.name: [getattr(each, field.name) for each in former.interactions] for field in fields(InteractionColumns)
    }
    return ItemStatsDelta(
        instance=former.instance,
        source_topic=former.source_topic,
        source_partition=former.source_partition,
        offset_first=former.offset_first,
        offset_last=former.offset_last,
        interactions=InteractionColumns(**columns),
        kept=former.kept,
    )
