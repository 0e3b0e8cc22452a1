"""`streamproc evaluate`."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from streamproc.cli_options import with_settings
from streamproc.settings import Settings


@click.command()
@click.argument("files", type=click.Path(path_type=Path), metavar="FILE...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use the first N rows of each file only.")
@click.option("--k", type=click.IntRange(1, 200), help="Length of the lists.  [default: the setting k]")
@click.option("--summary", type=click.Path(path_type=Path), metavar="FILE.json", help="Write the results here.")
@click.option(
    "--dump",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl.gz",
    help="Write the list that stood before each row.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write a page with curves, splits and intervals here.",
)
@click.option(
    "--baselines",
    default="all",
    metavar="NAMES",
    help="What to compare with: all, popularity, none, or names separated by commas.  [default: all]",
)
@click.option(
    "--arms",
    default="none",
    metavar="NAMES",
    help="The recommender with a part taken away: all, none, or names separated by commas.  [default: none]",
)
@click.option(
    "--publish-every",
    type=click.IntRange(min=1),
    metavar="N",
    help="Examples between versions; 1 serves what was learned at once.  [default: the setting publish_every]",
)
@click.option("--splice", is_flag=True, help="Change the world at half of the rows: items trade places.")
@with_settings
def evaluate(
    *,
    settings: Settings,
    files: tuple[Path, ...],
    limit: int | None,
    k: int | None,
    summary: Path | None,
    dump: Path | None,
    report: Path | None,
    baselines: str,
    arms: str,
    publish_every: int | None,
    splice: bool,
) -> None:
    """Measure recommendations on event files, without Kafka.

    Every row first tests the list that stood before it, then teaches. Hit rate, MRR and NDCG at k are over the rows
    after the first 10 %, beside those of baselines that learned from the same rows. Two runs give the same lists.

    FILE is CSV (plain or gzip) or Parquet with timestamp_ms,user_id,item_id,event_type,category,price, sorted by time.
    """
    from streamproc.files import FileError, count_rows

    if dump and len(files) > 1:
        raise click.UsageError("--dump takes the lists of one FILE")
    for path in filter(None, (summary, dump, report)):
        if not path.absolute().parent.is_dir():
            raise FileError(f"cannot write {path}: no such folder")
    counts = [count_rows(path) for path in files]
    if publish_every is not None:
        settings = settings.model_copy(update={"publish_every": publish_every})
    from models.baselines import BASELINES, POPULARITY  # torch and numba: after the quick checks
    from models.evaluation.arms import ARMS
    from streamproc.dump import Dump
    from streamproc.evaluating import evaluate_file
    from streamproc.files import read_events
    from streamproc.recommending import warm_up

    if report:
        from streamproc.evaluation_page import write_page  # a missing extra is told before the work
    compared = {
        "baselines": names_of(baselines, list(BASELINES), "--baselines", popularity=POPULARITY),
        "arms": names_of(arms, list(ARMS), "--arms"),
    }
    for path in files:
        next(read_events(path), None)  # a wrong header is told before the kernels are compiled
    warm_up(settings)
    results = []
    for path, rows in zip(files, counts, strict=True):
        with (
            tqdm(total=min(limit or rows, rows), unit=" rows", desc=path.name, disable=None) as bar,
            Dump(dump) if dump else nullcontext() as lists,
        ):
            results.append(
                evaluate_file(
                    settings,
                    path,
                    k=k or settings.k,
                    limit=limit,
                    splice=splice,
                    dump=lists,
                    on_row=bar.update,
                    **compared,
                )
            )
    click.echo(table(results))
    if report:
        write_page(report, results)
    if summary:
        content = results[0] if len(results) == 1 else {"files": results}
        try:
            summary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise FileError(f"cannot write {summary}: {error.strerror}") from None


def names_of(text: str, known: Sequence[str], option: str, **groups: Sequence[str]) -> list[str]:
    """Names given on the command line: `all`, `none`, a group, or names separated by commas.

    >>> names_of("all", ["a", "b"], "--arms"), names_of("none", ["a"], "--arms"), names_of("b,a", ["a", "b"], "--arms")
    (['a', 'b'], [], ['b', 'a'])
    """
    groups = {"all": known, "none": (), **groups}
    if text in groups:
        return list(groups[text])
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"{option}: no {', '.join(unknown)}; there is {', '.join([*groups, *known])}")
    return names


def table(results: Sequence[dict[str, Any]]) -> str:
    """Results for people: one block of lines for each file, the recommender first; MRR in each window at the end.

    >>> scores = {"hr": 0.5, "mrr": 0.25, "ndcg": 0.3, "coverage": 1.0, "seconds_per_event": 0.0002}
    >>> scores |= {"intervals": {"mrr": (0.24, 0.261)}, "splits": {"window": {}}}
    >>> file = {"file": "a.csv", "k": 20, "scored_rows": 90, **scores, "arms": {}, "baselines": {"popularity": scores}}
    >>> print(table([file]))
    file   who                      HR@20  MRR@20  95 %            NDCG@20  coverage  ms/event
    a.csv  streamproc (90 rows)     .5000   .2500  .2400 to .2610    .3000    1.0000      .200
    a.csv  popularity               .5000   .2500  .2400 to .2610    .3000    1.0000      .200
    """
    k = results[0]["k"]
    width = max(4, *(len(result["file"]) for result in results))
    head = f"{'file':<{width}}  {'who':<22} {f'HR@{k}':>7} {f'MRR@{k}':>7}  {'95 %':<14} {f'NDCG@{k}':>8}"
    windows = list(results[0]["splits"]["window"])
    lines = ["  ".join([f"{head}  coverage  ms/event", *windows])]
    for result in results:
        parts = {f"streamproc ({result['scored_rows']} rows)": result, **result["arms"], **result["baselines"]}
        for who, scores in parts.items():
            interval = " to ".join(map(_short, scores["intervals"]["mrr"] or ()))
            quality = (
                f"{_short(scores['hr']):>7} {_short(scores['mrr']):>7}  {interval:<14} {_short(scores['ndcg']):>8}"
            )
            milliseconds = _short(scores["seconds_per_event"] * 1_000, 3)
            coverage = _short(scores["coverage"])
            in_windows = (f"  {_short(scores['splits']['window'][name]['mrr']):>{len(name)}}" for name in windows)
            figures = f"{quality}  {coverage:>8}  {milliseconds:>8}{''.join(in_windows)}"
            lines.append(f"{result['file']:<{width}}  {who:<22} {figures}")
    return "\n".join(lines)


def _short(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}".removeprefix("0") if value < 1 else f"{value:.{digits}f}"
