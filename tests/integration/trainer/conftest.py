"""An application of its own on the in-process broker for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamproc import topics
from streamproc.brokers.embedded import EmbeddedBroker
from streamproc.settings import Settings


@pytest.fixture
def settings(
    embedded_broker: EmbeddedBroker, unique_topics: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    made = unique_topics(
        Settings(
            bootstrap_servers=embedded_broker.bootstrap_servers,
            processing_guarantee="at_least_once",
            data_dir=tmp_path,
            trainer_http_port=0,
            meta_cooldown_seconds=0,
        )
    )
    topics.create(made)
    return made
