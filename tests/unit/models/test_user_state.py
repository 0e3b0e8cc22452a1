"""The user record survives bytes exactly, stays small, and refuses what it cannot read."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import D
from models.interaction import EventType, Interaction
from models.own_items import ORDER
from models.user_state import ITEMS, UserState, UserStateError
from schemas.record import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS

EVENTS = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(list(EventType)), st.integers(0, 10**8), st.booleans()), max_size=120
)


def event(item: object, kind: EventType, timestamp_ms: int, event_id: str | None = None) -> Interaction:
    return Interaction(7, f"item-{item}", kind, timestamp_ms, event_id=event_id)


def play(events: list[tuple[int, EventType, int, bool]], through_bytes: bool) -> UserState:
    state, now = UserState(), 1_500_000_000_000
    for item, kind, gap_ms, identified in events:
        now += gap_ms
        state.take(event(item, kind, now, f"event-{now}" if identified else None))
        if through_bytes:
            state = UserState.decode(state.encode())
    return state


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_encoding_after_every_event_changes_nothing(events: list[tuple[int, EventType, int, bool]]) -> None:
    assert play(events, through_bytes=True).encode() == play(events, through_bytes=False).encode()


@pytest.mark.parametrize("timestamp_ms", [MIN_TIMESTAMP_MS, 946_684_799_999, 946_684_800_000, MAX_TIMESTAMP_MS - 1])
def test_every_time_that_records_may_have_survives_bytes(timestamp_ms: int) -> None:
    state = UserState()
    state.take(event(1, EventType.CLICK, timestamp_ms))
    decoded = UserState.decode(state.encode())
    assert (decoded.last[0], decoded.last_ms) == (timestamp_ms // 1000, timestamp_ms)


def test_full_record_is_at_most_one_kilobyte() -> None:
    state = play([(i % 200, EventType.CLICK, 10_000, True) for i in range(500)], through_bytes=False)
    state.fast[:] = 0.5
    state.show([str(i) for i in range(20)])
    assert np.count_nonzero(state.items) == ITEMS
    assert len(state.order) == ORDER - (ORDER - ITEMS)  # only what is still remembered
    assert len(state.encode()) <= 1024


def test_favourite_outlives_a_stream_of_passing_items() -> None:
    state = play([(0, EventType.PURCHASE, 1000, False)] * 12, through_bytes=False)
    favourite = state.items[0]
    for i in range(1, 60):
        state.take(event(i, EventType.CLICK, state.last_ms + 1000))
    assert favourite in state.items


def test_sessions_end_after_thirty_idle_minutes() -> None:
    minute = 60_000
    state = play([(1, EventType.CLICK, 0, False), (2, EventType.CLICK, 30 * minute, False)], through_bytes=False)
    assert state.session_length == 2
    state.take(event(3, EventType.CLICK, state.last_ms + 30 * minute + 1))
    assert state.session_length == 1
    assert (state.order >> 7).tolist() == [1, 0, 1]


def test_duplicate_event_ids_are_recognised_within_a_bounded_window() -> None:
    state = UserState()
    for i in range(20):
        state.take(event("a", EventType.CLICK, 1_500_000_000_000 + i, f"e{i}"))
    assert state.is_duplicate("e19")
    assert state.is_duplicate("e4")
    assert not state.is_duplicate("e3")
    assert not state.is_duplicate(None)


def test_shown_rank_is_one_based() -> None:
    state = UserState()
    state.show(["a", "b"])
    assert [state.shown_rank(item) for item in ("a", "b", "c")] == [1, 2, None]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_never_crash(raw: bytes) -> None:
    with suppress(UserStateError):
        UserState.decode(raw)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 300), st.integers(0, 255), st.integers(0, 300))
def test_damaged_records_never_crash(at: int, value: int, cut: int) -> None:
    state = play([(i, EventType.CLICK, 60_000, True) for i in range(9)], through_bytes=False)
    state.fast[:] = np.linspace(-1, 1, D)
    raw = bytearray(state.encode())
    raw[at % len(raw)] = value
    for damaged in (bytes(raw), bytes(raw[: len(raw) - cut])):
        try:
            decoded = UserState.decode(damaged)
        except UserStateError:
            continue
        decoded.take(event(1, EventType.CLICK, 1_600_000_000_000))
        decoded.encode()


def test_longer_records_of_a_later_release_are_read() -> None:
    state = play([(1, EventType.CLICK, 0, True)], through_bytes=False)
    assert UserState.decode(state.encode() + b"more").encode() == state.encode()
    with pytest.raises(UserStateError, match="format"):
        UserState.decode(b"\x01" + state.encode()[1:])
