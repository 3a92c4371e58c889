"""What Prometheus sees: the server's own numbers, and each model's traffic beside its training profile.

Labels hold only what the server chose (model names it loaded, columns of their schemas), never what a client sent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from slipway.serving.model import Model
from slipway.serving.traffic import BATCH_ROWS, Traffic

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PATHS = ("/predict", "infer")
STATUSES = (200, 400, 408, 413, 415, 499, 500)
OUTCOMES = ("loaded", "refused")
LINEAGE = ("git_sha", "data_md5", "train_image", "experiment")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One server's metrics, in a registry of its own.

    Args:
        capacity: from how many on requests are turned away.
    """

    def __init__(self, capacity: int) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        # All from the start: Prometheus sees no increase in a series that begins with its first failures.
        self.requests: Counts[tuple[str, int]] = Counts({(path, code): 0 for path in PATHS for code in STATUSES})
        self.requests["full", 503] = 0
        self.seconds = {path: _Tally(SECONDS) for path in PATHS}
        self.refused = Counter(
            "slipway_refused_values",
            "Requests refused by the column at fault and why.",
            ["model", "column", "reason"],
            registry=self.registry,
        )
        self.loads = Counter(
            "slipway_model_loads", "Models loaded or refused while running.", ["outcome"], registry=self.registry
        )
        for outcome in OUTCOMES:
            self.loads.labels(outcome)
        self.in_flight = Gauge("slipway_in_flight", "Requests being answered or waiting.", registry=self.registry)
        self.waiting = Gauge(
            "slipway_waiting", "Requests in flight that no call of the engine has begun for.", registry=self.registry
        )
        Gauge("slipway_capacity", "Requests in flight from which on more are turned away.", registry=self.registry).set(
            capacity
        )
        self.models: Mapping[str, tuple[Model, Traffic]] = {}
        self.registry.register(_RequestCollector(self))
        self.registry.register(_ModelCollector(self))

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request to ``path``, one of ``PATHS``, was answered with ``status`` after ``seconds``."""
        self.requests[path, status] += 1
        self.seconds[path].observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Tally:
    """A histogram's buckets, counted on one thread: a twentieth of the cost of a thread-safe one."""

    def __init__(self, borders: tuple[float, ...]) -> None:
        self._borders = borders
        self._counts = [0] * (len(borders) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._borders, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper border, how many are not above it), as Prometheus wants them."""
        return _cumulative(self._borders, self._counts)


class _RequestCollector(Collector):
    """What the event loop counts in plain numbers, in Prometheus' words."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "slipway_requests",
            "Predictions by path and HTTP status; path full was turned away.",
            labels=["path", "code"],
        )
        for (path, status), count in sorted(self._metrics.requests.items()):
            requests.add_metric([path, str(status)], count)
        seconds = HistogramMetricFamily(
            "slipway_request_seconds", "From a request's first byte to its answer, waiting included.", labels=["path"]
        )
        for path, tally in self._metrics.seconds.items():
            seconds.add_metric([path], tally.cumulative(), sum_value=tally.sum)
        yield from (requests, seconds)


class _ModelCollector(Collector):
    """Asks every model that is loaded now, so that a removed one leaves no stale series."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "slipway_model_info", "1 for each loaded model version.", labels=["model", "version", "engine", *LINEAGE]
        )
        loaded = GaugeMetricFamily(
            "slipway_model_loaded_timestamp_seconds", "When it was loaded.", labels=["model", "version"]
        )
        created = GaugeMetricFamily(
            "slipway_model_created_timestamp_seconds",
            "When it was registered (loaded, where nobody says).",
            labels=["model", "version"],
        )
        scores = HistogramMetricFamily(
            "slipway_score",
            "Probabilities (of several classes the largest), predictions or scores answered.",
            labels=["model", "version"],
        )
        batches = HistogramMetricFamily(
            "slipway_batch_rows", "Rows answered by one call of the engine.", labels=["model", "version"]
        )
        uncounted = CounterMetricFamily(
            "slipway_uncounted_rows", "Rows that were answered and could not be counted.", labels=["model", "version"]
        )
        live = CounterMetricFamily(
            "slipway_feature_rows",
            "Rows by column and drift bucket; what is answered is counted as one more column.",
            labels=["model", "version", "column", "bucket"],
        )
        trained = GaugeMetricFamily(
            "slipway_profile_share",
            "The share of the training rows in the same bucket.",
            labels=["model", "version", "column", "bucket"],
        )
        for model, traffic in self._metrics.models.values():
            traffic.flush()
            key = [model.name, model.version]
            origin = model.metadata.get("lineage", {})  # as `slipway register` writes it
            lineage = [str(origin.get(name) or "") for name in LINEAGE]
            info.add_metric([*key, model.engine.name, *lineage], 1)
            loaded.add_metric(key, model.loaded.timestamp())
            created.add_metric(key, model.created.timestamp())
            scores.add_metric(key, _cumulative(traffic.borders, traffic.scores.tolist()), sum_value=traffic.score_sum)
            batches.add_metric(key, _cumulative(BATCH_ROWS, traffic.batches.tolist()), sum_value=traffic.rows)
            uncounted.add_metric(key, traffic.uncounted)
            for column, bucket, rows in traffic.live():
                live.add_metric([*key, column, bucket], rows)
            for column, bucket, share in traffic.trained():
                trained.add_metric([*key, column, bucket], share)
        yield from (info, loaded, created, scores, batches, uncounted, live, trained)


def _cumulative(borders: Iterable[float], counts: Iterable[int]) -> list[tuple[str, float]]:
    tops = [*map(str, borders), "+Inf"]
    return [(top, float(total)) for top, total in zip(tops, accumulate(counts), strict=True)]
