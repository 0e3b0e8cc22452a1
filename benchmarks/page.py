"""`python -m benchmarks.page FILE`: tables and plots of a run's JSON into docs/performance.md."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

Row = dict[str, Any]

DOCS = Path(__file__).parents[1] / "docs"
_BEGIN, _END = "<!-- benchmarks -->\n", "<!-- end benchmarks -->\n"
_BAR, _LABEL, _WIDTH = 22, 250, 860


def tables(figures: Mapping[str, Any]) -> str:
    """Return Markdown: a table of the rows, one of the latencies, one of the ratios.

    >>> row = {"system": "faust", "workload": "parse", "events_per_second": 1234.5, "cpu_seconds_per_1k": 0.0801}
    >>> print(tables({"rows": [row | {"rss_mb": 65.2, "load": 1.0}], "ratios": {}}).splitlines()[2])
    | parse | faust | 1,234 | 80.1 | 65 | | 1.0 |
    """
    lines = [
        "| workload | system | events/s | CPU us per event | MB | promise | load |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in figures["rows"]:
        if row.get("problem"):
            lines.append(f"| {row['workload']} | {row['system']} | {row['problem']} | | | | |")
            continue
        told = f"{row['events_per_second']:,.0f} | {1000 * row['cpu_seconds_per_1k']:.3g} | {row['rss_mb']:.0f}"
        promise = f" {row['guarantee']} " if row.get("guarantee") else " "
        lines.append(f"| {row['workload']} | {row['system']} | {told} |{promise}| {row['load']} |")
    levels = ("uncommitted", "committed")
    if answered := [row for row in figures["rows"] if "committed" in row]:
        lines += ["", "| latency, ms | uncommitted p50 | p99 | committed p50 | p99 |", "|---|---|---|---|---|"]
        for row in answered:
            cells = [f"{row[level][p]:.0f}" for level in levels for p in ("p50_ms", "p99_ms")]
            lines.append(f"| {row['workload']} | {' | '.join(cells)} |")
    ratios = figures["ratios"]
    if named := [name for name in ratios if not name.endswith("_cpu")]:
        lines += ["", "| ratio | by events/s | by CPU time |", "|---|---|---|"]
        lines += [f"| {name} | {_ratio(ratios[name])} | {_ratio(ratios[f'{name}_cpu'])} |" for name in named]
    return "\n".join(lines) + "\n"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def bars(title: str, values: Mapping[str, float], logarithmic: bool = False) -> str:
    """Return an SVG of horizontal bars.

    >>> bars("us", {"a": 2.0, "b": 1.0}).count("<rect")
    3
    """
    scale = (lambda value: math.log10(1 + value)) if logarithmic else float
    most = max(map(scale, values.values()))
    height = _BAR * (len(values) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="{_BAR - 5}" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (label, value) in enumerate(values.items(), 1):
        top, width = _BAR * place + 4, (_WIDTH - _LABEL - 90) * scale(value) / most
        parts += [
            f'<text x="{_LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR - 5}" fill="#4878a8"/>',
            f'<text x="{_LABEL + width + 6:.1f}" y="{top + 14}">{value:,.3g}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def plots(rows: Sequence[Row]) -> dict[str, str]:
    """Return SVG texts by file name; what was not measured has none."""
    found = {}
    cost = {
        f"{row['workload']}, {row['system']}": 1000 * row["cpu_seconds_per_1k"]
        for row in rows
        if row["workload"] in {"parse", "stateful", "recommend"} and not row.get("problem")
    }
    if cost:
        found["performance-systems.svg"] = bars("CPU us per event (logarithmic)", cost, logarithmic=True)
    for row in rows:
        if row["workload"] == "components":
            found["performance-components.svg"] = bars("CPU us per event in the worker's own work", row["us_per_event"])
    for kind in ("users", "items"):
        grown = {
            f"{int(row['workload'].rpartition('-')[2]):,} {kind}": 1000 * row["cpu_seconds_per_1k"]
            for row in rows
            if row["workload"].startswith(f"components-{kind}-")
        }
        if grown:
            found[f"performance-{kind}.svg"] = bars(f"CPU us per event as {kind} grow", grown)
    return found


def main() -> None:
    """Fill the page."""
    figures = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    drawn = plots(figures["rows"])
    for name, svg in drawn.items():
        (DOCS / name).write_text(svg, encoding="utf-8")
    images = "".join(f"\n![{Path(name).stem.replace('-', ': ')}]({name})\n" for name in drawn)
    page = DOCS / "performance.md"
    text = page.read_text(encoding="utf-8")
    filled = f"{_BEGIN}{tables(figures)}{images}{_END}"
    page.write_text(re.sub(f"{_BEGIN}.*{_END}", lambda _: filled, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
