"""Flags that every command shares, and what they become: one `Settings`."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from streamproc.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def with_settings(command: F) -> F:
    """Add `--bootstrap-servers`, `--config` and `--set`; the command gets the result as its argument `settings`.

    >>> @click.command()
    ... @with_settings
    ... def show(settings):
    ...     click.echo(settings.bootstrap_servers)
    >>> from click.testing import CliRunner
    >>> CliRunner().invoke(show, ["--bootstrap-servers", "kafka:9092"]).output
    'kafka:9092\\n'
    """

    @click.option("--bootstrap-servers", metavar="HOST:PORT", help="Kafka brokers.  [default: 127.0.0.1:9092]")
    @click.option("--config", type=click.Path(path_type=Path), metavar="FILE.toml", help="Settings file.")
    @click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any setting of docs/configuration.md."
    )
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        bootstrap_servers: str | None,
        config: Path | None,
        assignments: tuple[str, ...],
        **kwargs: Any,
    ) -> Any:
        return command(*args, settings=read_settings(bootstrap_servers, config, assignments), **kwargs)

    return wrapped  # type: ignore[return-value]  # the flags are consumed, the rest of the signature is the command's


def read_settings(bootstrap_servers: str | None, config: Path | None, assignments: tuple[str, ...]) -> "Settings":
    """Settings from the shared flags.

    Raises
    ------
    SettingsError
        Names the variable and what is wrong with it.
    """
    from streamproc.settings import load_settings  # keeps --help fast

    flags: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise click.UsageError(f"--set needs NAME=VALUE, not {assignment!r}")
        flags[name.strip().lower().replace("-", "_")] = value
    if bootstrap_servers is not None:
        flags["bootstrap_servers"] = bootstrap_servers
    return load_settings(config, flags)


def quiet_clients() -> None:
    """Keep the Kafka client's own log lines off the terminal of a one-shot command: its exceptions say the same."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
