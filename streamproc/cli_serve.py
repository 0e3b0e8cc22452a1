"""`streamproc worker` and `streamproc trainer`."""

import logging

import click

from streamproc.cli_options import with_settings
from streamproc.settings import Settings


@click.command()
@with_settings
def worker(settings: Settings) -> None:
    """Learn from events and write recommendations, until stopped.

    Start as many as there are partitions; they share the work. Metrics are on the worker's HTTP port.
    """
    from streamproc.worker import run_worker  # pulls in numba and Faust

    log_to_stderr(settings)
    run_worker(settings)


@click.command()
@with_settings
def trainer(settings: Settings) -> None:
    """Train the shared base model and publish its versions, until stopped.

    One trainer serves any number of workers.
    """
    from streamproc.trainer import run_trainer  # pulls in torch

    log_to_stderr(settings)
    run_trainer(settings)


def log_to_stderr(settings: Settings) -> None:
    """Log lines with time and origin, from the level that the settings name."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
