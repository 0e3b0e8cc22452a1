"""A Faust app of ours that is never started."""

from collections.abc import AsyncIterator

import pytest
from faust.types import TP

from streamproc.engine.faust_batches import BatchApp

OPTIONS = {"bootstrap_servers": "127.0.0.1:1,127.0.0.1:2", "session_timeout_ms": 10_000}


@pytest.fixture
async def app() -> AsyncIterator[BatchApp]:
    app = BatchApp("contract", OPTIONS)
    yield app
    app.consumer._thread.thread_loop.close()  # made with the thread, which was never started


@pytest.fixture
def tp() -> TP:
    return TP("clicks", 2)
