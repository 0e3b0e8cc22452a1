"""`streamproc models list|rollback|update`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from streamproc.cli_options import quiet_clients, with_settings
from streamproc.settings import Settings

if TYPE_CHECKING:
    from schemas.knowledge import ModelUpdate

COLUMNS = (
    "version",
    "parent",
    "kind",
    "verdict",
    "serving",
    "created (UTC)",
    "gain (nats)",
    "on events",
    "epsilon",
    "reason",
)


@click.group()
def models() -> None:
    """List, roll back or update versions of the base model."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON record per line, with every metric.")
@with_settings
def list_models(settings: Settings, as_json: bool) -> None:
    """List the kept versions, what became of them and why.

    The gain in log loss is over the version that served, on live events; epsilon is what meta-updates have spent of the
    users' privacy so far, where it is protected.
    """
    from streamproc.topics import check
    from streamproc.trainer.commands import read_versions  # pulls in torch

    quiet_clients()
    check(settings)
    versions = asyncio.run(read_versions(settings))
    serving = versions.serving_version
    if as_json:
        for update in versions.kept():
            click.echo(update.model_copy(update={"serving": update.version == serving}).model_dump_json())
        return
    rows = [_row(update, serving) for update in versions.kept()]
    if 0 not in versions.records:
        built_in = ("0", "", "initial", "promoted", "yes" if serving == 0 else "", "", "", "", "", "built in")
        rows.insert(0, built_in)
    for line in table([COLUMNS, *rows]):
        click.echo(line)


@models.command()
@click.argument("version", type=click.IntRange(min=0), required=False)
@with_settings
def rollback(settings: Settings, version: int | None) -> None:
    """Put VERSION back into service; without it, the parent of the version that serves."""
    from streamproc.topics import check
    from streamproc.trainer.commands import roll_back

    quiet_clients()
    check(settings)
    pointer = asyncio.run(roll_back(settings, version))
    click.echo(f"version {pointer.version} serves: {pointer.reason}")


@models.command()
@with_settings
def update(settings: Settings) -> None:
    """Ask the trainer for a meta-update now."""
    from streamproc.topics import check
    from streamproc.trainer.commands import ask_for_update

    quiet_clients()
    check(settings)
    asyncio.run(ask_for_update(settings))
    click.echo("asked the trainer for a meta-update; `streamproc models list` shows what came of it")


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Left-aligned columns, as wide as their widest cell; the last is not padded.

    >>> table([("a", "bb"), ("ccc", "d")])
    ['a    bb', 'ccc  d']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def _row(update: "ModelUpdate", serving: int) -> tuple[str, ...]:
    created = datetime.fromtimestamp(update.created_ms / 1000, UTC)
    gain, events = update.metrics.get("gain_nats"), update.metrics.get("comparisons")
    return (
        str(update.version),
        "" if update.parent is None else str(update.parent),
        update.kind,
        update.verdict,
        "yes" if update.version == serving else "",
        f"{created:%Y-%m-%d %H:%M:%S}",
        "" if gain is None else f"{gain:+.4f}",
        "" if events is None else f"{events:.0f}",
        "" if update.privacy is None else f"{update.privacy.epsilon:.2f}",
        update.reason,
    )
