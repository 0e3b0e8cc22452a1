"""A real Apache Kafka 4 broker (KRaft, one node) on 127.0.0.1, without Docker or an installed Kafka.

``python -m streamproc.brokers.kafka`` (or ``make kafka``) runs one in the foreground; tests use :class:`KafkaBroker`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streamproc.brokers.jars import KafkaError, find_java, kafka_version, resolve_jars
from streamproc.stopping import stop_signals

__all__ = ["KafkaBroker", "KafkaError", "main"]

_HOST = "127.0.0.1"
_CLUSTER_ID = "c3RyZWFtcHJvYy1rYWZrYQ"  # base64 of a 16-byte name: one data folder, one cluster

# What differs from a broker in production: one replica of everything, few internal partitions (50 each take seconds to
# create), no wait for further group members, and the short session timeouts that fail-over tests need.
_ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "inter.broker.listener.name": "BROKER",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
}

# The shell ends the broker when the pipe on its input closes: Python may be killed without a chance to say goodbye.
_GUARD = 'exec 3<&0; "$@" 3<&- & broker=$!; { cat <&3 >/dev/null; kill "$broker" 2>/dev/null; } & wait "$broker"'


class KafkaBroker:
    """One broker in a child process; a context manager, or :meth:`start` and :meth:`stop` by hand.

    Parameters
    ----------
    data_dir
        Where topics are kept. ``None``: a temporary folder, removed on exit from the context.
    port
        Port on 127.0.0.1; 0 picks a free one, which stays the same over a restart.
    properties
        Broker settings to add or override (``server.properties`` names).
    """

    def __init__(
        self, data_dir: Path | None = None, port: int = 0, properties: Mapping[str, str] | None = None
    ) -> None:
        self._temporary = data_dir is None
        self._home = Path(tempfile.mkdtemp(prefix="streamproc-kafka-")) if data_dir is None else data_dir
        self._port = port
        self._properties = dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """``127.0.0.1:PORT``; known once started."""
        return f"{_HOST}:{self._port}"

    @property
    def log_file(self) -> Path:
        """What the broker logs."""
        return self._home / "kafka.log"

    def start(self, timeout_seconds: float = 60.0) -> None:
        """Start the broker and return when it answers.

        Raises
        ------
        KafkaError
            If Java or the jars are missing, the port is taken, or the broker ends or does not answer in time.
        """
        java, jars = find_java(), resolve_jars()
        self._port = _claim(self._port)
        self._home.mkdir(parents=True, exist_ok=True)
        settings = self._home / "server.properties"
        settings.write_text("".join(f"{k}={v}\n" for k, v in self._server_properties().items()), encoding="utf-8")
        with self.log_file.open("wb") as log:
            if not (self._home / "data" / "meta.properties").exists():
                quick = [java, "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", "kafka.tools.StorageTool"]
                command = [*quick, "format", "-t", _CLUSTER_ID, "-c", str(settings)]
                if subprocess.run(command, stdout=log, stderr=log, check=False).returncode != 0:
                    raise KafkaError(self._failure("its storage could not be formatted"))
            heap = os.environ.get("KAFKA_HEAP_OPTS", "-Xms128m -Xmx512m").split()
            logging = "-Dorg.slf4j.simpleLogger.showDateTime=true"
            command = [java, *heap, "-XX:+UseG1GC", logging, "-cp", f"{jars}/*", "kafka.Kafka", str(settings)]
            # Its own session: Ctrl-C reaches only Python, which then stops the broker in order.
            self._process = subprocess.Popen(
                ["sh", "-c", _GUARD, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(time.monotonic() + timeout_seconds)
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout_seconds: float = 30.0) -> None:
        """Stop the broker as SIGTERM does: logs flushed and closed. Data stay; :meth:`start` may follow."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wait(self) -> int:
        """Block until the broker process ends by itself; return its exit code."""
        return 0 if self._process is None else self._process.wait()

    def __enter__(self) -> Self:
        """Start the broker."""
        try:
            self.start()
        except BaseException:
            self._forget()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the broker and remove its temporary folder."""
        self.stop()
        self._forget()

    def _forget(self) -> None:
        if self._temporary:
            shutil.rmtree(self._home, ignore_errors=True)

    def _server_properties(self) -> dict[str, str]:
        controller = f"{_HOST}:{_claim(0)}"
        return {
            **_ONE_NODE,
            "listeners": f"BROKER://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"BROKER://{self.bootstrap_servers}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self._home / "data"),
            **self._properties,
        }

    def _wait_until_ready(self, deadline: float) -> None:
        assert self._process is not None
        client: AdminClient | None = None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise KafkaError(self._failure(f"it ended with exit code {self._process.returncode}"))
            if client is None:
                # librdkafka backs off after a refused connection; so knock with a bare socket first.
                with socket.socket() as knock:
                    if knock.connect_ex((_HOST, self._port)) != 0:
                        time.sleep(0.05)
                        continue
                client = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
            try:
                if client.list_topics(timeout=1.0).brokers:
                    return
            except KafkaException:
                time.sleep(0.05)
        raise KafkaError(self._failure("it did not answer in time"))

    def _failure(self, what: str) -> str:
        log = self.log_file.read_text(encoding="utf-8", errors="replace")
        if "UnsupportedClassVersionError" in log:
            return f"Apache Kafka {kafka_version()} needs Java 17 or newer: {find_java()} is older (set JAVA_HOME)"
        last = [line.strip() for line in log.splitlines() if " ERROR " in line or "Exception" in line]
        kept = "" if self._temporary else f"; log in {self.log_file}"
        return f"the Kafka broker did not start: {what}{kept}" + (f": {last[0][:300]}" if last else "")


def _claim(port: int) -> int:
    """Return `port`, or a free one for 0. Raises KafkaError if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise KafkaError(f"port {port} on {_HOST} is taken: stop what runs there or choose another port") from error
        return int(probe.getsockname()[1])


def _tell_when_it_ends(broker: KafkaBroker, ended: threading.Event) -> None:
    broker.wait()
    ended.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a broker in the foreground until Ctrl-C, SIGTERM or SIGHUP; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m streamproc.brokers.kafka", description=main.__doc__)
    parser.add_argument("--port", type=int, default=9092, help="port on 127.0.0.1 (default %(default)s)")
    parser.add_argument("--data-dir", type=Path, help="keep the topics here (default: a temporary folder)")
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for signum in stop_signals():
        signal.signal(signum, lambda *_: ended.set())
    began = time.monotonic()
    try:
        with KafkaBroker(options.data_dir, options.port) as broker:
            ready = f"Apache Kafka {kafka_version()} ready after {time.monotonic() - began:.1f} s"
            print(f"{ready}, bootstrap servers {broker.bootstrap_servers} (Ctrl-C stops it)", flush=True)
            watcher = threading.Thread(target=_tell_when_it_ends, args=(broker, ended), daemon=True)
            watcher.start()
            ended.wait()
            if not watcher.is_alive():
                raise KafkaError("the Kafka broker ended by itself")
    except KafkaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
