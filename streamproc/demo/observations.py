"""What the demo sees on the topics, and what happened in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from schemas.knowledge import ModelUpdate
from schemas.outputs import DriftSignal, Recommendation
from schemas.record import RecordError, decode
from streamproc.demo.backlog import Backlog, Place
from streamproc.simulator.events import Event
from streamproc.simulator.records import ShownList, read_shown

_SAMPLE_SECONDS = 8.0  # how long the live view stays with one user
_NEWS = 200


@dataclass(frozen=True, slots=True)
class Alarm:
    """A drift signal and the number of events that had been sent when it was read."""

    event: int
    signal: DriftSignal


@dataclass
class Observations:
    """Everything read so far; pure bookkeeping, fed by the shell.

    Attributes
    ----------
    on_list : callable
        Called with each recommended list.
    events : int
        Events acknowledged by the broker.
    versions : dict
        Last record of each version that was learned, by version.
    went_live : dict
        Number of events at which each version was put into service.
    news : deque of (int, str)
        What happened, with the number of events at that time.
    sample : Recommendation or None
        The last list of the user whom the live view shows.
    last_record, last_answer : float
        When the last record, and the last recommendation, was read; monotonic seconds.
    """

    on_list: Callable[[ShownList], None]
    backlog: Backlog = field(default_factory=Backlog)
    events: int = 0
    users: dict[str, Event] = field(default_factory=dict)
    recommendations: int = 0
    dead_letters: int = 0
    alarms: list[Alarm] = field(default_factory=list)
    versions: dict[int, ModelUpdate] = field(default_factory=dict)
    went_live: dict[int, int] = field(default_factory=dict)
    news: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=_NEWS))
    sample: Recommendation | None = None
    last_record: float = 0.0
    last_answer: float = 0.0
    _sample_since: float = 0.0

    def sent(self, event: Event, place: Place, timestamp_ms: int, at: float) -> None:
        """Take an acknowledged event, its record's timestamp, and the monotonic time of sending in seconds."""
        self.events += 1
        self.users[event.user_id] = event
        self.backlog.sent(event.user_id, place, timestamp_ms, at)

    def record(self, role: str, record: Any, now: float) -> None:
        """Take a record of a followed topic, read at `now` (monotonic seconds)."""
        self.last_record = now
        try:
            if role == "recommendations":
                self._recommendation(record.value, now)
            elif role == "drift-signals":
                self._signal(decode(DriftSignal, record.value))
            elif role == "model-updates":
                self._update(record.key, decode(ModelUpdate, record.value))
            elif role == "dead-letters":
                self._dead_letter(dict(record.headers))
        except RecordError as error:
            self.tell(f"an unreadable record on {role}: {error.reason}")

    def tell(self, words: str) -> None:
        """Add to the news."""
        self.news.append((self.events, words))

    def count(self, verdict: str) -> int:
        """Number of learned versions with a verdict; the initial model and rollbacks were not learned."""
        return sum(u.verdict == verdict and u.kind in ("refresh", "meta") for u in self.versions.values())

    @property
    def triggers(self) -> list[Alarm]:
        """Alarms that call for a meta-update."""
        return [alarm for alarm in self.alarms if alarm.signal.kind == "trigger"]

    def _recommendation(self, raw: bytes | None, now: float) -> None:
        shown = read_shown(raw)
        self.recommendations += 1
        self.last_answer = now
        self.backlog.answered(shown.user_id, Place(*shown.source), now)
        self.on_list(shown)
        same = self.sample is not None and self.sample.user_id == shown.user_id
        if same or now - self._sample_since > _SAMPLE_SECONDS:
            self._sample_since = self._sample_since if same else now
            # Only this one in full: validating 60 reasons of every list would cost more than all the rest here.
            self.sample = decode(Recommendation, raw)

    def _signal(self, signal: DriftSignal) -> None:
        self.alarms.append(Alarm(self.events, signal))
        if signal.kind == "evidence":
            return  # there is a lot of it, and it decides nothing
        what = {"trigger": "drift alarm", "command": "command"}[signal.kind]
        self.tell(f"{what}: {signal.name} {signal.before:.3g} -> {signal.after:.3g} ({signal.detector})")

    def _update(self, key: bytes | None, update: ModelUpdate) -> None:
        if key == b"base":
            if update.serving and update.version not in self.went_live:
                self.went_live[update.version] = self.events
            return
        known = self.versions.get(update.version)
        self.versions[update.version] = update
        if update.kind == "initial" or update.verdict == "candidate":
            return
        if known is None or known.verdict != update.verdict:
            kind = "" if update.reason.startswith(update.kind) else f"{update.kind}: "
            self.tell(f"version {update.version} {update.verdict.replace('_', ' ')}; {kind}{update.reason}")

    def _dead_letter(self, headers: dict[str, bytes]) -> None:
        self.dead_letters += 1
        said = b" ".join(headers.values()).decode(errors="replace")
        self.tell(f"dead letter: {said[:100]}")
