"""Events are matched with the recommendations that rest on them."""

from __future__ import annotations

import pytest

from streamproc.demo.backlog import Backlog, Place


def test_a_list_covers_its_event_and_all_before_of_that_user_in_any_topic() -> None:
    backlog = Backlog()
    backlog.sent("ada", Place("clicks", 0, 1), at=1.0)
    backlog.sent("bob", Place("clicks", 0, 2), at=1.0)
    backlog.sent("ada", Place("purchases", 0, 0), at=2.0)
    backlog.sent("ada", Place("clicks", 0, 3), at=3.0)
    backlog.answered("ada", Place("purchases", 0, 0), at=5.0)
    assert list(backlog.latencies) == [4.0, 3.0]
    assert backlog.waiting == 2


def test_an_answer_that_is_read_before_the_acknowledgement_counts() -> None:
    backlog = Backlog()
    backlog.sent("ada", Place("clicks", 0, 1), at=1.0)
    backlog.answered("ada", Place("clicks", 0, 2), at=4.0)
    assert backlog.waiting == 1
    backlog.sent("ada", Place("clicks", 0, 2), at=3.5)
    assert backlog.waiting == 0
    assert list(backlog.latencies) == [3.0, 0.5]


def test_the_same_answer_twice_changes_nothing() -> None:
    backlog = Backlog()
    for offset in (1, 2):
        backlog.sent("ada", Place("clicks", 0, offset), at=1.0)
        backlog.answered("ada", Place("clicks", 0, 1), at=2.0)
    assert (backlog.waiting, list(backlog.latencies)) == (1, [1.0])


def test_quantiles() -> None:
    backlog = Backlog()
    assert backlog.quantile(0.5) is None
    for offset in range(100):
        backlog.sent("ada", Place("clicks", 0, offset), at=0.0)
        backlog.answered("ada", Place("clicks", 0, offset), at=float(offset))
    assert backlog.quantile(0.5) == pytest.approx(50)
    assert backlog.quantile(0.99) == pytest.approx(99)
    assert backlog.quantile(0.5, newest=10) == pytest.approx(95)
