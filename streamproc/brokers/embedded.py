"""librdkafka's in-process broker: nothing to install, on 127.0.0.1, gone with the process."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from confluent_kafka import Producer

from streamproc.errors import StreamprocError

PARTITIONS = 4  # compiled into librdkafka; confluent-kafka offers no way to change it


class EmbeddedBroker:
    """An in-process broker for the demo and for tests; a context manager.

    It is a mock with limits that matter: every topic has :data:`PARTITIONS` partitions and exists once touched, about
    5 MB are kept per partition (older records go), there is no CreateTopics, and transactions are not real. So work
    with ``processing_guarantee=at_least_once`` on it, and let readers keep up with writers.

    Parameters
    ----------
    partitions
        Partitions that the caller counts on.

    Raises
    ------
    ValueError
        If `partitions` is not the number this broker has.

    Examples
    --------
    >>> with EmbeddedBroker() as broker:
    ...     broker.touch("clicks")
    4
    """

    def __init__(self, partitions: int = PARTITIONS) -> None:
        if partitions != PARTITIONS:
            raise ValueError(f"topics of the embedded broker have {PARTITIONS} partitions, not {partitions}")
        self._handle: Producer | None = None
        self._address = ""

    @property
    def bootstrap_servers(self) -> str:
        """``127.0.0.1:PORT``; known inside the context."""
        return self._address

    def touch(self, *topics: str) -> int:
        """Bring topics to life; return their number of partitions.

        Raises
        ------
        StreamprocError
            Outside the context.
        """
        if self._handle is None:
            raise StreamprocError("the embedded broker is not running")
        for topic in topics:
            self._handle.list_topics(topic, timeout=10.0)
        return PARTITIONS

    def __enter__(self) -> Self:
        """Start the broker."""
        # The broker lives as long as this client; the address given is replaced by its own.
        self._handle = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._handle.list_topics(timeout=10.0).brokers.values()
        self._address = f"{broker.host}:{broker.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the broker; what it held is gone."""
        self._handle = None


def is_embedded(cluster_id: str | None) -> bool:
    """Tell whether a cluster id is that of librdkafka's broker.

    >>> is_embedded("mockCluster7f0a"), is_embedded("c3RyZWFtcHJvYy1rYWZrYQ"), is_embedded(None)
    (True, False, False)
    """
    return cluster_id is not None and cluster_id.startswith("mockCluster")
