"""`python -m benchmarks.learning`: what the learning loop is worth, as a table and as JSON."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

PARTS = ("drift", "recovery", "splice", "swaps", "swaps-under-load", "harm", "rollback", "loop")
QUICK = tuple(part for part in PARTS if part not in {"swaps-under-load", "loop"})  # in a quarter of an hour
CONTRACT = (
    "seasonal_alarms_per_million",
    "sudden_delay_median_events",
    "sudden_missed",
    "recovery_events",
    "recovery_events_of_the_base",
    "splice_mrr_change_vs_online",
    "calm_mrr_change_vs_online",
    "swap_hit_rate_loss",
    "wait_without_swaps_ms",
    "wait_after_swap_ms",
    "rollback_seconds",
    "harmful_rollback_events",
    "live_alarm_seconds",
    "live_loop_seconds",
    "live_meta_verdict_seconds",
)


@click.command(context_settings={"show_default": True})
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--quick", is_flag=True, help="Shorter streams: some minutes.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Measure this alone; may be repeated.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(files: tuple[Path, ...], quick: bool, parts: tuple[str, ...], json_file: Path | None) -> None:
    """Measure the learning loop; FILES are event files, for what is measured on real streams.

    `drift` counts false alarms and delays, `recovery` follows a simulated shop after its world has changed, `splice`
    changes the world of each file at half of its rows, `swaps` exchanges versions under way, `swaps-under-load` does
    so in a worker on a real Kafka (Java, Maven) while events come, `harm` forces a bad one through, `rollback` has
    three workers on a real Kafka go back to an old one, `loop` has a worker and a trainer there follow a change while
    1,000 events come a second. Everything is seeded.
    """
    from benchmarks.learning import (  # noqa: PLC0415  # torch takes seconds to load, for which --help must not wait
        harm,
        loop,
        outcomes,
        recovery,
        rollback,
        splices,
        swaps,
        swaps_under_load,
    )

    measures = {
        "drift": lambda: outcomes.measure(quick),
        "recovery": lambda: recovery.measure(quick),
        "splice": lambda: splices.measure(files, quick),
        "swaps": lambda: swaps.measure(quick),
        "swaps-under-load": lambda: swaps_under_load.measure(quick),
        "harm": harm.measure,
        "rollback": rollback.measure,
        "loop": lambda: loop.measure(quick),
    }
    figures: dict[str, Any] = {}
    for part in parts or (QUICK if quick else PARTS):
        began = time.perf_counter()
        figures |= measures[part]()
        click.echo(f"{part} took {time.perf_counter() - began:.0f} s", err=True)
    for name in CONTRACT:
        if name in figures:
            _print(name, figures[name])
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _print(name: str, value: object) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            _print(f"{name} {key}", each)
    else:
        click.echo(f"{name:64} {'no figure' if value is None else f'{value:.4g}'}")


if __name__ == "__main__":
    main()
