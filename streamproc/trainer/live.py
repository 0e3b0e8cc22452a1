"""What workers report of their live traffic: drift, proofs of candidates, whether a promoted version stays, floods."""

from __future__ import annotations

from collections.abc import Callable

from models.causes import Floods, Traffic
from models.drift import Alarm
from models.trigger import Trigger
from schemas.evidence import Evidence, unpack
from streamproc.settings import Settings
from streamproc.trainer.proof import Gains, Probation, Proof, Verdict

SILENT_GAPS = 30.0  # a stream is silent after so many of its usual gaps ...
SILENT_SECONDS = 30.0  # ... and at least so long


class LiveEvidence:
    """The merged stream of all workers' evidence.

    Attributes
    ----------
    lost : the version in service has lost to its parent: why.
    kept : its probation is over: what it measured.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._floods = Floods()
        self._trigger = Trigger()
        self._probation: Probation | None = None
        self._alarms: list[tuple[Alarm, int]] = []
        self._last_ms = 0
        self._last_seen = clock()
        self._gap = 0.0
        self._silent = False
        self._proving_since = 0.0
        self.proof: Proof | None = None
        self._verdict: Verdict | None = None
        self.lost: Verdict | None = None
        self.kept: Verdict | None = None

    def prove(self, candidate: int, serving: int, *, better: bool) -> None:
        """Begin to compare a candidate with what serves."""
        self.proof = Proof(candidate, serving, self._settings, better=better)
        self._verdict = None
        self._proving_since = self._clock()

    def withdraw(self) -> None:
        """End the comparison with the candidate."""
        self.proof = self._verdict = None

    def on_probation(self, serving: int, parent: int | None) -> None:
        """Compare the version that serves with its parent from now on; without one, no longer."""
        self._probation = None if parent is None else Probation(serving, parent, self._settings)
        self.lost = self.kept = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the candidate in the shadow, once there is one.

        A promotion waits while the parent of what serves does better: a candidate that learned from a version that is
        about to be rolled back would be proven against that version only.
        """
        doubtful = self._probation is not None and self._probation.doubtful
        waits = self._verdict is not None and self._verdict.accepted and doubtful and not self._late
        return None if waits else self._verdict

    @property
    def overdue(self) -> bool:
        """Whether the time in which live traffic could have decided on the candidate is over."""
        return self.proof is not None and self._verdict is None and self._late

    @property
    def _late(self) -> bool:
        return self._clock() - self._proving_since >= self._settings.promotion_timeout_seconds

    @property
    def floods(self) -> tuple[str, ...]:
        """Names of what floods the traffic at present."""
        return self._floods.names

    def add(self, evidence: Evidence) -> bool:
        """Take a worker's report; True when there is something to do: an alarm, a verdict or the end of a probation."""
        now = self._clock()
        gap, self._last_seen = now - self._last_seen, now
        self._gap = gap if self._silent else self._gap + 0.05 * (gap - self._gap)
        self._silent = False
        self._last_ms = evidence.timestamp_ms
        traffic = Traffic(tuple(evidence.items.tolist()), evidence.new_items, evidence.new_users)
        self._alarms += [(alarm, evidence.timestamp_ms) for alarm in self._floods.update(traffic)]
        for byte in evidence.outcomes.tolist():
            if alarm := self._trigger.update(*unpack(byte)):
                self._alarms.append((alarm, evidence.timestamp_ms))
        self._compare(evidence)
        return bool(self._alarms or self.verdict or self.lost or self.kept)

    def take_alarms(self) -> list[tuple[Alarm, int]]:
        """Alarms since the last call, each with the time of the event that raised it."""
        self._listen()
        taken, self._alarms = self._alarms, []
        return taken

    def _listen(self) -> None:
        """Raise an alarm when a stream that flowed has fallen silent."""
        silence = self._clock() - self._last_seen
        if self._last_ms and not self._silent and silence > max(SILENT_SECONDS, SILENT_GAPS * self._gap):
            self._silent = True
            alarm = Alarm("stopped_producer", "evidence", "silence", self._gap, silence, 1)
            self._alarms.append((alarm, self._last_ms))

    def _compare(self, evidence: Evidence) -> None:
        if (proof := self.proof) and not self._verdict:
            gains = _gains(evidence, proof.candidate, proof.serving)
            if len(gains):
                self._verdict = proof.add(gains)
        if (probation := self._probation) and not (self.lost or self.kept):
            gains = _gains(evidence, probation.parent, probation.serving)
            if len(gains) and (verdict := probation.add(gains)):
                self.lost, self.kept = (None, verdict) if verdict.accepted else (verdict, None)


def _gains(evidence: Evidence, shadow: int, serving: int) -> Gains:
    gains: Gains = evidence.gain[(evidence.shadow == shadow) & (evidence.serving == serving)]
    return gains
