"""`streamproc simulate` and `streamproc demo`."""

import asyncio
import sys
import time
from pathlib import Path

import click
from tqdm import tqdm

from streamproc.cli_options import quiet_clients, with_settings
from streamproc.settings import Settings

DRIFTS = ("sudden", "gradual", "seasonal", "none")


@click.command()
@click.option("--events", type=click.IntRange(min=1), metavar="N", help="Stop after so many.  [default: never]")
@click.option(
    "--rate", type=click.FloatRange(min=0.1), default=100.0, show_default=True, help="Events per second to send."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of everything random.")
@click.option("--users", type=click.IntRange(min=1), default=500, show_default=True, help="Users at the start.")
@click.option("--items", type=click.IntRange(min=120), default=600, show_default=True, help="Items at the start.")
@click.option("--drift", type=click.Choice(DRIFTS), default="none", show_default=True, help="How the world changes.")
@click.option(
    "--drift-at", type=click.IntRange(min=0), default=10_000, show_default=True, help="Event of the first change."
)
@click.option(
    "--drift-every", type=click.IntRange(min=0), default=0, help="Events between further changes.  [default: one only]"
)
@click.option(
    "--feedback",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Share of the clicks made on the list last recommended.",
)
@with_settings
def simulate(
    *,
    events: int | None,
    rate: float,
    seed: int,
    users: int,
    items: int,
    drift: str,
    drift_at: int,
    drift_every: int,
    feedback: float,
    settings: Settings,
) -> None:
    """Send simulated users' clicks, carts and purchases to the topics, and the catalogue before them.

    Users have tastes, favourites and sessions; items appear and fade; what is recommended is clicked on. The same
    seed gives the same world.
    """
    from streamproc import topics  # keeps --help fast
    from streamproc.simulator import DriftKind, World, WorldConfig
    from streamproc.simulator.pacing import FixedRate
    from streamproc.simulator.producer import recent_start_ms, simulate_to_topics

    quiet_clients()
    topics.check(settings)
    config = WorldConfig(
        users=users,
        items=items,
        drift=DriftKind(drift),
        drift_at=drift_at,
        drift_every=drift_every,
        feedback_share=feedback,
        start_ms=recent_start_ms(),
    )
    world = World(config, seed, run=f"{seed}-{time.time_ns():x}")
    with tqdm(total=events, unit=" events", disable=None) as bar:
        try:
            asyncio.run(simulate_to_topics(settings, world, FixedRate(rate), events, on_progress=bar.update))
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
    click.echo(f"sent {world.number:,} events; {len(world.population.users):,} users live in this world", err=True)


@click.command()
@click.option("--headless", is_flag=True, help="No live view; end by itself.")
@click.option(
    "--events",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after so many.  [default: 20,000 when headless, else until Ctrl-C]",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    default=250.0,
    show_default=True,
    metavar="X",
    help="Most events per second; at many more, users act again before they have seen a new list.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the simulated world.")
@click.option("--drift", type=click.Choice(DRIFTS), default="sudden", show_default=True, help="How the world changes.")
@click.option("--summary", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json", help="Write numbers.")
@with_settings
def demo(
    *,
    headless: bool,
    events: int | None,
    rate: float,
    seed: int,
    drift: str,
    summary: Path | None,
    settings: Settings,
) -> None:
    """Watch simulated events become adapted recommendations, a drift alarm, and a better model.

    Starts a worker and a trainer, with topics of their own, on a broker inside this process; or on yours, when
    --bootstrap-servers, the environment or the settings file names one. In mid-run the simulated users change their
    habits.
    """
    from streamproc.demo import DemoOptions, run_demo  # keeps --help fast
    from streamproc.simulator import DriftKind

    quiet_clients()
    if summary is not None and not summary.absolute().parent.is_dir():
        raise click.BadParameter(f"the folder of {summary} does not exist", param_hint="--summary")
    options = DemoOptions(
        events=events or (20_000 if headless else None),
        rate=rate,
        seed=seed,
        drift=DriftKind(drift),
        live=not headless and sys.stdout.isatty(),
        summary=summary,
    )
    run_demo(settings, options)
