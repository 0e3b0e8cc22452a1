"""The command line. Commands are imported when they are used: `streamproc --help` must not wait for torch."""

import importlib
import sys
from typing import Any

import click

from streamproc.errors import StreamprocError

# name: (module, attribute, one line of help)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("streamproc.cli_demo", "demo", "Watch simulated events become adapted recommendations."),
    "simulate": ("streamproc.cli_demo", "simulate", "Send simulated users' events to the topics."),
    "worker": ("streamproc.cli_serve", "worker", "Learn from events and write recommendations."),
    "trainer": ("streamproc.cli_serve", "trainer", "Train the shared base model and publish its versions."),
    "replay": ("streamproc.cli_replay", "replay", "Send a file's events to the topics."),
    "pretrain": ("streamproc.cli_pretrain", "pretrain", "Learn a first base model from history."),
    "evaluate": ("streamproc.cli_evaluate", "evaluate", "Measure recommendations on files, without Kafka."),
    "recommend": ("streamproc.cli_recommend", "recommend", "Ask the running workers for one user's list."),
    "topics": ("streamproc.cli_topics", "topics", "Create or check the topics."),
    "models": ("streamproc.cli_models", "models", "List, roll back or update model versions."),
    "config": ("streamproc.cli_config", "config", "Show the settings in force."),
}


class LazyGroup(click.Group):
    """Imports a command when it is called, and turns expected failures into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not isinstance(error, (StreamprocError, *_kafka_errors())):
                raise
            raise _one_line(error) from None


def _kafka_errors() -> tuple[type[Exception], ...]:
    # Evaluated when an exception arrives: only a client that was imported can have raised one.
    found = []
    for module, name in (("aiokafka.errors", "KafkaError"), ("confluent_kafka", "KafkaException")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


def _one_line(error: Exception) -> click.ClickException:
    if isinstance(error, StreamprocError):
        text, code = str(error), error.exit_code
    elif type(error).__name__ == "KafkaConnectionError":
        text, code = (
            "no Kafka broker reachable: start one with `make kafka`, or name yours with --bootstrap-servers HOST:PORT "
            f"({error})",
            2,
        )
    else:
        text, code = f"Kafka: {type(error).__name__}: {error}", 1
    failure = click.ClickException(" ".join(text.split()))
    failure.exit_code = code
    return failure


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="streamproc")
def main() -> None:
    """A recommender that learns from every click, on your own Kafka."""
