"""Writes the tables of docs/quality.md from summaries of evaluations (`make quality`).

python -m streamproc.quality_page SUMMARY.json...
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.generate import ROOT, fill

Figures = Mapping[str, Any]


def quality_tables(results: Sequence[Figures]) -> str:
    """Markdown of evaluations (`models.evaluation.summary`, with the file's name); whole files and first rows alike."""
    return "\n\n".join((_headline(results), _everybody(results), _arms(results), _kinds(results), _sources(results)))


def _headline(results: Sequence[Figures]) -> str:
    rows = []
    for result in results:
        best = max(result["baselines"], key=lambda name: float(result["baselines"][name]["mrr"]))
        gain = result["baselines"][best]["we_gain"]["mrr"]["all"]
        most_hits = max(result["baselines"], key=lambda name: float(result["baselines"][name]["hr"]))
        rows.append(
            [
                *_stream(result),
                _with_interval(result, "mrr"),
                _with_interval(result, "hr"),
                f"{_short(result['baselines'][best]['mrr'])} {best}",
                _percent(gain),
                f"{_short(result['baselines'][most_hits]['hr'])} {most_hits}",
                _short(result["recall"]),
            ]
        )
    k = results[0]["k"]
    head = [
        "stream",
        "rows",
        f"MRR@{k}",
        f"HR@{k}",
        "best baseline's MRR",
        "gain on it, %",
        "best baseline's HR",
        "recall",
    ]
    return "### Against the best baseline\n\n" + _table(head, rows)


def _everybody(results: Sequence[Figures]) -> str:
    names = list(dict.fromkeys(name for result in results for name in result["baselines"]))
    rows = [
        [
            *_stream(result),
            _pair(result),
            *(_pair(result["baselines"][name]) if name in result["baselines"] else "" for name in names),
        ]
        for result in results
    ]
    k = results[0]["k"]
    return f"### Everybody, MRR@{k} / HR@{k}\n\n" + _table(["stream", "rows", "streamproc", *names], rows)


def _arms(results: Sequence[Figures]) -> str:
    rows = [
        [
            *_stream(result),
            name,
            _percent(figures["we_gain"]["mrr"]["all"]),
            _percent(figures["we_gain"]["mrr"]["user_age 3-10"]),
            _percent(figures["we_gain"]["mrr"]["last half"]),
            _percent(figures["we_gain"]["hr"]["all"]),
        ]
        for result in results
        for name, figures in result["arms"].items()
    ]
    head = ["stream", "rows", "over the arm", "MRR, %", "MRR on events 3 to 10, %", "MRR in the last half, %", "HR, %"]
    return "### What each part is worth\n\n" + _table(head, rows)


def _kinds(results: Sequence[Figures]) -> str:
    columns = [("user_age", age) for age in results[0]["splits"]["user_age"]]
    columns += [("item", kind) for kind in results[0]["splits"]["item"]]
    rows = [
        [*_stream(result), *(_part(result["splits"][split][part], result["scored_rows"]) for split, part in columns)]
        for result in results
    ]
    head = ["stream", "rows", *(f"event {part}" if split == "user_age" else part for split, part in columns)]
    return "### For whom, and what: MRR (share of the rows)\n\n" + _table(
        [name.replace("_", " ") for name in head], rows
    )


def _sources(results: Sequence[Figures]) -> str:
    rows = []
    for name in results[0]["retrievers"]:
        shares = [result["retrievers"][name] for result in results]
        rows.append([name, *(f"{_points(share['recall'])} / {_points(share['recall_alone'])}" for share in shares)])
    head = ["source", *(" ".join(_stream(result)) for result in results)]
    return "### Where the items were found: recall / recall by it alone, % of the rows\n\n" + _table(head, rows)


def _stream(result: Figures) -> list[str]:
    return [result["file"].split(".")[0], f"{result['rows']:,}"]


def _part(scores: Figures, of: int) -> str:
    return f"{_short(scores['mrr'])} ({100 * scores['rows'] / of:.0f} %)" if scores["rows"] else ""


def _pair(figures: Figures) -> str:
    return f"{_short(figures['mrr'])} / {_short(figures['hr'])}"


def _with_interval(result: Figures, metric: str) -> str:
    low, high = result["intervals"][metric]
    return f"{_short(result[metric])} [{_short(low)}, {_short(high)}]"


def _percent(gain: Figures) -> str:
    if not gain["change_percent_interval"]:
        return ""
    low, high = gain["change_percent_interval"]
    return f"{gain['change_percent']:+.1f} [{low:+.1f}, {high:+.1f}]"


def _points(value: float | None) -> str:
    return f"{100 * (value or 0):.1f}"


def _short(value: float) -> str:
    """Three digits that count.

    >>> _short(0.2493), _short(0.02884), _short(1.0)
    ('.249', '.0288', '1.00')
    """
    return f"{value:.{3 if value >= 0.1 else 4}f}".removeprefix("0") if value < 1 else f"{value:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(paths: Sequence[str]) -> None:
    """Fill the page."""
    page = ROOT / "docs" / "quality.md"
    results = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    page.write_text(fill(page.read_text(encoding="utf-8"), {"quality": quality_tables(results)}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
