"""`streamproc config show`."""

import json
import os
from collections.abc import Mapping

import click
from pydantic import SecretStr

from streamproc.cli_options import with_settings
from streamproc.settings import CONFIG_VARIABLE, PREFIX, Settings


@click.group()
def config() -> None:
    """Show the settings in force."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@with_settings
def show(settings: Settings, as_json: bool) -> None:
    """Show every setting with its value; secrets are masked.

    Without --json the output is a TOML file that --config accepts (settings without a value are commented out).
    """
    values = settings.model_dump(mode="json")
    if as_json:
        click.echo(json.dumps(values, indent=2))
        return
    for name, value in values.items():
        if value is None:
            click.echo(f"# {name} is not set")
        elif name not in settings.model_fields_set and Settings.model_fields[name].default_factory:
            # Made for each process: in a settings file shared by several it would be wrong for all but one.
            click.echo(f"# {name} = {json.dumps(value)}")
        elif isinstance(getattr(settings, name), SecretStr):
            click.echo(f"# {name} is set and not shown")
        else:
            click.echo(f"{name} = {json.dumps(value)}")
    for variable in unknown_variables(os.environ):
        click.echo(f"warning: the environment variable {variable} is not a setting", err=True)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like settings but are none: a slip of the pen that would have no effect.

    >>> unknown_variables({"STREAMPROC_STORE": "rocksdb", "STREAMPROC_STOER": "rocksdb", "HOME": "/"})
    ['STREAMPROC_STOER']
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
