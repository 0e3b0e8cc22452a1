"""The report of evaluations: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from models.evaluation.arms import ARMS
from streamproc import evaluation_charts as charts
from streamproc.files import FileError

Figures = Mapping[str, Any]

_PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>streamproc evaluation</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .15em .7em; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left }
tr.us { font-weight: bold } svg { max-width: 100%; height: auto } small { color: #555 }
</style></head><body>
<h1>streamproc evaluation</h1>
<p>Strictly prequential: every row first tests the list that stood before it, then teaches. Scores are over the rows
after the first 10 %. Intervals are 95 %, from a paired block bootstrap. Coverage is the share of all items that were
in any list; diversity the share of pairs in a list whose categories differ; novelty the mean self-information of the
items shown, in bits.</p>
$sections
</body></html>
""")

_SECTION = Template("""<h2>$file</h2>
<p>$rows rows, $scored scored, k = $k. Candidate recall $recall. $versions base versions were published.</p>
$scores
<p><small>$arms</small></p>
<h3>Gain, with 95 % intervals</h3>$gains
<h3>Over the rows</h3>$curves
<h3>By how long the user is known</h3>$ages
<h3>Items that the user had touched before, new ones, and items never seen</h3>$items
<h3>Where the candidates came from</h3>$sources
""")


def write_page(path: Path, results: Sequence[Figures]) -> None:
    """Write the report of one or several evaluations (`models.evaluation.summary`, with the file's name).

    Raises
    ------
    FileError
        The file cannot be written.
    """
    sections = "\n".join(_section(result) for result in results if result["scored_rows"])
    try:
        path.write_text(_PAGE.substitute(sections=sections or "<p>No row was scored.</p>"), encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from None


def _section(result: Figures) -> str:
    best = max(result["baselines"], key=lambda name: float(result["baselines"][name]["mrr"]), default="")
    few = [charts.US, *result["arms"], best]
    return _SECTION.substitute(
        file=escape(result["file"]),
        rows=f"{result['rows']:,}",
        scored=f"{result['scored_rows']:,}",
        k=result["k"],
        recall=_number(result["recall"]),
        versions=result["versions"],
        scores=_scores(result),
        arms="<br>".join(f"<b>{escape(name)}</b>: {escape(ARMS[name].words)}" for name in result["arms"]),
        gains=charts.gains(result),
        curves=charts.curves(result, "mrr") + charts.curves(result, "hr"),
        ages=charts.bars(result, "user_age", few),
        items=charts.bars(result, "item", few),
        sources=charts.sources(result),
    )


def _scores(result: Figures) -> str:
    k = result["k"]
    head = (f"HR@{k}", f"MRR@{k}", "95 %", f"NDCG@{k}", "HR@1", "coverage", "diversity", "novelty", "ms/event")
    rows = ["<tr><th></th>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>"]
    for name, figures in charts.parts(result).items():
        low, high = figures["intervals"]["mrr"]
        cells = (
            _number(figures["hr"]),
            _number(figures["mrr"]),
            f"{_number(low)} to {_number(high)}",
            _number(figures["ndcg"]),
            _number(figures["at"]["1"]["hr"]),
            _number(figures["coverage"]),
            _number(figures["diversity"]),
            "" if figures["novelty"] is None else f"{figures['novelty']:.1f}",
            f"{1000 * figures['seconds_per_event']:.3f}",
        )
        line = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr class="{"us" if name == charts.US else "rival"}"><td>{escape(name)}</td>{line}</tr>')
    return f"<table>{''.join(rows)}</table>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}".removeprefix("0") if 0 < value < 1 else f"{value:.4f}"
