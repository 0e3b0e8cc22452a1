"""`python -m benchmarks.cold_items FILE...`: what the catalogue is worth before the first click.

Two experiments on any event file, prequential, with the trainer in line:

* *announced*: every item is announced with its category and price 1,000 to 5,000 rows before its first event, and with
  it a decoy, which copies category and price of an item drawn at random and is never used. Scored are the first events
  of items: how often is the item among the 20 newcomers (announced, touched by nobody) that stand highest for the user,
  how often would it be among 20 newcomers drawn evenly, and how often is it in the list of 20 as it is served?
* *held back*: the events of one category are left out of the first half; its items are announced half-way. Scored are
  its events: the hit rate over the first 500 of them, and after those.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import click
import torch
from tqdm import tqdm

from models.base import initial_parameters
from models.evaluation import evaluate
from models.evaluation.prequential import WARM_UP
from models.interaction import CatalogueItem, Interaction
from models.learner import BaseLearner
from models.recommender import Recommender
from models.retrieval.select import CANDIDATES
from streamproc.evaluating import interaction
from streamproc.files import read_events

Row = Interaction | CatalogueItem

LEAD = (1_000, 5_000)  # rows between the announcement of an item and its first event
EARLY = 500  # events within which a held-back category should be known
WINDOW = 200  # of its events in a row, over which a hit rate is told
K = 20


@dataclass(frozen=True, slots=True)
class FirstEvents:
    """Hit rates on the first events of announced items; `times` is how often better than at random.

    Attributes
    ----------
    newcomers : of the 20 newcomers that stand highest; random : of 20 newcomers drawn evenly; served : of the list.
    """

    events: int
    newcomers: float
    random: float
    times: float
    served: float
    all_events_hit_rate: float
    all_events_mrr: float


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Hit rates on the events of a category that appeared half-way.

    Attributes
    ----------
    known_after : its events after which 200 in a row reached 80 % of the later hit rate; None: never, or too few
        to tell.
    """

    category: str
    events: int
    early_hit_rate: float
    later_hit_rate: float
    known_after: int | None


def announced(rows: Sequence[Interaction], lead: tuple[int, int] = LEAD, seed: int = 0) -> Iterator[Row]:
    """The rows, with the announcements of items and decoys `lead` rows before the items' first events."""
    rng = random.Random(seed)
    first: dict[str, int] = {}
    for at, row in enumerate(rows):
        first.setdefault(row.item_id, at)
    models = [rows[at] for at in first.values()]
    notices: dict[int, list[CatalogueItem]] = {}
    for at in first.values():
        for model, name in ((rows[at], rows[at].item_id), (rng.choice(models), f"decoy of row {at}")):
            notices.setdefault(max(at - rng.randint(*lead), 0), []).append(_notice(model, name))
    for at, row in enumerate(rows):
        batch = notices.get(at, [])
        rng.shuffle(batch)
        yield from (replace(notice, timestamp_ms=row.timestamp_ms) for notice in batch)
        yield row


def held_back(rows: Sequence[Interaction], category: str) -> Iterator[Row]:
    """The rows without `category` in the first half, and the announcement of its items between the halves."""
    half = len(rows) // 2
    yield from (row for row in rows[:half] if row.category != category)
    notices = {row.item_id: _notice(row, row.item_id) for row in rows[half:] if row.category == category}
    yield from (replace(notice, timestamp_ms=rows[half].timestamp_ms) for notice in notices.values())
    yield from rows[half:]


def measure_first_events(rows: Sequence[Interaction], lead: tuple[int, int] = LEAD) -> FirstEvents:
    """Run the experiment *announced*."""
    untouched: set[str] = set()
    coming: list[Interaction] = []
    scores: list[tuple[float, bool, int]] = []  # of each event: chance of a random list, found by ours, rank served

    def watched() -> Iterator[Row]:
        for row in announced(rows, lead):
            if isinstance(row, CatalogueItem):
                untouched.add(row.item_id)
            else:
                coming[:] = [row]
            yield row

    def score(_index: int, items: list[str]) -> None:
        wanted = coming[0].item_id
        rank = items.index(wanted) + 1 if wanted in items else 0
        if wanted in untouched:
            newcomers = islice((item for item in items if item in untouched), K)
            scores.append((min(K / len(untouched), 1.0), wanted in newcomers, rank))
            untouched.remove(wanted)
        else:
            scores.append((0.0, False, rank))

    _run(watched(), len(rows), CANDIDATES, score)
    scored = scores[int(len(scores) * WARM_UP) :]
    firsts = [row for row in scored if row[0] > 0]
    random_rate = _mean([chance for chance, _, _ in firsts])
    found = _mean([hit for _, hit, _ in firsts])
    return FirstEvents(
        events=len(firsts),
        newcomers=found,
        random=random_rate,
        times=found / max(random_rate, 1e-9),
        served=_mean([0 < rank <= K for _, _, rank in firsts]),
        all_events_hit_rate=_mean([0 < rank <= K for _, _, rank in scored]),
        all_events_mrr=_mean([1 / rank if 0 < rank <= K else 0.0 for _, _, rank in scored]),
    )


def measure_held_back(rows: Sequence[Interaction], category: str | None = None) -> HeldBack | None:
    """Run the experiment *held back* on a category, by default the commonest of the second half; None without any."""
    counts = Counter(row.category for row in rows[len(rows) // 2 :] if row.category)
    if not counts:
        return None
    category = category or counts.most_common(1)[0][0]
    coming: list[Interaction] = []
    hits: list[bool] = []

    def watched() -> Iterator[Row]:
        for row in held_back(rows, category):
            if isinstance(row, Interaction):
                coming[:] = [row]
            yield row

    def score(_index: int, items: list[str]) -> None:
        if coming[0].category == category:
            hits.append(coming[0].item_id in items)

    _run(watched(), len(rows), K, score)
    early, later = hits[:EARLY], hits[EARLY:]
    return HeldBack(
        category=category,
        events=len(hits),
        early_hit_rate=_mean(early),
        later_hit_rate=_mean(later),
        known_after=next(
            (n for n in range(WINDOW, len(hits) + 1) if later and _mean(hits[n - WINDOW : n]) >= 0.8 * _mean(later)),
            None,
        ),
    )


def _notice(row: Interaction, name: str) -> CatalogueItem:
    return CatalogueItem(name, row.timestamp_ms, row.category, row.price)


def _run(rows: Iterator[Row], count: int, k: int, on_list: Callable[[int, list[str]], None]) -> None:
    torch.set_num_threads(1)
    base = initial_parameters()
    with tqdm(total=count, unit="row", disable=None) as bar:

        def on_row(index: int, items: list[str]) -> None:
            bar.update()
            on_list(index, items)

        evaluate(rows, Recommender(base), BaseLearner(base), k, on_list=on_row, baselines={})


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)


@click.command(context_settings={"show_default": True})
@click.argument("files", type=click.Path(path_type=Path), metavar="FILE...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use the first N rows of each file only.")
@click.option("--category", help="The category held back.  [default: the commonest of the second half]")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(files: tuple[Path, ...], limit: int | None, category: str | None, json_file: Path | None) -> None:
    """Measure never-seen items, announced before their first event, on event files."""
    figures = {}
    for path in files:
        rows = [interaction(event) for event in islice(read_events(path), limit)]
        first, held = measure_first_events(rows), measure_held_back(rows, category)
        figures[path.name] = {"announced": asdict(first), "held_back": held and asdict(held)}
        click.echo(
            f"{path.name}: {first.events} first events of announced items, HR@{K} of newcomers {first.newcomers:.4f}, "
            f"at random {first.random:.4f} ({first.times:.1f} times), in the list served {first.served:.4f}; "
            f"all events {first.all_events_hit_rate:.4f} HR, {first.all_events_mrr:.4f} MRR"
        )
        if held:
            click.echo(
                f"{path.name}: category {held.category!r} held back, {held.events} events, HR@{K} of the first {EARLY} "
                f"{held.early_hit_rate:.4f}, later {held.later_hit_rate:.4f} "
                f"(80 % of that after {held.known_after} events)"
            )
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.cold_items")
