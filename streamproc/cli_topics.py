"""`streamproc topics create|check`."""

import click

from streamproc.cli_options import quiet_clients, with_settings
from streamproc.settings import Settings


@click.group()
def topics() -> None:
    """Create or check the topics."""


@topics.command("create")
@with_settings
def create_topics(settings: Settings) -> None:
    """Create every topic that is missing, with its partitions, copies and cleanup policy."""
    from streamproc.topics import create

    quiet_clients()
    for name in create(settings):
        click.echo(f"created {name}")
    click.echo(f"all topics are there on {settings.bootstrap_servers}")


@topics.command("check")
@with_settings
def check_topics(settings: Settings) -> None:
    """Check that every topic exists and that those keyed by user have the same number of partitions."""
    from streamproc.topics import check

    quiet_clients()
    partitions = check(settings)
    click.echo(f"all topics are there and fit together; those keyed by user have {partitions} partitions")
