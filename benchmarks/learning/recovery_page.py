"""`python -m benchmarks.learning.recovery_page FILE`: the curves of a run's JSON into docs/learning-recovery.svg."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.learning.recovery import ATTAINABLE, BACK, NEW_BASE, WHOLE
from streamproc.evaluation_charts import STYLE, svg

TARGET = Path(__file__).parents[2] / "docs" / "learning-recovery.svg"
_FORMS = {WHOLE: "-", NEW_BASE: ":"}


def chart(recovery: Mapping[str, Any]) -> str:
    """Hit rates of all arms after the change and the attainable one: medians, for some with their spread."""
    block = recovery["block_events"]
    curves = {name: arm["curve"] for name, arm in recovery["arms"].items()} | {ATTAINABLE: recovery[ATTAINABLE]}
    ends = [block * number for number in range(1, len(recovery[ATTAINABLE]) + 1)]
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        for name, curve in curves.items():
            medians = [each["median"] for each in curve]
            color = "black" if name == ATTAINABLE else None
            (line,) = axes.plot(ends, medians, _FORMS.get(name, "-" if color else "--"), label=name, color=color)
            if name in (WHOLE, ATTAINABLE):
                low, high = ([each[side] for each in curve] for side in ("lowest", "highest"))
                axes.fill_between(ends, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
            if color:
                axes.plot(ends, [BACK * each for each in medians], color="grey", linewidth=0.8, label="90 % of it")
        whole = recovery["arms"][WHOLE]
        axes.axhline(whole["before"], color="grey", linestyle="-.", linewidth=0.8, label="before the change")
        if (served := whole["served_event"]["median"]) is not None:
            axes.axvline(served, color="grey", linestyle=":", label="alarm, new version")
        axes.set_xlabel(f"events after the change, blocks of {block}")
        axes.set_ylabel("HR@20")
        figure.legend(loc="outside right upper", frameon=False)
        return svg(figure)


if __name__ == "__main__":
    TARGET.write_text(chart(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["recovery"]), encoding="utf-8")
