"""`python -m benchmarks`: everything about speed, measured in one run on one real Kafka."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from streamproc.errors import StreamprocError

PARTS = ("compare", "recommend", "latency", "components", "users", "items", "workers")
QUICK = ("compare", "recommend", "latency", "components")


@click.command(context_settings={"show_default": True})
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--quick", is_flag=True, help="One short turn of each, no scaling: some minutes.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--users", type=click.IntRange(min=1), help="Simulated users.  [default: 100,000; quick: 20,000]")
@click.option("--items", type=click.IntRange(min=100), help="Simulated items.  [default: 100,000; quick: 20,000]")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Recommend on a replay of this event file, not on simulated events.",
)
@click.option("--kafka-streams", is_flag=True, help="Compare with Kafka Streams, too (Java, Maven).")
def main(
    parts: tuple[str, ...],
    quick: bool,
    json_file: Path | None,
    users: int | None,
    items: int | None,
    file: Path | None,
    kafka_streams: bool,
) -> None:
    """Measure PARTS, all of them by default, and print rows and their ratios.

    `compare` has the same work done by this engine, aiokafka, stock Faust and Quix Streams. `recommend` runs a worker's
    whole job, `latency` asks it for single answers and under load, `components` tells where an event's time goes.
    `users`, `items` and `workers` repeat the job at growing sizes. A real Kafka is started for it (Java, Maven).
    """
    from benchmarks.plan import Sizes, measure  # noqa: PLC0415  # numba is slow to load; --help must not wait

    # Ended from outside, the processes and the broker of a benchmark must be stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sizes = Sizes.of(quick, users, items, file, kafka_streams)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            figures = measure(parts or (QUICK if quick else PARTS), sizes, Path(folder), _print)
        except (StreamprocError, RuntimeError) as error:
            raise click.ClickException(str(error)) from error
    for name, value in figures["ratios"].items():
        click.echo(f"{name:48} {'no figure' if value is None else f'{value:.3g}'}")
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _print(row: dict[str, Any]) -> None:
    """Print a row as soon as it is there."""
    figures = " ".join(
        f"{name}={value:,.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in row.items()
        if name not in {"system", "workload"} and value is not None
    )
    click.echo(f"{row['system']:19}{row['workload']:19}{figures}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
