"""`python -m benchmarks`: measure the worker without a broker, and end to end on a real Kafka."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
from pathlib import Path

import click

from streamproc.errors import StreamprocError

NAMES = ("processor", "end-to-end")


@click.command(context_settings={"show_default": True})
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--events", type=click.IntRange(min=1_000), default=20_000, help="Events to measure.")
@click.option("--users", type=click.IntRange(min=1), default=2_000, help="Simulated users.")
@click.option("--items", type=click.IntRange(min=120), default=5_000, help="Simulated items.")
@click.option("--batch", type=click.IntRange(min=1), default=100, help="Events in a micro-batch of `processor`.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(names: tuple[str, ...], events: int, users: int, items: int, batch: int, json_file: Path | None) -> None:
    """Run the benchmarks NAMES (all by default) and print their figures.

    `processor` needs nothing; `end-to-end` needs Java and Maven (see CONTRIBUTING.md).
    """
    from benchmarks import end_to_end, processor  # noqa: PLC0415  # numba is slow to load; --help must not wait

    # Ended from outside, the worker and the broker of a benchmark must be stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    figures: dict[str, dict[str, float]] = {}
    for name in names or NAMES:
        try:
            if name == "processor":
                figures[name] = processor.run(events, users, items, batch)
            else:
                figures[name] = end_to_end.run(events, users, items)
        except (StreamprocError, RuntimeError) as error:
            raise click.ClickException(f"{name}: {error}") from error
        click.echo(f"{name} ({os.cpu_count()} cores, Python {platform.python_version()})")
        for figure, value in figures[name].items():
            click.echo(f"  {figure:24} {value:,.6g}")
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
