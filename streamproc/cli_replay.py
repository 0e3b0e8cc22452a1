"""`streamproc replay`."""

import asyncio
import math
import time
from itertools import islice
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from streamproc.cli_options import quiet_clients, with_settings
from streamproc.settings import Settings


class Speed(click.ParamType):
    """`max`, `realtime`, or how many times faster than it happened."""

    name = "max|realtime|X"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        named = {"max": math.inf, "realtime": 1.0}
        try:
            speed = named[value] if value in named else float(value)
        except ValueError:
            speed = math.nan
        if not speed > 0:
            self.fail(f"{value!r} is not max, realtime or a number above 0", param, ctx)
        return speed


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Send the first N events only.")
@click.option("--speed", type=Speed(), default="max", show_default=True, help="How fast; X times real time.")
@click.option("--event-ids", is_flag=True, help="Number the events, so that sending them again changes nothing.")
@with_settings
def replay(settings: Settings, file: Path, limit: int | None, speed: float, event_ids: bool) -> None:
    """Send a file's events to the topics, keyed by user.

    FILE is CSV (plain or gzip) or Parquet with timestamp_ms,user_id,item_id,event_type,category,price, sorted by time.
    Clicks and cart events go to `clicks`, purchases to `purchases`. At full speed a record's Kafka timestamp is the
    event's own; otherwise it is the time of sending.
    """
    from streamproc import replay as sender  # the Kafka client
    from streamproc.files import count_rows, read_events
    from streamproc.topics import check

    quiet_clients()
    rows = count_rows(file)
    check(settings)
    started = time.monotonic()
    with tqdm(total=min(limit or rows, rows), unit=" events", disable=None) as bar:
        sent = asyncio.run(
            sender.replay(
                settings,
                islice(read_events(file), limit),
                speed=None if math.isinf(speed) else speed,
                event_ids=sender.event_id_prefix(file) if event_ids else None,
                on_event=bar.update,
            )
        )
    seconds = time.monotonic() - started
    click.echo(f"sent {sent} events in {seconds:.2f} s ({sent / seconds:.0f} events/s)")
