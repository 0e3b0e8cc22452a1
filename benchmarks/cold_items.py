"""`python -m benchmarks.cold_items FILE...`: what the catalogue is worth before the first click.

Two experiments on any event file, prequential, with the trainer in line:

* *announced*: every item is announced with its category and price 1,000 to 5,000 rows before its first event, and with
  it a decoy, which copies category and price of an item drawn at random, lies beside that one in the order of the ids,
  and is never used. Scored are the first events of items: how often is the item among the 20 newcomers (announced,
  touched by nobody) that stand highest for the user, how often would it be among 20 newcomers drawn evenly, and how
  often is it in the list of 20 as it is served, with so many places kept for newcomers?
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
from models.recommender import Recommender, RecommenderConfig
from models.retrieval.select import CANDIDATES
from models.rules import RulesConfig
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
    newcomers : of the 20 newcomers that stand highest; random : of 20 newcomers drawn evenly.
    """

    events: int
    newcomers: float
    random: float
    times: float


@dataclass(frozen=True, slots=True)
class Served:
    """What keeping places for newcomers does to the lists of 20 as they are served.

    Attributes
    ----------
    places : of the list that newcomers have at least.
    first_events : hit rate on the first events of announced items; hit_rate, mrr : on all events.
    """

    places: int
    first_events: float
    hit_rate: float
    mrr: float


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
        other = rng.choice(models)
        for model, name in ((rows[at], rows[at].item_id), (other, f"{other.item_id} decoy {at}")):
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
    """Run the experiment *announced*, and look at the newcomers alone."""
    chances, found = list[float](), list[bool]()

    def score(items: list[str], wanted: str, untouched: set[str]) -> None:
        if wanted in untouched:
            chances.append(min(K / len(untouched), 1.0))
            found.append(wanted in islice((item for item in items if item in untouched), K))

    _run_announced(rows, lead, CANDIDATES, RulesConfig(), score)
    random_rate, rate = _mean(chances), _mean(found)
    return FirstEvents(len(found), rate, random_rate, rate / max(random_rate, 1e-9))


def measure_served(rows: Sequence[Interaction], places: int, lead: tuple[int, int] = LEAD) -> Served:
    """Run the experiment *announced*, and look at the lists as they are served with `places` for newcomers."""
    ranks, firsts = list[int](), list[bool]()

    def score(items: list[str], wanted: str, untouched: set[str]) -> None:
        ranks.append(items.index(wanted) + 1 if wanted in items else 0)
        if wanted in untouched:
            firsts.append(wanted in items)

    _run_announced(rows, lead, K, RulesConfig(newcomer_places=places), score)
    return Served(
        places, _mean(firsts), _mean([rank > 0 for rank in ranks]), _mean([1 / rank if rank else 0.0 for rank in ranks])
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

    _run(watched(), len(rows), K, score, RulesConfig())
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


def _run_announced(
    rows: Sequence[Interaction],
    lead: tuple[int, int],
    k: int,
    rules: RulesConfig,
    score: Callable[[list[str], str, set[str]], None],
) -> None:
    """Tell `score` of each row after the warm-up: the list before it, its item, and the items untouched until then."""
    untouched: set[str] = set()
    coming: list[str] = []

    def watched() -> Iterator[Row]:
        for row in announced(rows, lead):
            if isinstance(row, CatalogueItem):
                untouched.add(row.item_id)
            else:
                coming[:] = [row.item_id]
            yield row

    def on_list(index: int, items: list[str]) -> None:
        if index >= int(len(rows) * WARM_UP):
            score(items, coming[0], untouched)
        untouched.discard(coming[0])

    _run(watched(), len(rows), k, on_list, rules)


def _notice(row: Interaction, name: str) -> CatalogueItem:
    return CatalogueItem(name, row.timestamp_ms, row.category, row.price)


def _run(
    rows: Iterator[Row],
    count: int,
    k: int,
    on_list: Callable[[int, list[str]], None],
    rules: RulesConfig,
) -> None:
    torch.set_num_threads(1)
    base = initial_parameters()
    with tqdm(total=count, unit="row", disable=None) as bar:

        def on_row(index: int, items: list[str]) -> None:
            bar.update()
            on_list(index, items)

        evaluate(
            rows, Recommender(base, RecommenderConfig(rules=rules)), BaseLearner(base), k, on_list=on_row, baselines={}
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)


@click.command(context_settings={"show_default": True})
@click.argument("files", type=click.Path(path_type=Path), metavar="FILE...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use the first N rows of each file only.")
@click.option("--category", help="The category held back.  [default: the commonest of the second half]")
@click.option(
    "--newcomer-places",
    "places",
    type=click.IntRange(0, K),
    multiple=True,
    default=(0, 2, 5),
    metavar="N",
    help="Places of the list kept for newcomers; may be repeated.",
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    files: tuple[Path, ...], limit: int | None, category: str | None, places: tuple[int, ...], json_file: Path | None
) -> None:
    """Measure never-seen items, announced before their first event, on event files."""
    figures = {}
    for path in files:
        rows = [interaction(event) for event in islice(read_events(path), limit)]
        first, held = measure_first_events(rows), measure_held_back(rows, category)
        served = [measure_served(rows, number) for number in places]
        figures[path.name] = {
            "announced": asdict(first),
            "served": [asdict(each) for each in served],
            "held_back": held and asdict(held),
        }
        click.echo(
            f"{path.name}: {first.events} first events of announced items, HR@{K} of newcomers {first.newcomers:.4f}, "
            f"at random {first.random:.4f} ({first.times:.1f} times)"
        )
        for each in served:
            click.echo(
                f"{path.name}: lists with {each.places} places for newcomers, HR@{K} of first events "
                f"{each.first_events:.4f}; all events {each.hit_rate:.4f} HR, {each.mrr:.4f} MRR"
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
