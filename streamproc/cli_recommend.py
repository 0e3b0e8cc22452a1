"""`streamproc recommend`."""

from typing import TYPE_CHECKING

import click

from streamproc.cli_options import quiet_clients, with_settings
from streamproc.settings import Settings

if TYPE_CHECKING:
    from schemas.outputs import Recommendation


@click.command()
@click.argument("user")
@click.option("--k", type=click.IntRange(1, 200), help="Length of the list.  [default: the setting k]")
@click.option("--timestamp-ms", type=int, help="Recommend for this time (Unix milliseconds).  [default: now]")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="Seconds to wait.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@with_settings
def recommend(
    *, settings: Settings, user: str, k: int | None, timestamp_ms: int | None, timeout: float, as_json: bool
) -> None:
    """Ask the running workers for USER's list and print it with its reasons."""
    import asyncio

    from pydantic import ValidationError

    from schemas.record import encode
    from streamproc.ask import ask  # the Kafka client
    from streamproc.topics import check

    quiet_clients()
    check(settings)
    try:
        answer = asyncio.run(ask(settings, user, k=k or settings.k, timestamp_ms=timestamp_ms, timeout_seconds=timeout))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise click.UsageError(f"{detail['loc'][0]}: {detail['msg']}") from None
    click.echo(encode(answer).decode() if as_json else table(answer))


def table(answer: "Recommendation") -> str:
    """The list for people: rank, item, score, reasons in words.

    >>> from schemas.outputs import Reason, RecommendedItem, Recommendation
    >>> print(table(Recommendation(
    ...     id="clicks-0-7", user_id="u1", timestamp_ms=1700000000000, model_version=3, source_topic="clicks",
    ...     source_partition=0, source_offset=7,
    ...     items=[RecommendedItem("shoe-7", 1.25, [Reason("bought_with", 0.8, "often bought with your last item")])])))
     #  item    score  because
     1  shoe-7  1.250  often bought with your last item
    """
    if not answer.items:
        return "the list is empty: no item is known yet"
    width = max(4, *(len(item.item_id) for item in answer.items))
    lines = [f" #  {'item':<{width}}  score  because"]
    for rank, item in enumerate(answer.items, 1):
        because = "; ".join(reason.words for reason in item.reasons)
        lines.append(f"{rank:2d}  {item.item_id:<{width}}  {item.score:5.3f}  {because}".rstrip())
    return "\n".join(lines)
