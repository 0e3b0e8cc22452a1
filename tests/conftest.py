"""Brokers and settings for the tests. Each test has its own topics and consumer group on a shared broker."""

from __future__ import annotations

import gc
import os
import re
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest

from streamproc.brokers.embedded import EmbeddedBroker
from streamproc.brokers.kafka import KafkaBroker, KafkaError
from streamproc.settings import Settings

if TYPE_CHECKING:
    from tests.docker_kafka import DockerKafka

REQUIRE_KAFKA = os.environ.get("STREAMPROC_REQUIRE_KAFKA") == "1"


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The in-process broker: four partitions each, at least once only."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    """A real Apache Kafka. Where it cannot be had, tests that ask for it are skipped, or fail if it is required."""
    broker = KafkaBroker()
    try:
        broker.__enter__()
    except KafkaError as error:
        if REQUIRE_KAFKA:
            raise
        pytest.skip(f"no real Kafka here: {error}")
    yield broker
    broker.__exit__(None, None, None)


@pytest.fixture
def unique_topics(request: pytest.FixtureRequest) -> Callable[[Settings], Settings]:
    """Return a function that gives settings topics and a consumer group which no other test uses."""
    test = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name)[:40].strip("-")

    def unique(settings: Settings) -> Settings:
        name = f"{test}-{uuid.uuid4().hex[:8]}"
        return settings.model_copy(update={"topic_prefix": f"{name}.", "application_id": name})

    return unique


def _docker_problem(image: str) -> str | None:
    """Say why a container of `image` cannot run here; None if it can."""
    problem = None
    try:
        client = docker.from_env()
        if not client.images.list(image):
            client.images.pull(image)
        client.close()
    except docker.errors.DockerException as error:
        problem = str(error)
    # A daemon that refuses leaves the client's socket open until it is collected; with warnings as errors that would
    # fail the whole run from wherever the collector happens to find it.
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()
    return problem


@pytest.fixture(scope="session")
def docker_kafka() -> Iterator[DockerKafka]:
    """Start a real Kafka in a container; skip where there is no Docker daemon."""
    # The clean-up container of testcontainers is one more image to fetch, and the fixture cleans up after itself.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from tests.docker_kafka import IMAGE, DockerKafka

    if problem := _docker_problem(IMAGE):
        pytest.skip(f"no Docker here, or no way to {IMAGE}: {problem}")
    with DockerKafka() as broker:
        yield broker
