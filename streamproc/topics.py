"""Every topic, in one place: partitions, replication, cleanup; how they are created, and checked at start-up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streamproc.brokers.embedded import is_embedded
from streamproc.connection import librdkafka_options
from streamproc.errors import StreamprocError
from streamproc.settings import Settings

__all__ = ["CO_PARTITIONED", "TopicSpec", "TopicsError", "all_topics", "check", "create"]

# Partition p of all of these belongs to task p of the worker: equal keys must fall on equal numbers.
CO_PARTITIONED = ("clicks", "purchases", "recommendation-requests", "items", "user-state")

_MIB = 1024 * 1024
_WEEK_MS = 7 * 24 * 3_600_000
_TIMEOUT_SECONDS = 15.0


class TopicsError(StreamprocError):
    """Topics are missing or do not fit together; the message names the command that mends it."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic must be.

    Attributes
    ----------
    role
        Its default name, as in ``settings.topic(role)``.
    name
        Its real name.
    partitions, replication
        Counts used on creation.
    cleanup
        ``compact`` (the newest value of each key stays) or ``delete`` (old records go).
    config
        Further topic settings.
    key
        What its records are keyed by.
    """

    role: str
    name: str
    partitions: int
    replication: int
    cleanup: Literal["compact", "delete"]
    config: dict[str, str]
    key: str

    def new_topic(self) -> NewTopic:
        """Return the admin client's request for it."""
        return NewTopic(
            self.name, self.partitions, self.replication, config={"cleanup.policy": self.cleanup, **self.config}
        )


def all_topics(settings: Settings) -> tuple[TopicSpec, ...]:
    """Return the specification of every topic, in the order of the data flow.

    Examples
    --------
    >>> specs = {spec.role: spec for spec in all_topics(Settings(partitions=12))}
    >>> specs["clicks"].partitions, specs["item-stats"].partitions, specs["user-state"].cleanup
    (12, 1, 'compact')
    """
    # Event topics keep the producer's timestamps, which order a replay; a replayed old event would be deleted at once
    # if age counted, so only size bounds these. Oversized values must get in to reach the dead letters with a reason.
    events = {
        "retention.ms": "-1",
        "retention.bytes": str(8192 * _MIB),
        "message.timestamp.after.max.ms": str(round(settings.max_future_seconds * 1000)),
        "max.message.bytes": str(16 * _MIB),
    }
    # Output topics carry the broker's clock, so that age means age there even when old events are replayed.
    outputs = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(_WEEK_MS)}
    # Small segments, because only closed ones are compacted, and recovery reads what is not.
    compacted = {"segment.bytes": str(64 * _MIB), "min.cleanable.dirty.ratio": "0.2"}

    def spec(
        role: str, key: str, cleanup: Literal["compact", "delete"], config: dict[str, str], partitions: int
    ) -> TopicSpec:
        copies = settings.replication_factor
        # With acks=all this survives the loss of a broker without ever being lost or, with three copies, unavailable.
        durable = {"min.insync.replicas": str(max(1, copies - 1))}
        return TopicSpec(role, settings.topic(role), partitions, copies, cleanup, durable | config, key)

    many = settings.partitions
    return (
        spec("clicks", "user_id", "delete", events, many),
        spec("purchases", "user_id", "delete", events, many),
        spec("items", "item_id", "compact", compacted | {"max.message.bytes": events["max.message.bytes"]}, many),
        spec("recommendation-requests", "user_id", "delete", events, many),
        spec("user-state", "user_id", "compact", compacted, many),
        spec("recommendations", "user_id", "delete", outputs, many),
        spec("drift-signals", "signal name", "delete", outputs, 1),
        spec("model-updates", "model name", "compact", compacted, 1),
        # One partition: every worker applies the interactions of all in the same order. They are the only copy of the
        # item knowledge, so size alone bounds them; half lives of at most 50,000 events make older ones worthless.
        spec("item-stats", "item_id", "delete", {"retention.ms": "-1", "retention.bytes": str(2048 * _MIB)}, 1),
        spec("training-examples", "user hash", "delete", outputs | {"retention.bytes": str(2048 * _MIB)}, many),
        # Room for the largest event plus the headers that say why it is here.
        spec("dead-letters", "original key", "delete", outputs | {"max.message.bytes": str(17 * _MIB)}, many),
    )


def create(settings: Settings) -> list[str]:
    """Create the topics that are missing; return their names. On the embedded broker, touch them.

    Raises
    ------
    TopicsError
        If the broker cannot be reached or refuses.
    """
    client = AdminClient({**librdkafka_options(settings), "log_level": 0})
    cluster_id, existing = _partitions(client, settings)
    missing = [spec for spec in all_topics(settings) if spec.name not in existing]
    if not missing:
        return []
    if is_embedded(cluster_id):
        for spec in missing:
            client.list_topics(spec.name, timeout=_TIMEOUT_SECONDS)
        return [spec.name for spec in missing]
    pending = client.create_topics([spec.new_topic() for spec in missing], operation_timeout=_TIMEOUT_SECONDS)
    for name, future in pending.items():
        try:
            future.result(timeout=2 * _TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # another process was faster
                raise TopicsError(f"cannot create topic {name!r}: {error.args[0].str()}") from error
    # The controller knows them first; a worker started next asks a broker, which learns of them a little later.
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while {spec.name for spec in missing} - _partitions(client, settings)[1].keys():
        if time.monotonic() > deadline:
            raise TopicsError("the topics were created but the brokers do not list them yet: try again")
        time.sleep(0.05)
    return [spec.name for spec in missing]


def check(settings: Settings) -> int:
    """Verify that every topic is there and fits; return the number of partitions of the co-partitioned ones.

    Raises
    ------
    TopicsError
        Naming the first missing topic, a mismatch of co-partitioned topics, a topic that must have one partition and
        has more, or a table's changelog that is not compacted; always with the command that mends it.
    """
    client = AdminClient({**librdkafka_options(settings), "log_level": 0})
    cluster_id, existing = _partitions(client, settings)
    specs = all_topics(settings)
    if missing := [spec.name for spec in specs if spec.name not in existing]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise TopicsError(f"topic {missing[0]!r} is missing{others}: run `streamproc topics create`")
    counts = {spec.name: existing[spec.name] for spec in specs if spec.role in CO_PARTITIONED}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        most = max(counts.values())
        few = min(counts, key=counts.__getitem__)
        raise TopicsError(
            f"these topics need equal numbers of partitions: {listed}; "
            f"mend it with `kafka-topics.sh --alter --topic {few} --partitions {most}` before the first event"
        )
    if not is_embedded(cluster_id):
        for spec in specs:
            if spec.partitions == 1 != existing[spec.name] and spec.role not in CO_PARTITIONED:
                raise TopicsError(
                    f"topic {spec.name!r} must have one partition: delete it, then `streamproc topics create`"
                )
        _check_compaction(client, [spec for spec in specs if spec.cleanup == "compact"])
    return next(iter(counts.values()))


def _partitions(client: AdminClient, settings: Settings) -> tuple[str | None, dict[str, int]]:
    try:
        metadata = client.list_topics(timeout=_TIMEOUT_SECONDS)
    except KafkaException as error:
        reason = error.args[0].str()
        raise TopicsError(f"cannot reach Kafka at {settings.bootstrap_servers}: {reason}") from error
    return metadata.cluster_id, {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _check_compaction(client: AdminClient, specs: list[TopicSpec]) -> None:
    asked = client.describe_configs([ConfigResource(ResourceType.TOPIC, spec.name) for spec in specs])
    for resource, future in asked.items():
        try:
            policy = future.result(timeout=_TIMEOUT_SECONDS)["cleanup.policy"].value
        except KafkaException as error:
            if error.args[0].name() == "TOPIC_AUTHORIZATION_FAILED":
                continue  # describing configs needs a right of its own, which running does not
            raise TopicsError(f"cannot read the settings of topic {resource.name!r}: {error.args[0].str()}") from error
        if "compact" not in policy:
            raise TopicsError(
                f"topic {resource.name!r} is not compacted, so its records would be lost: mend it with "
                f"`kafka-configs.sh --alter --entity-type topics --entity-name {resource.name} "
                f"--add-config cleanup.policy=compact`"
            )
