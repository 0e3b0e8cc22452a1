"""The live view: plain lines, redrawn in place on a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import TextIO

from schemas.outputs import Recommendation
from streamproc.demo.observations import Observations
from streamproc.demo.quality import Arm, Course
from streamproc.demo.summary import WINDOW

_BAR = 30
_LISTED = 5
_NEWS = 6
_ARMS: tuple[tuple[Arm, str], ...] = (
    ("shown", "shown"),
    ("unadapted", "un-adapted"),
    ("popularity", "popularity"),
)


def status(seen: Observations, course: Course, rate: float) -> str:
    """One line, for logs."""
    done = course.last.processed if course.last else 0
    rates = ", ".join(f"{words} {_percent(_recent(course, arm))}" for arm, words in _ARMS)
    return (
        f"{seen.events:,} events ({rate:,.0f}/s), {seen.recommendations:,} recommendations, hit rate @20 of the last"
        f" {min(done, WINDOW):,}: {rates}; {len(seen.triggers)} drift alarms, version"
        f" {course.last.version if course.last else 0}"
    )


def lines(
    seen: Observations, course: Course, *, rate: float, title: Callable[[str], str], header: str, goal: int | None
) -> list[str]:
    """Return the whole view.

    Parameters
    ----------
    rate : float
        Events per second now.
    title : callable
        Gives an item's name.
    header : str
        Says which broker and which delivery guarantee.
    goal : int or None
        Events to send in all.
    """
    done = course.last.processed if course.last else 0
    p50, p99 = (seen.backlog.quantile(share, newest=WINDOW) for share in (0.5, 0.99))
    version = course.last.version if course.last else 0
    view = [
        header,
        "",
        f"events in {seen.events:,}{f' of {goal:,}' if goal else ''} ({rate:,.0f}/s)   "
        f"recommendations out {seen.recommendations:,}   users {len(seen.users):,}   "
        f"dead letters {seen.dead_letters:,}",
        f"event to recommendation: p50 {_ms(p50)}, p99 {_ms(p99)}",
        "",
        f"hit rate @20 over the last {min(done, WINDOW):,} events",
        *(f"  {words:11}{_percent(_recent(course, arm))}  {_bar(_recent(course, arm))}" for arm, words in _ARMS),
        "",
        f"base model: version {version} in service, {seen.count('promoted')} promoted, "
        f"{seen.count('rejected')} rejected; drift alarms: {len(seen.triggers)}",
        "",
    ]
    if seen.sample is not None:
        view += [*_user(seen, seen.sample, title), ""]
    view += [f"  {event:>9,}  {words}" for event, words in list(seen.news)[-_NEWS:]]
    return view


class Screen:
    """Draws views over each other on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._height = 0

    def draw(self, view: Sequence[str]) -> None:
        """Replace what was drawn before."""
        size = shutil.get_terminal_size()
        shown = [line[: size.columns - 1] for line in view][: size.lines - 1]
        up = f"\x1b[{self._height}F" if self._height else ""
        # Each line is cleared to its end, then everything below: what was longer before must not shine through.
        self._stream.write(up + "".join(f"{line}\x1b[K\n" for line in shown) + "\x1b[J")
        self._stream.flush()
        self._height = len(shown)


def _user(seen: Observations, sample: Recommendation, title: Callable[[str], str]) -> list[str]:
    event = seen.users.get(sample.user_id)
    did = {"click": "clicked on", "cart": "put into the cart", "purchase": "bought"}
    what = f" {did[event.kind]} {title(event.item_id)}" if event else ""
    rows = [f"{sample.user_id}{what} and is now shown (version {sample.model_version}):"]
    for place, item in enumerate(sample.items[:_LISTED], start=1):
        reasons = "; ".join(reason.words for reason in item.reasons)
        rows.append(f"  {place}. {title(item.item_id):26} {reasons}")
    return rows


def _recent(course: Course, arm: Arm) -> float | None:
    done = course.last.processed if course.last else 0
    return course.hit_rate(arm, max(0, done - WINDOW), done)


def _bar(share: float | None) -> str:
    return "█" * round((share or 0.0) * _BAR)


def _percent(share: float | None) -> str:
    return "  - " if share is None else f"{share:4.0%}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1_000:.0f} ms"
