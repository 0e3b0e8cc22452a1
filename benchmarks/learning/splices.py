"""Real streams with a splice at half of their rows: the served system beside a learner that serves every step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.evaluation.arms import ARMS
from streamproc.evaluating import evaluate_file
from streamproc.settings import Settings

QUICK_ROWS = 12_000
ONLINE = "every_event"


def measure(files: Sequence[Path], quick: bool) -> dict[str, Any]:
    """MRR@20 around the splice, relative to the learner that serves its own parameters after every event.

    `calm` are the last 5,000 rows before the splice (of a short file, all since the first tenth), `splice` the 5,000
    after it. A quick run takes the first 12,000 rows of each file and that arm alone, else whole files and all arms.
    """
    names = [ONLINE] if quick else list(ARMS)
    figures: dict[str, Any] = {"splice_mrr_change_vs_online": {}, "calm_mrr_change_vs_online": {}, "files": {}}
    for path in files:
        result = evaluate_file(
            Settings(), path, k=20, limit=QUICK_ROWS if quick else None, arms=names, baselines=[], splice=True
        )
        figures["splice_mrr_change_vs_online"][path.name] = _change(result, "after_splice")
        figures["calm_mrr_change_vs_online"][path.name] = _change(result, "before_splice")
        figures["files"][path.name] = {
            name: {part: arm["splits"]["window"][part]["mrr"] for part in ("before_splice", "after_splice")}
            for name, arm in {"served": result, **result["arms"]}.items()
        } | {"gains": {name: arm["we_gain"]["mrr"] for name, arm in result["arms"].items()}}
    return figures


def _change(result: dict[str, Any], part: str) -> float | None:
    ours, theirs = (each["splits"]["window"][part]["mrr"] for each in (result, result["arms"][ONLINE]))
    return ours / theirs - 1 if theirs else None
