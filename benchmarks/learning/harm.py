"""A version with negated weights is forced through: after how many events what workers report takes it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.learning.swaps import Shop, equals, stream
from schemas.evidence import decode_evidence, encode_evidence
from streamproc.settings import Settings
from streamproc.trainer.live import LiveEvidence
from streamproc.worker.evidence import EvidenceWindow

MOST = 5_000  # events


def measure() -> dict[str, Any]:
    """Events until the trainer, from the records of one worker and of four, says that the version has lost."""
    events = stream()
    learned, (good, _) = equals(events)
    bad = replace(good, version=good.version + 1, parent=good.version, skip=-good.skip, out=-good.out)
    delays: dict[int, int | None] = {}
    for workers in (1, 4):
        shop = Shop(bad, like=learned)
        shop.recommender.shadows.replace([good])
        live = LiveEvidence(Settings(), lambda: 0.0)
        live.on_probation(bad.version, good.version)
        windows = [EvidenceWindow() for _ in range(workers)]
        delays[workers] = None
        for number in range(1, MOST + 1):
            event = next(events)
            window = windows[event.user % workers]
            evidence = window.add(event, shop.learn(event))
            learned.observe(event)
            if evidence is not None and live.add(decode_evidence(encode_evidence(evidence))) and live.lost:
                delays[workers] = number
                break
    return {"harmful_rollback_events": delays[1], "harmful_rollback_events_4_workers": delays[4]}
