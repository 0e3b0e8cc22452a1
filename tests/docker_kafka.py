"""A real Kafka in a container of its own, for machines with Docker: the very image that docker-compose.yml runs."""

from __future__ import annotations

import io
import tarfile
from typing import Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from streamproc.brokers.jars import kafka_version

IMAGE = f"apache/kafka:{kafka_version()}"

_START = "/tmp/start.sh"
_SETTINGS = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,BROKER://:19092,CONTROLLER://:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
}


class DockerKafka(DockerContainer):
    """`apache/kafka` on a random host port.

    The address that the broker advertises holds that port, which Docker picks when the container starts: so the
    container waits for a script that names it.
    """

    def __init__(self) -> None:
        super().__init__(IMAGE)
        self.with_exposed_ports(9092)
        self.with_envs(**_SETTINGS)
        wait = f"while [ ! -s {_START} ]; do sleep 0.1; done"
        self.with_command(["sh", "-c", f"{wait}; . {_START}; exec /etc/kafka/docker/run"])

    @property
    def bootstrap_servers(self) -> str:
        """``HOST:PORT`` as seen from here."""
        return f"{self.get_container_host_ip()}:{self.get_exposed_port(9092)}"

    def start(self) -> Self:
        """Start the container and return when the broker serves."""
        super().start()
        address = f"PLAINTEXT://{self.bootstrap_servers},BROKER://$(hostname -i):19092"
        script = f"export KAFKA_ADVERTISED_LISTENERS={address}\n".encode()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("start.sh")
            entry.size, entry.mode = len(script), 0o644
            tar.addfile(entry, io.BytesIO(script))
        self.get_wrapped_container().put_archive("/tmp", archive.getvalue())
        LogMessageWaitStrategy("Kafka Server started").wait_until_ready(self)
        return self
