"""Replay on the embedded broker: every row arrives once, where it belongs, as a valid record."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition
from click.testing import CliRunner

from schemas.events import ClickEvent, PurchaseEvent
from schemas.record import decode
from streamproc.brokers.embedded import PARTITIONS, EmbeddedBroker
from streamproc.cli import main
from streamproc.files import FileEvent
from streamproc.replay import Batches, replay
from streamproc.settings import Settings
from streamproc.topics import create

pytestmark = pytest.mark.embedded

START = 1_600_000_000_000


def rows(count: int, step_ms: int = 1_000) -> list[FileEvent]:
    kinds = ("click", "click", "cart", "purchase")
    return [
        FileEvent(START + n * step_ms, f"u{n % 37}", f"i{n % 11}", kinds[n % 4], "c" if n % 2 else None, n % 5 or None)
        for n in range(count)
    ]


@pytest.fixture
def settings(embedded_broker: EmbeddedBroker, unique_topics: Callable[[Settings], Settings]) -> Settings:
    made = unique_topics(Settings(bootstrap_servers=embedded_broker.bootstrap_servers))
    create(made)
    return made


async def everything(settings: Settings) -> dict[str, list[ConsumerRecord]]:
    """All records of both topics, in the order of each partition."""
    found: dict[str, list[ConsumerRecord]] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        for role in ("clicks", "purchases"):
            partitions = [TopicPartition(settings.topic(role), number) for number in range(PARTITIONS)]
            ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            found[role] = []
            while len(found[role]) < sum(ends.values()):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found[role] += records
    finally:
        await consumer.stop()
    return found


def as_event(role: str, record: ConsumerRecord) -> FileEvent:
    event = decode(ClickEvent if role == "clicks" else PurchaseEvent, record.value)
    kind = event.event_type if isinstance(event, ClickEvent) else "purchase"
    return FileEvent(event.timestamp_ms, event.user_id, event.item_id, kind, event.category, event.price)


async def test_every_row_arrives_once_keyed_and_in_order(settings: Settings) -> None:
    sent = rows(5_000)
    assert await replay(settings, iter(sent)) == 5_000
    found = await everything(settings)
    events = {role: [as_event(role, record) for record in records] for role, records in found.items()}
    assert sorted(events["clicks"] + events["purchases"]) == sorted(sent)
    assert {event.event_type for event in events["purchases"]} == {"purchase"}
    home: dict[str, int] = {}
    for role, records in found.items():
        last: dict[int, int] = {}
        for record in records:
            event = as_event(role, record)
            assert record.key == event.user_id.encode()
            # Clicks and purchases of a user lie in the same partition number.
            assert home.setdefault(event.user_id, record.partition) == record.partition
            assert record.timestamp == event.timestamp_ms
            assert event.timestamp_ms >= last.get(record.partition, 0)
            last[record.partition] = event.timestamp_ms
    assert set(home.values()) == set(range(PARTITIONS))


async def test_event_ids_are_optional_and_the_same_every_time(settings: Settings) -> None:
    for ids in (None, "file-", "file-"):
        await replay(settings, rows(4), event_ids=ids)
    found = await everything(settings)
    ids_of = [decode(ClickEvent, record.value).event_id for record in found["clicks"]]
    assert sorted(map(str, ids_of)) == ["None"] * 3 + [f"file-{n}" for n in (0, 0, 1, 1, 2, 2)]


async def test_a_paced_replay_takes_its_time_and_carries_the_time_of_sending(settings: Settings) -> None:
    started, clock = time.monotonic(), time.time() * 1_000
    assert await replay(settings, rows(21, step_ms=1_000), speed=40.0) == 21
    assert 0.5 <= time.monotonic() - started < 5
    stamps = sorted(record.timestamp for records in (await everything(settings)).values() for record in records)
    assert clock - 1 <= stamps[0]
    assert stamps[-1] - stamps[0] >= 450


async def test_a_rare_purchase_does_not_wait_for_its_batch_to_fill(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    whole, sent = Batches.flush, rows(3_500)

    async def flush(batches: Batches) -> None:
        flushed.append(1)
        await whole(batches)

    monkeypatch.setattr(Batches, "flush", flush)
    assert await replay(settings, iter(sent)) == 3_500
    assert len(flushed) == 3 + 1


def test_the_command_reports_and_respects_its_limit(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "events.csv.gz"
    lines = [f"{e.timestamp_ms},{e.user_id},{e.item_id},{e.event_type},,\n" for e in rows(50)]
    path.write_bytes(
        gzip.compress(("timestamp_ms,user_id,item_id,event_type,category,price\n" + "".join(lines)).encode())
    )
    flags = ["--bootstrap-servers", settings.bootstrap_servers, "--set", f"topic_prefix={settings.topic_prefix}"]
    result = CliRunner().invoke(main, ["replay", str(path), "--limit", "30", *flags])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("sent 30 events in ")


def test_a_bad_row_ends_the_command_with_its_line(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"timestamp_ms,user_id,item_id\n{START},u,i\n{START},,i\n")
    flags = ["--bootstrap-servers", settings.bootstrap_servers, "--set", f"topic_prefix={settings.topic_prefix}"]
    result = CliRunner().invoke(main, ["replay", str(path), *flags])
    assert result.exit_code == 2
    assert result.stderr.strip() == f"Error: {path}, line 3: user_id is empty"


def test_missing_topics_are_named_with_the_command_that_makes_them(
    embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"timestamp_ms,user_id,item_id\n{START},u,i\n")
    flags = ["--bootstrap-servers", embedded_broker.bootstrap_servers, "--set", "topic_prefix=nowhere."]
    result = CliRunner().invoke(main, ["replay", str(path), *flags])
    assert result.exit_code == 2
    assert "topic 'nowhere.clicks' is missing" in result.stderr
    assert "streamproc topics create" in result.stderr
