"""MRR@20 of the lists that readers had: as many workers as you like, one stream at a constant rate."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

import orjson

from benchmarks.latency import Conversation, Sent

K = 20


def served_mrr(conversation: Conversation) -> float:
    """Return the mean reciprocal rank of the events' items in the lists that their users had.

    That is the last one that had come, committed, before the event was due; events of users without one do not count.

    >>> def sent(item, order):
    ...     return Sent("clicks", b"u", orjson.dumps({"item_id": item}), order)
    >>> answer = orjson.dumps({"items": [{"item_id": "a"}, {"item_id": "b"}]})
    >>> due = [(sent("a", 1), 1.0), (sent("b", 2), 2.0), (sent("x", 3), 3.0)]
    >>> served_mrr(Conversation(due, {"committed": [(b"u", answer, 1.5)]}, 9.0))
    0.25
    """
    came: dict[bytes, list[float]] = defaultdict(list)
    lists: dict[bytes, list[bytes]] = defaultdict(list)
    for user, value, at in conversation.answers["committed"]:
        came[user].append(at)
        lists[user].append(value)
    scores = [
        _reciprocal_rank(event, lists[event.user][before - 1])
        for event, at in conversation.due
        if (before := bisect_left(came[event.user], at))
    ]
    return sum(scores) / max(len(scores), 1)


def _reciprocal_rank(event: Sent, answer: bytes) -> float:
    item = orjson.loads(event.value)["item_id"]
    ranked = [each["item_id"] for each in orjson.loads(answer)["items"][:K]]
    return 1 / (ranked.index(item) + 1) if item in ranked else 0.0
