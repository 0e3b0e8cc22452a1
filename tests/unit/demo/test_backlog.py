"""Events are matched with the recommendations that rest on them."""

from __future__ import annotations

import pytest

from streamproc.demo import backlog as module
from streamproc.demo.backlog import Backlog, Place


def send(backlog: Backlog, user: str, topic: str, offset: int, at: float) -> Place:
    place = Place(topic, 0, offset)
    backlog.sent(user, place, timestamp_ms=int(at * 1_000), at=at)
    return place


def test_a_list_covers_its_event_and_all_before_of_that_user_in_any_topic() -> None:
    backlog = Backlog()
    send(backlog, "ada", "clicks", 1, at=1.0)
    send(backlog, "bob", "clicks", 2, at=1.0)
    bought = send(backlog, "ada", "purchases", 0, at=2.0)
    send(backlog, "ada", "clicks", 3, at=3.0)
    backlog.answered("ada", bought, at=5.0)
    assert list(backlog.latencies) == [4.0, 3.0]
    assert backlog.waiting == 2


def test_the_order_of_sending_counts_not_that_of_the_acknowledgements() -> None:
    backlog = Backlog()
    bought = send(backlog, "ada", "purchases", 0, at=2.0)
    send(backlog, "ada", "clicks", 1, at=1.0)  # sent before, acknowledged after
    backlog.answered("ada", bought, at=5.0)
    assert backlog.waiting == 0
    assert sorted(backlog.latencies) == [3.0, 4.0]


def test_an_answer_that_is_read_before_the_acknowledgement_counts() -> None:
    backlog = Backlog()
    send(backlog, "ada", "clicks", 1, at=1.0)
    backlog.answered("ada", Place("clicks", 0, 2), at=4.0)
    assert backlog.waiting == 1
    send(backlog, "ada", "clicks", 2, at=3.5)
    assert backlog.waiting == 0
    assert list(backlog.latencies) == [3.0, 0.5]


def test_the_same_answer_twice_changes_nothing() -> None:
    backlog = Backlog()
    for offset in (1, 2):
        send(backlog, "ada", "clicks", offset, at=float(offset))
        backlog.answered("ada", Place("clicks", 0, 1), at=2.0)
    assert (backlog.waiting, list(backlog.latencies)) == (1, [1.0])


def test_answers_to_strangers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EARLY", 3)
    backlog = Backlog()
    for offset in range(10):
        backlog.answered("ada", Place("clicks", 0, offset), at=1.0)
    send(backlog, "ada", "clicks", 0, at=0.5)
    assert backlog.waiting == 1
    send(backlog, "ada", "clicks", 9, at=0.75)
    assert backlog.waiting == 0


def test_quantiles() -> None:
    backlog = Backlog()
    assert backlog.quantile(0.5) is None
    for offset in range(100):
        backlog.answered("ada", send(backlog, "ada", "clicks", offset, at=0.0), at=float(offset))
    assert backlog.quantile(0.5) == pytest.approx(50)
    assert backlog.quantile(0.99) == pytest.approx(99)
    assert backlog.quantile(0.5, newest=10) == pytest.approx(95)
