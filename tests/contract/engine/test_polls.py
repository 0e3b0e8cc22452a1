"""What becomes of fetched records, and when the next are fetched: what the engine assumes about Faust's consumer thread
and aiokafka's fetcher."""

import asyncio
import contextlib
import inspect
import time
from typing import Any

import aiokafka
import pytest
from aiokafka.consumer.fetcher import Fetcher
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streamproc.engine import InputRecord
from streamproc.engine.faust_batches import BatchApp, Poll, Progress


class FetchedOnce:
    """As much of aiokafka's consumer as a fetch needs."""

    _closed = False

    def __init__(self, records: list[InputRecord]) -> None:
        self._fetcher = self._subscriptions = self
        self._fetched = records

    async def start(self) -> None:
        pass

    async def fetch(self) -> float:
        """Ask for the next records as the fetcher does, and return the seconds until the request left."""
        began = time.monotonic()
        return await self._proc_fetch_request("assignment", 1, "request") - began

    async def _proc_fetch_request(self, *request: Any) -> float:
        assert request == ("assignment", 1, "request")
        return time.monotonic()

    def fetch_context(self) -> Any:
        return contextlib.nullcontext()

    async def fetched_records(self, partitions: Any, timeout: Any, max_records: Any) -> dict[Any, list[Any]]:
        return {aiokafka.TopicPartition("clicks", 2): self._fetched}


async def test_fetched_records_become_a_poll_of_the_present_epoch(
    app: BatchApp, tp: TP, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = app.consumer._thread
    monkeypatch.setattr(thread, "progress", lambda _: None)
    app.consumer.resume_flow()
    thread.epoch = 3
    records = [InputRecord("clicks", 2, 41, 1_000, b"k", b"v")]
    polls = await thread._fetch_records(FetchedOnce(records), {tp}, timeout=0, max_records=10)
    assert polls == {tp: Poll(3, records)}
    assert thread.handed_out == {tp: 42}
    # Between taking records (which moves the positions) and returning them there must be no `await`.
    source = inspect.getsource(Fetcher.fetched_records)
    taken = source.index("res_or_error.getall(max_records)")
    assert "await" not in source[taken : source.index("return drained", source.index("if drained or not timeout"))]
    assert "self.call_thread(" in inspect.getsource(driver.AIOKafkaConsumerThread.getmany)


@pytest.mark.parametrize(("records", "left", "waits"), [(1, 0, True), (100, 0, False), (1, 1, False)])
async def test_after_a_small_poll_the_next_fetch_waits_a_little_so_that_it_brings_more(
    app: BatchApp, tp: TP, monkeypatch: pytest.MonkeyPatch, records: int, left: int, waits: bool
) -> None:
    thread = app.consumer._thread
    app.consumer.resume_flow()
    consumer = FetchedOnce([InputRecord("clicks", 2, n, 1_000, b"k", b"v") for n in range(records)])
    monkeypatch.setattr(thread, "_create_consumer", lambda loop: consumer)
    await thread.on_start()
    monkeypatch.setattr(thread, "progress", lambda _: Progress(records, records, records + left))
    assert await consumer.fetch() < 0.01  # nothing has come yet: a lone event is fetched at once
    await thread._fetch_records(consumer, {tp}, timeout=0, max_records=200)
    assert (await consumer.fetch() >= 0.01) == waits
    assert await consumer.fetch() < 0.01
    routine = inspect.getsource(Fetcher._fetch_requests_routine)
    assert "self._proc_fetch_request(assignment, node_id, request)" in routine
    if waits:  # a consumer that is closed meanwhile
        await thread._fetch_records(consumer, {tp}, timeout=0, max_records=200)
        closed = asyncio.create_task(consumer._proc_fetch_request("assignment", 1, "request"))
        await asyncio.sleep(0)
        closed.cancel()
        assert await closed is False
    assert "await x" in inspect.getsource(Fetcher.close)
    # What was asked for before a seek and comes after it is dropped.
    assert "tp_state.position != fetch_offset" in inspect.getsource(Fetcher._proc_fetch_request)
