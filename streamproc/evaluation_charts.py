"""Charts of an evaluation as SVG text."""

import io
from collections.abc import Mapping
from typing import Any

from streamproc.errors import StreamprocError

try:
    from matplotlib import colormaps, rc_context
    from matplotlib.figure import Figure
except ImportError as error:  # an optional extra: only the report draws
    raise StreamprocError("--report needs matplotlib: pip install 'streamproc[report]'") from error

Figures = Mapping[str, Any]

US = "streamproc"
_OURS = "#1f4e9c"
_SOURCE_COLUMNS = {
    "recall": "recall",
    "recall_alone": "recall by it alone",
    "hits": "of the hits",
    "shown": "of the items shown",
}
STYLE = {
    "svg.fonttype": "none",  # text stays text: smaller, and readers can search it
    "svg.hashsalt": "streamproc",  # ids, and so pages, are the same for the same figures
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}


def parts(result: Figures) -> dict[str, Figures]:
    """The recommender, its arms and the baselines by name."""
    return {US: result, **result["arms"], **result["baselines"]}


def curves(result: Figures, metric: str) -> str:
    """A metric over the rows, of everybody."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.set_prop_cycle(color=colormaps["tab20"](range(20)))
        for name, figures in parts(result).items():
            ours = name == US
            axes.plot(
                result["curve_rows"],
                figures["curve"][metric],
                label=name,
                linewidth=2.2 if ours else 1,
                color=_OURS if ours else None,
                zorder=3 if ours else 2,
                linestyle="--" if name in result["arms"] else "-",
            )
        axes.set_xlabel("rows")
        axes.set_ylabel(f"{metric.upper()}@{result['k']}")
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside right upper", frameon=False)
        return svg(figure)


def bars(result: Figures, split: str, names: list[str], metric: str = "mrr") -> str:
    """A metric in the parts of a split, of those named."""
    shown = {name: figures for name, figures in parts(result).items() if name in names}
    kinds = [kind for kind, scores in result["splits"][split].items() if scores["rows"]]
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 3), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(shown)
        for index, (name, figures) in enumerate(shown.items()):
            axes.bar(
                [place + index * width for place in range(len(kinds))],
                [figures["splits"][split][kind][metric] for kind in kinds],
                width,
                label=name,
                color=_OURS if name == US else None,
            )
        axes.set_xticks(
            [place + 0.4 - width / 2 for place in range(len(kinds))],
            [f"{kind}\n{result['splits'][split][kind]['rows']:,} rows" for kind in kinds],
        )
        axes.set_ylabel(f"{metric.upper()}@{result['k']}")
        figure.legend(loc="outside right upper", frameon=False)
        return svg(figure)


def gains(result: Figures, metric: str = "mrr") -> str:
    """By how many per cent the recommender is better, with 95 % intervals."""
    rows = [
        (name, figures["we_gain"][metric]["all"])
        for name, figures in parts(result).items()
        if "we_gain" in figures and figures["we_gain"][metric]["all"]["change_percent_interval"]
    ][::-1]
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 0.8 + 0.26 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, (_, gain) in enumerate(rows):
            axes.plot(gain["change_percent_interval"], [place, place], color=_OURS, linewidth=2)
            axes.plot(gain["change_percent"], place, "o", color=_OURS)
        axes.axvline(0, color="grey", linewidth=0.8)
        axes.set_xscale("symlog", linthresh=10)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_xlabel(f"{metric.upper()}@{result['k']} of streamproc over it, %")
        return svg(figure)


def sources(result: Figures) -> str:
    """What each retriever contributes."""
    names = list(result["retrievers"])[::-1]
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 0.6 + 0.2 * len(names)), layout="constrained")
        for axes, (column, title) in zip(
            figure.subplots(1, 4, sharey=True),
            _SOURCE_COLUMNS.items(),
            strict=True,
        ):
            axes.barh(names, [100 * (result["retrievers"][name][column] or 0) for name in names], color=_OURS)
            axes.set_xlabel(f"{title}, %")
        return svg(figure)


def svg(figure: Figure) -> str:
    """A figure as an SVG element."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
