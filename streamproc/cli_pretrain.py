"""`streamproc pretrain`."""

import asyncio
from pathlib import Path

import click
from tqdm import tqdm

from streamproc.cli_options import quiet_clients, with_settings
from streamproc.settings import Settings


@click.command()
@click.argument("files", type=click.Path(path_type=Path), metavar="FILE...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Learn from the first N events of each file.")
@with_settings
def pretrain(settings: Settings, files: tuple[Path, ...], limit: int | None) -> None:
    """Learn a first base model from history and put it into service.

    For a new deployment, before its first event: what serves until then is the built-in model. The model learns how to
    rank and how fast to adapt; what it knows of items and users comes from events alone (`streamproc replay`). It is on
    probation: the built-in model takes over again if live traffic shows it to be better.

    FILE is as in `streamproc evaluate`; several files come in the order of time.
    """
    from streamproc.files import count_rows
    from streamproc.topics import check

    quiet_clients()
    rows = sum(min(limit or count, count) for count in map(count_rows, files))
    check(settings)
    from streamproc.pretraining import pretrain as learn  # torch and numba: after the quick checks
    from streamproc.recommending import warm_up
    from streamproc.trainer.commands import first_version, put_into_service

    version = asyncio.run(first_version(settings))
    warm_up(settings)
    with tqdm(total=rows, unit=" events", disable=None) as bar:
        pretrained = learn(settings, files, version, limit, bar.update)
    update = asyncio.run(put_into_service(settings, pretrained))
    click.echo(
        f"version {update.version} serves: {update.reason}; on the last half HR@{settings.k} "
        f"{pretrained.scores.hr:.4f}, MRR@{settings.k} {pretrained.scores.mrr:.4f}"
    )
