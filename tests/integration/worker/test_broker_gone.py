"""A worker whose broker is gone ends soon when it is asked to, and what it had not committed is done again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamproc import topics
from streamproc.brokers.kafka import KafkaBroker
from streamproc.settings import Settings
from tests.integration.worker.conftest import Shop
from tests.integration.worker.test_exactly_once import assert_each_event_counted_once

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_it_ends_within_ten_seconds_and_its_successor_loses_and_repeats_nothing(
    kafka_broker: KafkaBroker,  # skips where there is no Kafka to start
    unique_topics: Callable[[Settings], Settings],
    stream: list[tuple[str, str, bytes]],
    tmp_path: Path,
) -> None:
    with KafkaBroker(tmp_path / "kafka") as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers, max_poll_records=20)
        shop = Shop(unique_topics(settings), tmp_path)
        topics.create(shop.settings)
        shop.produce(stream)
        try:
            worker = shop.start_worker()
            shop.wait(lambda: shop.lag() < 2_500, "progress")
            broker.stop()
            began = time.monotonic()
            assert shop.stop(worker) == 1
            assert time.monotonic() - began < 10
            assert "Error: no orderly end within 8 s; is the broker gone?" in shop.log(0)
            broker.start()
            assert shop.lag() > 0, "the worker was done before its broker went: nothing was tested"
            shop.start_worker()
            shop.drain()
            assert_each_event_counted_once(shop, stream)
        finally:
            for process in shop.workers:
                process.kill()
                process.wait()
