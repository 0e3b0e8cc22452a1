"""The batch cycle without a broker: order, commits and rests; how it ends is in `test_cycle_ends.py`."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from streamproc.engine import BatchStats, CommitStats
from tests.functional.engine.fakes import CycleOf, Flow, Log, Upper, give, task_of, until


async def test_a_lone_event_is_committed_at_once(cycle_of: CycleOf) -> None:
    log = Log()
    task = task_of(3, log)
    cycle = cycle_of(Upper(), [task])
    give(task, 1)
    cycle.wake()
    await until(lambda: task.state.store.position == 2)
    assert log.events == [
        ("send 3", [b"0", b"0"]),
        ("sended 3", [b"0", b"0"]),
        ("commit 3", [1]),
        ("commited 3", [1]),
    ]
    assert task.state.store.get(b"last") == b"0"


async def test_under_load_commits_are_rare_and_the_state_is_seen_before_them(cycle_of: CycleOf) -> None:
    log, processor = Log(), Upper()
    task = task_of(0, log)
    give(task, 95)
    batches: list[BatchStats] = []
    commits: list[CommitStats] = []
    cycle_of(processor, [task], on_batch=batches.append, on_commit=commits.append)
    await until(lambda: len(commits) == 1)
    assert processor.seen == [(0, 10)] * 9 + [(0, 5)]
    assert processor.previous == [None] + [b"%d" % (10 * i - 1) for i in range(1, 10)]
    assert commits[0].offsets == {"in": 95}
    assert [(stats.records, stats.outputs, stats.state_rows) for stats in batches] == [(10, 1, 1)] * 9 + [(5, 1, 1)]


@pytest.mark.parametrize(("tasks", "processed"), [(1, [0, 0]), (2, [0, 1, 0]), (3, [0, 1, 2])])
async def test_processing_goes_on_while_a_batch_is_sent_and_another_waits(
    cycle_of: CycleOf, tasks: int, processed: list[int]
) -> None:
    log, processor = Log(), Upper()
    log.send_seconds = 0.2
    made = [task_of(partition, log) for partition in range(tasks)]
    for task in made:
        give(task, 20)
    cycle_of(processor, made)
    await until(lambda: len(processor.seen) == len(processed))
    await asyncio.sleep(0.05)
    assert log.events == [("send 0", [b"9", b"9"])]
    assert [partition for partition, _ in processor.seen] == processed
    await until(lambda: all(task.state.store.position is not None for task in made))
    sends = [what for what, _ in log.events if what.startswith("send")]
    assert sends == [f"{what} {of.split()[1]}" for of in sends[::2] for what in ("send", "sended")]


async def test_under_load_a_commit_comes_once_per_interval(cycle_of: CycleOf) -> None:
    log = Log()
    log.send_seconds = 0.01
    task = task_of(0, log)
    give(task, 100)
    commits: list[CommitStats] = []
    cycle_of(Upper(), [task], interval=0.03, on_commit=commits.append)
    await until(lambda: task.state.store.position == 20)
    assert 2 <= len(commits) <= 6
    assert commits[-1].offsets == {"in": 100}


async def test_commits_that_cost_much_are_spared_while_events_trickle(cycle_of: CycleOf) -> None:
    log, processor = Log(), Upper()
    log.commit_seconds = 0.02
    tasks = [task_of(partition, log) for partition in range(4)]
    ends: list[tuple[float, float]] = []
    cycle = cycle_of(  # a minute's interval: only what is done at once is seen
        processor, tasks, on_commit=lambda stats: ends.append((time.monotonic(), stats.seconds))
    )
    for event in range(200):
        give(tasks[event % 4], 1)
        cycle.wake()
        await asyncio.sleep(0.002)
    await until(lambda: all(task.state.store.get(b"last") == b"49" for task in tasks))
    assert len(processor.seen) > 100
    assert len(ends) >= 4
    for (ended, seconds), (next_ended, next_seconds) in pairwise(ends):
        assert next_ended - next_seconds - ended >= 3 * seconds


async def test_sends_follow_the_processing_order_and_never_overlap(cycle_of: CycleOf) -> None:
    log, processor = Log(), Upper()
    log.send_seconds = log.commit_seconds = 0.002
    tasks = [task_of(partition, log) for partition in range(3)]
    for task in tasks:
        give(task, 40)
    cycle_of(processor, tasks, interval=0.001)
    await until(lambda: all(task.state.store.get(b"last") == b"39" for task in tasks))
    sends = [event for event, _ in log.events if event.startswith("send")]
    assert sends[::2] == [f"send {partition}" for partition, _ in processor.seen]
    assert sends[1::2] == [event.replace("send", "sended") for event in sends[::2]]
    for partition in range(3):  # within a transaction: no commit while something is being sent
        own = [event.split()[0] for event, _ in log.events if event.endswith(f" {partition}")]
        assert "send commit" not in " ".join(own)
        assert "commit send" not in " ".join(own)


async def test_processing_goes_on_while_a_batch_is_being_sent(cycle_of: CycleOf) -> None:
    log, processor = Log(), Upper()
    log.send_seconds = 0.3
    task = task_of(0, log)
    give(task, 20)
    cycle_of(processor, [task])
    await until(lambda: len(processor.seen) == 2)
    assert [event for event, _ in log.events] == ["send 0"]


async def test_the_producer_gets_ready_while_a_batch_is_processed_unless_it_is_busy(cycle_of: CycleOf) -> None:
    log, processor = Log(), Upper()
    processor.go.clear()
    task = task_of(5, log)
    cycle = cycle_of(processor, [task])
    give(task, 1)
    cycle.wake()
    await until(lambda: log.prepared == [5])
    assert log.events == []
    log.send_seconds = 0.1
    processor.go.set()
    await until(lambda: bool(log.events))
    give(task, 1)  # processed while the first is being sent
    cycle.wake()
    await until(lambda: task.state.store.position == 4)
    assert log.prepared == [5]


async def test_another_partition_goes_first_while_one_commits(cycle_of: CycleOf) -> None:
    log, processor = Log(), Upper()
    log.commit_seconds = 0.2
    first, second = task_of(0, log), task_of(1, log)
    cycle = cycle_of(processor, [first, second])
    give(first, 1)
    cycle.wake()
    await until(lambda: first.committing)
    give(first, 1)
    give(second, 1)
    cycle.wake()
    await until(lambda: len(processor.seen) == 3)
    assert [partition for partition, _ in processor.seen] == [0, 1, 0]


async def test_at_rest_everything_in_hand_is_committed(cycle_of: CycleOf) -> None:
    log, processor = Log(), Upper()
    log.send_seconds = 0.02
    task = task_of(0, log)
    give(task, 30)
    processor.go.clear()
    cycle = cycle_of(processor, [task])
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_later(0.05, processor.go.set)
    async with cycle.at_rest():
        done = len(processor.seen)
        assert log.events[-1] == ("commited 0", [10 * done])
        assert task.state.store.get(b"last") == b"%d" % (10 * done - 1)
        await asyncio.sleep(0.05)
        assert len(processor.seen) == done
    await until(lambda: len(processor.seen) == 3)


async def test_at_rest_a_commit_that_falls_due_while_another_is_waited_for_is_over_too(cycle_of: CycleOf) -> None:
    log = Log()
    log.commit_seconds = 0.3
    first, second = task_of(1, log), task_of(0, log)
    cycle = cycle_of(Upper(), [second, first], interval=0.1)
    give(first, 1)
    cycle.wake()
    await until(lambda: first.committing)
    give(second, 1)
    cycle.wake()
    await until(lambda: second.uncommitted and not second.busy)
    async with cycle.at_rest():
        assert [event for event, _ in log.events if event.startswith("commited")] == ["commited 1", "commited 0"]
        assert not second.committing


async def test_fetching_pauses_when_much_waits_and_resumes_when_little_is_left(cycle_of: CycleOf) -> None:
    flow, processor = Flow(), Upper()
    processor.go.clear()
    task = task_of(0, Log(), flow, capacity=40)
    give(task, 39)
    assert flow.paused == []
    give(task, 1)
    give(task, 1)
    assert flow.paused == ["in"]
    task.take(10)
    assert flow.paused == ["in"]
    task.take(11)
    assert flow.paused == []
