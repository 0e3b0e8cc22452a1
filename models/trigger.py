"""The drift trigger: CUSUMs of hits that were to be expected and did not come, over the stream of all workers.

Each list comes with a *promise*, the sum of its softmax shares. How often promises of a size are kept is calibrated
along the way, so that neither over-confidence, nor a better model, nor another mix of users looks like a change. What
is missing is weighted by the information that it carries about a loss of a tenth of all hits: a strong promise that
fails tells much, a weak one little. The weighted sum is a CUSUM of (nearly) log-likelihood ratios (Page, 1954).

A model that is left behind also grows less sure, and keeps its smaller promises: a second CUSUM takes all promises for
equal and sees such a loss. A third one tests for a loss of three hundredths, against what promises were worth some
thousand events ago: the calibration of the others follows a loss that comes gradually. Each raises the alarm.

Hits of a shadow baseline on the same events are a control variate: what moves both, a season, is taken out, as far as
their sums over a thousand events have moved together before (the regression coefficient, shrunk towards one).
"""

from __future__ import annotations

from collections import deque

from models.drift import Alarm

LOSS = 0.10  # share of the hits whose loss is tested for
SLOW_LOSS = 0.03  # the same, of a loss that comes gradually ...
SLOW_LAG = 7_000  # ... by a calibration that is so many events old
THRESHOLD = 10.0  # nats: about one false alarm in a million simulated events
BINS = 16  # of the promise
HALF_LIFE = 20_000.0  # events, of the calibration
WARM_UP = 2_000  # events before the first alarm and after each, in which calibration begins
BLOCK = 1_000  # events whose sums of model and baseline are compared
BLOCK_HALF_LIFE = 40.0  # blocks
PRIOR_BLOCKS = 5.0  # in which both moved alike, before any was seen
PRIOR_EVENTS = 20.0  # of a bin, in which promises were kept as all others are
LEAST = 0.01  # chance of a hit that can be lost
CONTROLLED = 0.5  # share of the variance that the baseline may at most explain
STALENESS = 6  # power of what is left of the hits, see `kept`
WHOLE = 0.65  # share of the hits that must be left for nothing to be taken for stale
LEAST_KEPT = 0.05  # what months have taught must not be lost to one alarm: it may be false, or tell of a bad version


def kept(before: float, after: float) -> float:
    """What to keep of the weight of older evidence after an alarm, 0 to 1.

    More is stale than the hits tell, since many of them come from what did not change: popularity, a user's own items.
    The sixth power of what is left of the hits did better after splices of real streams than any constant. Splices left
    half of them or less. Where few users make long runs of events, two thirds and more were left after false alarms:
    there, nothing is discounted.

    >>> round(kept(before=0.5, after=0.3), 2), kept(before=0.5, after=0.15), kept(before=0.5, after=0.4)
    (0.62, 0.05, 1.0)
    """
    return max(min(after / (WHOLE * before), 1.0) ** STALENESS, LEAST_KEPT) if before > 0 else 1.0


class _Rates:
    """Decayed hit rates of the model and the baseline, and what was promised."""

    def __init__(self) -> None:
        self._at = 0
        self._events = self._promised = self._model = self._baseline = self._both = 0.0

    def take(self, now: int, promise: float, model: bool, baseline: bool) -> None:
        """Take an event."""
        self._decay(now)
        self._events += 1
        self._promised += promise
        self._model += model
        self._baseline += baseline
        self._both += model and baseline

    def prior(self, now: int, promise: float) -> tuple[float, float, float]:
        """Rates of hits of the model, of the baseline and of both, where promises are kept as on average."""
        self._decay(now)
        model = min(promise * (self._model + 0.5) / (self._promised + 1), 1.0)
        both = model * (self._both + 0.25) / (self._model + 0.5)
        return model, (self._baseline + 0.5) / (self._events + 1), both

    def at(self, now: int, like: tuple[float, float, float], weight: float) -> tuple[float, float, float]:
        """The same as they were here, after `weight` more events at the rates `like`."""
        self._decay(now)
        events = self._events + weight
        return (
            (self._model + weight * like[0]) / events,
            (self._baseline + weight * like[1]) / events,
            (self._both + weight * like[2]) / events,
        )

    def _decay(self, now: int) -> None:
        if now == self._at:
            return
        keep = 0.5 ** ((now - self._at) / HALF_LIFE)
        self._at = now
        self._events *= keep
        self._promised *= keep
        self._model *= keep
        self._baseline *= keep
        self._both *= keep


class _Control:
    """How far the model's residuals have moved with the baseline's: 1 at first."""

    def __init__(self) -> None:
        self.coefficient = 1.0
        self._events = 0
        self._model = self._baseline = 0.0
        self._product = self._square = 0.0

    def take(self, model: float, baseline: float, variance: float) -> None:
        """Take the residuals of an event; `variance` is that of the baseline's."""
        self._model += model
        self._baseline += baseline
        self._events += 1
        if self._events < BLOCK:
            return
        keep = 0.5 ** (1 / BLOCK_HALF_LIFE)
        self._product = keep * self._product + self._model * self._baseline
        self._square = keep * self._square + self._baseline**2
        prior = PRIOR_BLOCKS * BLOCK * variance
        self.coefficient = min(max((self._product + prior) / (self._square + prior), 0.0), 1.0)
        self._events, self._model, self._baseline = 0, 0.0, 0.0


class _Chart:
    """A CUSUM of promises that were not kept.

    Parameters
    ----------
    loss : share of the hits whose loss is tested for.
    lag : events after which an event counts for the calibration.
    """

    def __init__(self, name: str, loss: float = LOSS, lag: int = 0) -> None:
        self._name = name
        self._loss = loss
        self._lag = lag
        self._control = _Control()
        self.restart(0)

    def restart(self, now: int) -> None:
        """Forget the calibration."""
        self._all, self._bins = _Rates(), [_Rates() for _ in range(BINS)]
        self._waiting: deque[tuple[_Rates, float, bool, bool]] = deque()
        self._begins = now + self._lag
        self._clear(now)

    def _clear(self, now: int) -> None:
        self._evidence, self._since, self._expected, self._got = 0.0, now, 0.0, 0

    def update(self, now: int, promise: float, model_hit: bool, baseline_hit: bool) -> Alarm | None:
        """Take an event, the `now`-th of the stream."""
        rates = self._bins[min(int(promise * BINS), BINS - 1)]
        self._weigh(now, rates, promise, model_hit, baseline_hit)
        self._waiting.append((rates, promise, model_hit, baseline_hit))
        if len(self._waiting) > self._lag:
            rates, promise, model_hit, baseline_hit = self._waiting.popleft()
            for each in (self._all, rates):
                each.take(now, promise, model_hit, baseline_hit)
        if now <= self._begins + WARM_UP or self._evidence == 0.0:
            self._clear(now)
        if self._evidence <= THRESHOLD:
            return None
        window = now - self._since
        return Alarm(self._name, "trigger", "CUSUM", self._expected / window, self._got / window, window)

    def _weigh(self, now: int, rates: _Rates, promise: float, model_hit: bool, baseline_hit: bool) -> None:
        """Add to the evidence what an event says for the loss, in nats."""
        model, baseline, both = rates.at(now, self._all.prior(now, promise), PRIOR_EVENTS)
        if model < LEAST:
            return
        beta = self._control.coefficient
        ours, theirs = model_hit - model, baseline_hit - baseline
        # Half-way between both hypotheses the normal log-likelihood ratio is next to Bernoulli's.
        halfway = model * (1 - self._loss / 2)
        own, other = halfway * (1 - halfway), baseline * (1 - baseline)
        variance = own + beta * beta * other - 2 * beta * (both - model * baseline)
        lost = self._loss * model
        missing = beta * theirs - ours
        self._evidence += lost / max(variance, (1 - CONTROLLED) * own) * (missing - lost / 2)
        self._evidence = max(self._evidence, 0.0)
        self._expected += model + beta * theirs
        self._got += model_hit
        if now > self._begins:
            self._control.take(ours, theirs, other)


class Trigger:
    """Watch the merged stream of all workers for hits that are lost.

    Examples
    --------
    >>> import random
    >>> rng, trigger, alarms = random.Random(1), Trigger(), []
    >>> for t in range(8_000):
    ...     promise = rng.betavariate(7, 2)
    ...     hit = rng.random() < promise * (0.9 if t < 6_000 else 0.7)
    ...     if alarm := trigger.update(promise, hit, rng.random() < 0.2):
    ...         alarms.append((t, alarm))
    >>> [(6_000 < t < 6_500, a.before > a.after) for t, a in alarms]
    [(True, True)]
    """

    def __init__(self) -> None:
        self.events = 0
        self._promises, self._hits = _Chart("kept_promises"), _Chart("relative_hit_rate")
        self._slow = _Chart("kept_promises_slowly", SLOW_LOSS, SLOW_LAG)

    def update(self, promise: float, model_hit: bool, baseline_hit: bool) -> Alarm | None:
        """Take an event.

        Parameters
        ----------
        promise : with what probability its item should have been in the model's list, 0 to 1.
        model_hit, baseline_hit : whether it was there, and in the shadow baseline's.

        Returns
        -------
        An alarm when hits are lost: its `before` is the hit rate that promises, or the past, and the baseline led to
        expect in the last `window` events, its `after` the one that was.
        """
        self.events += 1
        broken = self._promises.update(self.events, promise, model_hit, baseline_hit)
        fewer = self._hits.update(self.events, 1.0, model_hit, baseline_hit)
        slowly = self._slow.update(self.events, promise, model_hit, baseline_hit)
        if alarm := broken or fewer or slowly:
            # Calibration begins anew, too: it knows the old world.
            for chart in (self._promises, self._hits, self._slow):
                chart.restart(self.events)
        return alarm
