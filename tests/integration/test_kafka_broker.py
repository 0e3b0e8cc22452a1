"""The real Kafka from Maven artefacts: starts, restarts on its data, and says in one line what keeps it from it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streamproc.brokers.kafka import KafkaBroker, KafkaError

pytestmark = pytest.mark.kafka


def test_data_and_address_survive_a_restart(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    broker = KafkaBroker(tmp_path)
    try:
        broker.start()
        address = broker.bootstrap_servers
        client = AdminClient({"bootstrap.servers": address, "log_level": 0})
        (made,) = client.create_topics([NewTopic("kept", 1, 1)]).values()
        made.result()
        producer = Producer({"bootstrap.servers": address, "log_level": 0})
        producer.produce("kept", b"value")
        assert producer.flush(10) == 0
        broker.stop()
        broker.start()
        assert broker.bootstrap_servers == address
        reader = Consumer({"bootstrap.servers": address, "group.id": "reader", "log_level": 0})
        reader.assign([TopicPartition("kept", 0, 0)])
        (record,) = reader.consume(1, timeout=20)
        assert record.value() == b"value"
        reader.close()
    finally:
        broker.stop()


def test_a_taken_port_is_one_line(kafka_broker: KafkaBroker) -> None:
    port = int(kafka_broker.bootstrap_servers.rpartition(":")[2])
    with pytest.raises(KafkaError, match=rf"^port {port} on 127\.0\.0\.1 is taken"):
        KafkaBroker(port=port).start()


def test_a_wrong_property_is_one_line(kafka_broker: KafkaBroker) -> None:
    with (
        pytest.raises(KafkaError, match="the Kafka broker did not start") as caught,
        KafkaBroker(properties={"num.io.threads": "none"}),
    ):
        pass
    assert "num.io.threads" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_command_takes_the_broker_with_it(
    kafka_broker: KafkaBroker, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    module = ["-m", "streamproc.brokers.kafka"]
    command = [sys.executable, *module, "--port", str(port), "--data-dir", str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)) as process:
        assert process.stdout is not None
        try:
            assert f"bootstrap servers 127.0.0.1:{port}" in process.stdout.readline()
            client = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
            assert len(client.list_topics(timeout=10).brokers) == 1
        finally:
            process.send_signal(number)
        assert process.wait(60) == code
    deadline = time.monotonic() + 60
    while listening(port):
        assert time.monotonic() < deadline, "the broker outlived its parent"
        time.sleep(0.1)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
