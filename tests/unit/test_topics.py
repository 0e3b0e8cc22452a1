"""Topics: what is asked for, and what a broker without them means."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamproc.brokers.embedded import EmbeddedBroker
from streamproc.settings import Settings
from streamproc.topics import CO_PARTITIONED, TopicsError, all_topics, check, create

Unique = Callable[[Settings], Settings]


def test_every_topic_of_the_settings_is_specified() -> None:
    named = {name for name in Settings.model_fields if name.startswith("topic_") and name != "topic_prefix"}
    assert {"topic_" + spec.role.replace("-", "_") for spec in all_topics(Settings())} == named


def test_partitions_cleanup_and_prefix() -> None:
    specs = {spec.role: spec for spec in all_topics(Settings(partitions=7, replication_factor=3, topic_prefix="p."))}
    assert {specs[role].partitions for role in CO_PARTITIONED} == {7}
    assert specs["item-stats"].partitions == specs["model-updates"].partitions == 1
    assert {role for role, spec in specs.items() if spec.cleanup == "compact"} == {
        "items",
        "user-state",
        "model-updates",
    }
    assert all(spec.name.startswith("p.") and spec.replication == 3 for spec in specs.values())
    assert {spec.config["min.insync.replicas"] for spec in specs.values()} == {"2"}


def test_age_counts_only_where_timestamps_are_the_brokers() -> None:
    for spec in all_topics(Settings()):
        by_broker = spec.config.get("message.timestamp.type") == "LogAppendTime"
        kept_for_good = spec.cleanup == "compact" or spec.config["retention.ms"] == "-1"
        assert by_broker != kept_for_good, spec.name
        assert not kept_for_good or spec.cleanup == "compact" or "retention.bytes" in spec.config, spec.name


def test_embedded_broker_topics_are_touched(embedded_broker: EmbeddedBroker, unique_topics: Unique) -> None:
    settings = unique_topics(Settings(bootstrap_servers=embedded_broker.bootstrap_servers))
    with pytest.raises(TopicsError, match=r"clicks' is missing and 10 more: run `streamproc topics create`"):
        check(settings)
    assert len(create(settings)) == len(all_topics(settings))
    assert check(settings) == 4
    assert create(settings) == []


def test_unreachable_broker_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.topics._TIMEOUT_SECONDS", 0.2)
    with pytest.raises(TopicsError, match=r"^cannot reach Kafka at 127\.0\.0\.1:1: [^\n]+$"):
        check(Settings(bootstrap_servers="127.0.0.1:1"))
