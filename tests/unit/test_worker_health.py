"""A worker that does not get on says so; one that has nothing to do, or much, does not."""

from __future__ import annotations

from streamproc.worker.health import STUCK_SECONDS, Progress


class _Scene:
    now = 0.0
    waiting = 0

    def __init__(self) -> None:
        self.progress = Progress(lambda: self.waiting, lambda: self.now)


def test_an_idle_worker_is_healthy_and_has_its_time_when_records_come() -> None:
    scene = _Scene()
    assert scene.progress.healthy()
    scene.now, scene.waiting = 10 * STUCK_SECONDS, 3
    assert scene.progress.healthy()
    scene.now += STUCK_SECONDS + 1
    assert not scene.progress.healthy()
    scene.waiting = 0
    assert scene.progress.healthy()


def test_a_backlog_is_no_sickness_while_batches_end() -> None:
    scene = _Scene()
    scene.waiting = 1_000_000
    for _ in range(10):
        scene.now += 0.9 * STUCK_SECONDS
        assert scene.progress.healthy()
        scene.progress.batch_done()
