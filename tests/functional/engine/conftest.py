"""A batch cycle that runs until its test is over."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streamproc.engine.cycle import Cycle
from tests.functional.engine.fakes import CycleOf, cycle_with, started


@pytest.fixture
async def cycle_of() -> AsyncIterator[CycleOf]:
    async with contextlib.AsyncExitStack() as stack:

        def run(*work: Any, **options: Any) -> Cycle:
            cycle = cycle_with(*work, **options)
            stack.push_async_callback(started(cycle))
            return cycle

        yield run
