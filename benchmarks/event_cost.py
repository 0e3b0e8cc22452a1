"""`python -m benchmarks.event_cost FILE...`: the CPU of one event by part, on event files, as a Markdown table.

An event is what `evaluate` does for a row, but for the trainer: retrieve and rank as if asked just before it, score
that list, adapt the user's and the worker's weights, make the training example, and take the event into the user's
state and the item knowledge. No lists are explained or encoded, and nothing is read from Kafka: the whole job of a
worker is what `python -m benchmarks components` measures.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import click

from benchmarks.components import sampling
from models.base import initial_parameters
from models.evaluation.prequential import WARM_UP
from models.interaction import Interaction
from models.recommender import Recommender
from models.user_state import UserState
from streamproc.evaluating import interaction
from streamproc.files import read_events
from streamproc.recommending import recommender_config, warm_up
from streamproc.settings import Settings

ROWS = 20_000
TOTAL = "all"


def measure(rows: Sequence[Interaction]) -> dict[str, float]:
    """CPU microseconds per event by part, and of all parts together, over the rows after the first tenth."""
    settings = Settings()
    warm_up(settings)
    recommender = Recommender(initial_parameters(), recommender_config(settings))
    states: dict[int, UserState] = {}
    samples: Counter[str] = Counter()

    def learn(part: Sequence[Interaction]) -> None:
        for row in part:
            recommender.learn(states.get(row.user) or states.setdefault(row.user, UserState()), row)

    begin = int(len(rows) * WARM_UP)
    learn(rows[:begin])
    cpu = time.process_time()
    with sampling(samples):
        learn(rows[begin:])
    each = 1e6 * (time.process_time() - cpu) / max(len(rows) - begin, 1)
    total = max(samples.total(), 1)
    return {part: each * count / total for part, count in samples.most_common()} | {TOTAL: each}


def table(costs: dict[str, dict[str, float]]) -> str:
    """Return Markdown, a column per file.

    >>> print(table({"a.csv": {"rank": 60.4, "all": 100.0}, "b.csv": {"rank": 50.0, "learn": 9.0, "all": 90.0}}))
    | CPU us per event | a.csv | b.csv |
    |---|---|---|
    | rank | 60 | 50 |
    | learn | 0 | 9 |
    | all | 100 | 90 |
    """
    parts = [*dict.fromkeys(part for cost in costs.values() for part in cost if part != TOTAL), TOTAL]
    lines = [f"| CPU us per event | {' | '.join(costs)} |", f"|---{'|---' * len(costs)}|"]
    lines += [f"| {part} | {' | '.join(f'{cost.get(part, 0):.0f}' for cost in costs.values())} |" for part in parts]
    return "\n".join(lines)


@click.command(context_settings={"show_default": True})
@click.argument("files", type=click.Path(path_type=Path), metavar="FILE...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=10), default=ROWS, metavar="N", help="Use the first N rows of each.")
def main(files: tuple[Path, ...], limit: int) -> None:
    """Measure what an event costs, part by part."""
    costs = {path.name: measure([interaction(e) for e in islice(read_events(path), limit)]) for path in files}
    click.echo(table(costs))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.event_cost")
