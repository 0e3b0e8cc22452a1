"""How the batch cycle ends: failures of deliveries and of the processor, and who waits meanwhile."""

from __future__ import annotations

import asyncio
import gc

import pytest

from streamproc.engine import EngineError
from tests.functional.engine.fakes import CycleOf, Log, Upper, cycle_with, give, started, task_of, until


@pytest.mark.parametrize("step", ["send", "commit"])
async def test_a_failed_delivery_ends_the_cycle_and_leaves_the_store(cycle_of: CycleOf, step: str) -> None:
    log = Log()
    log.fail_on = step
    task = task_of(0, log)
    cycle = cycle_of(Upper(), [task])
    give(task, 1)
    cycle.wake()
    with pytest.raises(EngineError, match=f"{step} failed"):
        await asyncio.wait_for(asyncio.shield(cycle.failure), 5)
    assert task.state.store.position is None
    with pytest.raises(EngineError, match=f"{step} failed"):
        async with cycle.at_rest():
            pass


@pytest.mark.parametrize("step", ["send", "commit"])
async def test_who_waits_for_what_is_given_up_at_the_end_is_told_and_not_cancelled(step: str) -> None:
    log = Log()
    setattr(log, f"{step}_seconds", 60.0)
    task = task_of(0, log)
    give(task, 1)
    cycle = cycle_with(Upper(), [task], interval=0.01)
    end = started(cycle)
    await until(lambda: any(event == f"{step} 0" for event, _ in log.events))

    async def rest() -> None:
        async with cycle.at_rest():
            pass

    resting = asyncio.create_task(rest())
    await asyncio.sleep(0.01)
    await end()
    with pytest.raises(EngineError, match="given up, as the engine ends"):
        await asyncio.wait_for(resting, 5)


async def test_of_several_failed_commits_one_is_told_and_none_printed() -> None:
    printed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: printed.append(context))
    log = Log()
    log.fail_on, log.commit_seconds = "commit", 0.05
    tasks = [task_of(partition, log) for partition in range(3)]
    for task in tasks:
        give(task, 1)
    cycle = cycle_with(Upper(), tasks, interval=0.01)
    end = started(cycle)
    with pytest.raises(EngineError, match="commit failed"):
        await asyncio.wait_for(asyncio.shield(cycle.failure), 5)
    await until(lambda: len([event for event, _ in log.events if event.startswith("commit ")]) == 3)
    await asyncio.sleep(2 * log.commit_seconds)  # the others fail, too
    await end()
    del end, task, tasks, cycle
    gc.collect()
    assert printed == []


async def test_a_raising_processor_ends_the_cycle_and_sends_nothing() -> None:
    log = Log()
    task = task_of(0, log)
    give(task, 3, value=b"raise")
    cycle = cycle_with(Upper(), [task])
    with pytest.raises(EngineError, match="3 records of in-0 from offset 0 could not be processed"):
        await asyncio.wait_for(cycle.run(), 5)
    await cycle.close()
    assert log.events == []
