"""The worker's processor without a broker: records in, writes out."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.base import initial_parameters
from models.recommender import Recommender
from models.user_state import UserState
from schemas.evidence import decode_evidence, is_evidence, unpack
from schemas.knowledge import ItemStatsDelta
from schemas.outputs import Recommendation
from schemas.record import decode
from schemas.training import decode_example
from streamproc.engine import InputRecord, Output, Writes
from streamproc.metrics import WorkerMetrics
from streamproc.settings import Settings
from streamproc.worker.processor import FAST_WEIGHTS_KEY, WorkerProcessor

NOW_MS = 1_700_000_000_000


class DictState(dict[bytes, bytes]):
    """A state view over a dict."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]


class Worker:
    """A processor with its state applied after each batch, as the engine does after a commit."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.recommender = Recommender(initial_parameters())
        self.registry = CollectorRegistry()
        self.state = DictState()
        self.offset = 0
        self.processor = WorkerProcessor(
            self.settings, self.recommender, WorkerMetrics(self.registry), "life-1", clock=lambda: NOW_MS / 1000
        )

    def record(self, topic: str, value: bytes | dict[str, object] | None, key: str | None = "u1") -> InputRecord:
        raw = json.dumps(value).encode() if isinstance(value, dict) else value
        self.offset += 1
        encoded = None if key is None else key.encode()
        return InputRecord(topic, 0, self.offset, NOW_MS - 5, encoded, raw, (("trace", b"7"),))

    def click(self, user: str, item: str, **more: object) -> InputRecord:
        event = {"user_id": user, "item_id": item, "timestamp_ms": NOW_MS + 1000 * self.offset, **more}
        return self.record("clicks", event, user)

    def process(self, *records: InputRecord) -> Writes:
        writes = self.processor.process(0, records, self.state)
        for key, value in writes.state.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        return writes


def on(topic: str, writes: Writes) -> list[Output]:
    return [output for output in writes.outputs if output.topic == topic]


def lists(writes: Writes) -> list[Recommendation]:
    return [decode(Recommendation, output.value) for output in on("recommendations", writes)]


def test_events_of_one_user_in_a_batch_give_one_list_named_after_the_last() -> None:
    worker = Worker()
    records = [worker.click("u1", "a"), worker.click("u1", "b"), worker.click("u2", "a")]
    writes = worker.process(*records)
    assert [(r.user_id, r.id) for r in lists(writes)] == [("u1", "clicks-0-2"), ("u2", "clicks-0-3")]
    assert UserState.decode(writes.state[b"u1"]).events == 2
    assert UserState.decode(writes.state[b"u2"]).events == 1


def test_interactions_are_shared_in_the_order_learned() -> None:
    worker = Worker()
    (output,) = on("item-stats", worker.process(worker.click("u1", "a", price=3), worker.click("u2", "b")))
    delta = decode(ItemStatsDelta, output.value)
    assert (delta.interactions.item_id, delta.interactions.price) == (["a", "b"], [3.0, None])
    assert (delta.offset_first, delta.offset_last, dict(output.headers)["instance"]) == (1, 2, b"life-1")


def test_state_carries_over_between_batches_and_lists_follow_what_users_do() -> None:
    worker = Worker()
    for user in range(30):
        worker.process(worker.click(f"v{user}", "tea"), worker.click(f"v{user}", "kettle"))
    for user in range(60):
        worker.process(worker.click(f"w{user}", "paint"), worker.click(f"w{user}", "brush"))
    assert lists(worker.process(worker.click("new", "tea")))[0].items[0].item_id == "kettle"


async def test_a_worker_goes_on_from_the_fast_weights_that_learned_from_most() -> None:
    first, second, third = Worker(), Worker(), Worker()
    for user in range(20):
        first.process(first.click(f"v{user}", f"i{user % 3}"))
    for user in range(5):
        second.process(second.click(f"v{user}", f"i{user % 3}"))
    served, other = first.recommender.fast_weights, second.recommender.fast_weights
    assert served.delta.any()
    assert served.events > other.events > 0
    await third.processor.before_assigned({0: second.state, 1: first.state, 2: DictState()})
    await first.processor.before_assigned({1: second.state})  # knows more itself
    for worker in (first, third):
        fast = worker.recommender.fast_weights
        assert fast.encode() == served.encode() == first.state[FAST_WEIGHTS_KEY]
    assert np.array_equal(third.recommender.fast_weights.delta, served.delta)


def test_an_event_is_taught_once_the_item_was_a_candidate() -> None:
    worker = Worker()
    for user in range(20):
        writes = worker.process(worker.click(f"v{user}", f"i{user % 3}"))
    taught = [output for output in on("training-examples", writes) if output.key is not None]
    assert [output.partition for output in taught] == [0]  # that of the event, whatever the key
    examples = [decode_example(output.value) for output in taught]
    assert len(examples) == 1
    assert (examples[0].partition, examples[0].offset, examples[0].event_type) == (0, 20, 0)


BAD = {
    "not_json": b"{",
    "null_value": None,
    "too_large": b'{"user_id": "' + b"x" * 10_000_000 + b'"}',
    "invalid": b'{"item_id": "a", "timestamp_ms": 1700000000000}',
    "unknown_version": b'{"schema_version": "2.0", "user_id": "u1", "item_id": "a", "timestamp_ms": 1700000000000}',
    "future_timestamp": b'{"user_id": "u1", "item_id": "a", "timestamp_ms": 1800000000000}',
    "key_mismatch": b'{"user_id": "u2", "item_id": "a", "timestamp_ms": 1700000000000}',
}


def test_the_trainer_is_told_which_events_the_lists_foretold() -> None:
    worker = Worker()
    writes = worker.process(*(worker.click("u1", "tea" if n % 2 else "milk") for n in range(19)))
    assert not [record for record in on("training-examples", writes) if is_evidence(record.value)]
    writes = worker.process(worker.click("u1", "novelty"))
    (raw,) = [record.value for record in on("training-examples", writes) if is_evidence(record.value)]
    assert raw is not None
    promises, *hits = zip(*map(unpack, decode_evidence(raw).outcomes.tolist()), strict=True)
    assert hits == [(False, False, *[True] * 17, False)] * 2
    assert promises[0] == 0
    assert min(promises[1:]) > 0.9  # two items at most, and a list of twenty


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_record_goes_to_the_dead_letters_as_it_came_and_the_others_are_learned(kind: str) -> None:
    worker = Worker()
    bad = worker.record("clicks", BAD[kind])
    writes = worker.process(worker.click("u1", "a"), bad, worker.click("u1", "b"))
    (letter,) = on("dead-letters", writes)
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"u1", BAD[kind])
    assert headers["streamproc.error"] == kind.encode()
    assert headers["streamproc.offset"] == str(bad.offset).encode()
    assert headers["trace"] == b"7"
    assert headers["streamproc.message"]
    assert UserState.decode(worker.state[b"u1"]).events == 2


def test_nan_price_is_refused() -> None:
    worker = Worker()
    raw = b'{"user_id": "u1", "item_id": "a", "timestamp_ms": 1700000000000, "price": NaN}'
    writes = worker.process(worker.record("clicks", raw))
    assert len(on("dead-letters", writes)) == 1
    assert not writes.state


def test_a_repeated_event_id_is_learned_once() -> None:
    worker = Worker()
    worker.process(worker.click("u1", "a", event_id="e1"))
    writes = worker.process(worker.click("u1", "a", event_id="e1"))
    assert UserState.decode(worker.state[b"u1"]).events == 1
    assert not on("item-stats", writes)


def test_a_request_is_answered_with_its_id_and_its_wishes() -> None:
    worker = Worker()
    for user in range(10):
        worker.process(*(worker.click(f"v{user}", item) for item in "abcd"))
    request = {"user_id": "v1", "timestamp_ms": NOW_MS, "request_id": "q7", "k": 2, "exclude": ["a"]}
    (answer,) = lists(worker.process(worker.record("recommendation-requests", request, "v1")))
    assert answer.request_id == "q7"
    assert len(answer.items) == 2
    assert "a" not in {item.item_id for item in answer.items}
    rerank = {"user_id": "v1", "timestamp_ms": NOW_MS, "request_id": "q8", "items": ["c", "b"]}
    (answer,) = lists(worker.process(worker.record("recommendation-requests", rerank, "v1")))
    assert sorted(item.item_id for item in answer.items) == ["b", "c"]


def test_a_strangers_request_leaves_no_state() -> None:
    worker = Worker()
    worker.process(worker.click("u1", "a"))
    request = {"user_id": "who", "timestamp_ms": NOW_MS, "request_id": "q1"}
    writes = worker.process(worker.record("recommendation-requests", request, "who"))
    assert [item.item_id for item in lists(writes)[0].items] == ["a"]
    assert not writes.state


def test_misplaced_events_are_sent_on_when_repartition_is_set() -> None:
    worker = Worker(Settings(repartition=True))
    event = {"user_id": "u9", "item_id": "a", "timestamp_ms": NOW_MS}
    record = worker.record("clicks", event, key=None)
    writes = worker.process(record)
    assert [(o.topic, o.key, o.value) for o in writes.outputs] == [("clicks", b"u9", record.value)]
    assert not writes.state
