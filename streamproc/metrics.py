"""Every metric, in one place: typed bundles on an injected registry. Seconds and bytes; no user or item in a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamproc.prequential import Prequential

if TYPE_CHECKING:
    from models.interaction import EventType
    from models.recommender import Learned

__all__ = ["TrainerMetrics", "WorkerMetrics"]

_LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_COST_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_LONG_BUCKETS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class _AtScrape(Collector):
    """Values read when somebody scrapes, so that the hot path pays nothing for them."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()

    def describe(self) -> Iterator[Metric]:
        return iter(())  # registering must not read values that are not there yet


class WorkerMetrics:
    """What a worker tells about itself.

    Parameters
    ----------
    registry
        Where the metrics are registered; one bundle per registry.
    k
        Length of the lists that are scored.

    Examples
    --------
    >>> registry = CollectorRegistry()
    >>> WorkerMetrics(registry).dead_letter("not_json")
    >>> registry.get_sample_value("streamproc_dead_letters_total", {"kind": "not_json"})
    1.0
    """

    def __init__(self, registry: CollectorRegistry, k: int = 20) -> None:
        self.prequential = Prequential(k)
        self._events = dict.fromkeys(("click", "cart", "purchase"), 0)
        self._lag: Callable[[], Mapping[tuple[str, int], int]] = dict
        self._sizes: dict[str, Callable[[], int]] = {}
        self._records = Counter("streamproc_records", "Input records taken.", registry=registry)
        self._duplicates = Counter("streamproc_duplicates", "Events dropped as repeats.", registry=registry)
        self._dead = Counter("streamproc_dead_letters", "Records not usable.", ["kind"], registry=registry)
        self._recommendations = Counter("streamproc_recommendations", "Lists written.", registry=registry)
        self._batch = Histogram(
            "streamproc_batch_seconds", "Work on one micro-batch.", buckets=_COST_BUCKETS, registry=registry
        )
        self._latency = Histogram(
            "streamproc_event_to_recommendation_seconds",
            "From the timestamp of an input record to its recommendation.",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self._commit = Histogram(
            "streamproc_commit_seconds", "Committing one batch.", buckets=_COST_BUCKETS, registry=registry
        )
        self._alarms = Counter("streamproc_drift_alarms", "Drift alarms.", ["name", "kind"], registry=registry)
        self._version = Gauge("streamproc_base_version", "Version of the base model in service.", registry=registry)
        self._swaps = Counter("streamproc_base_swaps", "Base models taken into service.", registry=registry)
        _register_process(registry)
        registry.register(_AtScrape(self._collect))

    def batch(self, records: int, seconds: float) -> None:
        """Count a micro-batch and the time it took."""
        self._records.inc(records)
        self._batch.observe(seconds)

    def learned(self, event_type: EventType, learned: Learned) -> None:
        """Count an event and score the lists that stood before it.

        Only where a list had been shown to the user, so that all arms are means over the same events.
        """
        self._events[event_type.name.lower()] += 1
        if learned.had_shown:
            self.prequential.score("shown", learned.shown_rank)
            self.prequential.score("model", learned.rank)
            self.prequential.score("popularity", learned.popularity_rank)
            self.prequential.score("unadapted", learned.unadapted_rank)

    def recommended(self, seconds: float) -> None:
        """Count a recommendation, so many seconds after the record that caused it."""
        self._recommendations.inc()
        self._latency.observe(max(0.0, seconds))

    def duplicate(self) -> None:
        """Count an event that was dropped because its id was seen lately."""
        self._duplicates.inc()

    def dead_letter(self, kind: str) -> None:
        """Count a record sent to the dead letters; `kind` is that of the RecordError."""
        self._dead.labels(kind).inc()

    def committed(self, seconds: float) -> None:
        """Take the time of a commit."""
        self._commit.observe(seconds)

    def alarm(self, name: str, kind: str) -> None:
        """Count a drift alarm."""
        self._alarms.labels(name, kind).inc()

    def serving(self, version: int) -> None:
        """Tell which base version is in service."""
        self._version.set(version)

    def swapped(self, version: int) -> None:
        """Tell that a base version went into service in place of another."""
        self._swaps.inc()
        self.serving(version)

    def watch(
        self,
        lag: Callable[[], Mapping[tuple[str, int], int]] | None = None,
        users: Callable[[], int] | None = None,
        items: Callable[[], int] | None = None,
    ) -> None:
        """Name the sources of gauges that are read at each scrape.

        Parameters
        ----------
        lag
            Records not yet committed, by (topic, partition).
        users, items
            How many this worker knows.
        """
        if lag is not None:
            self._lag = lag
        self._sizes |= {name: source for name, source in (("users", users), ("items", items)) if source is not None}

    def _collect(self) -> Iterator[Metric]:
        events = CounterMetricFamily("streamproc_events", "Events learned.", labels=["type"])
        for name, count in self._events.items():
            events.add_metric([name], count)
        yield events
        lag = GaugeMetricFamily(
            "streamproc_consumer_lag_records", "Records not yet committed.", labels=["topic", "partition"]
        )
        for (topic, partition), records in self._lag().items():
            lag.add_metric([topic, str(partition)], records)
        yield lag
        for name, source in self._sizes.items():
            yield GaugeMetricFamily(f"streamproc_{name}", f"Known {name}.", value=source())
        yield from self.prequential.collect()


class TrainerMetrics:
    """What the trainer tells about itself.

    Parameters
    ----------
    registry
        Where the metrics are registered; one bundle per registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._examples = Counter("streamproc_trainer_examples", "Training examples.", ["result"], registry=registry)
        for result in ("learned", "skipped", "damaged"):
            self._examples.labels(result)
        self._steps = Counter("streamproc_trainer_steps", "Optimiser steps.", registry=registry)
        self._loss = Gauge("streamproc_trainer_loss", "Running training loss, nats.", registry=registry)
        self._alarms = Counter("streamproc_drift_alarms", "Drift alarms.", ["name", "kind"], registry=registry)
        self._proof = Gauge(
            "streamproc_proof",
            "Numbers behind the last verdicts: gains in nats, comparisons, evidence (betting capital).",
            ["number"],
            registry=registry,
        )
        self._versions = Counter(
            "streamproc_versions", "Versions of the base model.", ["kind", "verdict"], registry=registry
        )
        self._version = Gauge("streamproc_published_version", "Version that the pointer names.", registry=registry)
        self._signals = Counter("streamproc_drift_signals_received", "Drift signals read.", ["kind"], registry=registry)
        self._meta = Histogram(
            "streamproc_meta_update_seconds", "One meta-update.", buckets=_LONG_BUCKETS, registry=registry
        )
        self._epsilon = Gauge(
            "streamproc_privacy_epsilon",
            "Epsilon spent by all meta-updates since users' privacy is protected; 0 without.",
            registry=registry,
        )
        self._publish = Histogram(
            "streamproc_publish_seconds",
            "Writing an artefact and its record.",
            buckets=_COST_BUCKETS,
            registry=registry,
        )
        _register_process(registry)

    def examples(self, count: int, result: str = "learned") -> None:
        """Count examples: ``learned``, ``skipped`` (another feature layout) or ``damaged``."""
        self._examples.labels(result).inc(count)

    def stepped(self, steps: int, loss: float) -> None:
        """Count optimiser steps and tell the running loss."""
        self._steps.inc(steps)
        self._loss.set(loss)

    def alarm(self, name: str, kind: str) -> None:
        """Count an alarm on the merged stream of all workers."""
        self._alarms.labels(name, kind).inc()

    def proposed(self, seconds: float) -> None:
        """Take the time of writing a candidate."""
        self._publish.observe(seconds)

    def decided(self, kind: str, verdict: str, numbers: Mapping[str, float]) -> None:
        """Count a version, by kind and verdict, and tell the numbers behind it."""
        self._versions.labels(kind, verdict).inc()
        self.proved(numbers)

    def proved(self, numbers: Mapping[str, float]) -> None:
        """Tell the numbers behind the end of a comparison."""
        for name, value in numbers.items():
            self._proof.labels(name).set(value)

    def serving(self, version: int) -> None:
        """Tell which version the pointer names."""
        self._version.set(version)

    def signal(self, kind: str) -> None:
        """Count a drift signal read: ``trigger``, ``evidence`` or ``command``."""
        self._signals.labels(kind).inc()

    def meta_update(self, seconds: float) -> None:
        """Take the time of a meta-update."""
        self._meta.observe(seconds)

    def privacy(self, epsilon: float) -> None:
        """Tell what all meta-updates have spent."""
        self._epsilon.set(epsilon)


def _register_process(registry: CollectorRegistry) -> None:
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
