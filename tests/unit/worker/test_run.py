"""A worker of which one part fails while another does not come to its end."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from streamproc.engine import Engine
from streamproc.stopping import LastResort
from streamproc.worker.run import _until_stopped


class Slow:
    """An engine that ends when it has been asked to and the last resort has been prepared."""

    def __init__(self) -> None:
        self.asked, self.armed = asyncio.Event(), asyncio.Event()
        self.errors: list[object] = []

    async def run(self) -> None:
        await self.asked.wait()
        await self.armed.wait()

    def stop(self) -> None:
        self.asked.set()

    def arm(self, error: object = None) -> None:
        self.errors.append(error)
        self.armed.set()


async def test_when_what_runs_beside_the_engine_fails_its_end_is_not_waited_for_for_ever() -> None:
    slow, lost = Slow(), ValueError("the topic is gone")

    async def follow() -> None:
        raise lost

    ending = _until_stopped(cast("Engine", slow), [follow()], cast("LastResort", slow))
    with pytest.raises(ValueError, match="the topic is gone"):
        await asyncio.wait_for(ending, 5)
    assert slow.errors == [lost]
