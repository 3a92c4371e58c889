"""What Prometheus sees: the server's own numbers, and each model's traffic beside its training profile.

Labels hold only what the server chose (model names it loaded, columns of their schemas), never what a client sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from slipway.serving.model import Model
from slipway.serving.traffic import SCORE_BUCKETS, Traffic

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
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
        self.requests = Counter(
            "slipway_requests", "Requests by path and HTTP status.", ["path", "code"], registry=self.registry
        )
        self.seconds = Histogram(
            "slipway_request_seconds",
            "From a request's first byte to its answer, waiting included.",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.rows = Histogram(
            "slipway_request_rows", "Rows a request brought.", ["model"], buckets=ROWS, registry=self.registry
        )
        self.refused = Counter(
            "slipway_refused_values",
            "Requests refused by the column at fault and why.",
            ["model", "column", "reason"],
            registry=self.registry,
        )
        self.loads = Counter(
            "slipway_model_loads", "Models loaded or refused while running.", ["outcome"], registry=self.registry
        )
        self.in_flight = Gauge("slipway_in_flight", "Requests being answered or waiting.", registry=self.registry)
        Gauge("slipway_capacity", "Requests in flight from which on more are turned away.", registry=self.registry).set(
            capacity
        )
        self.models: Mapping[str, tuple[Model, Traffic]] = {}
        self.registry.register(_ModelCollector(self))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


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
            "When it was registered (loaded, where the folder does not say).",
            labels=["model", "version"],
        )
        scores = HistogramMetricFamily("slipway_score", "Probabilities answered.", labels=["model", "version"])
        live = CounterMetricFamily(
            "slipway_feature_rows", "Rows by column and drift bucket.", labels=["model", "version", "column", "bucket"]
        )
        trained = GaugeMetricFamily(
            "slipway_profile_share",
            "The share of the training rows in the same bucket.",
            labels=["model", "version", "column", "bucket"],
        )
        for model, traffic in self._metrics.models.values():
            traffic.flush()
            key = [model.name, model.version]
            lineage = [str(model.metadata.get(name) or "") for name in LINEAGE]
            info.add_metric([*key, model.engine.name, *lineage], 1)
            loaded.add_metric(key, model.loaded.timestamp())
            created.add_metric(key, _timestamp(model))
            scores.add_metric(key, _cumulative(traffic), sum_value=traffic.score_sum)
            for column, bucket, rows in traffic.live():
                live.add_metric([*key, column, bucket], rows)
            for column, bucket, share in traffic.trained():
                trained.add_metric([*key, column, bucket], share)
        yield from (info, loaded, created, scores, live, trained)


def _cumulative(traffic: Traffic) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for position, rows in enumerate(traffic.scores.tolist(), start=1):
        total += rows
        buckets.append((str(position / SCORE_BUCKETS), float(total)))
    return [*buckets, ("+Inf", float(total))]


def _timestamp(model: Model) -> float:
    try:
        return datetime.fromisoformat(model.created).timestamp()
    except ValueError:
        return model.loaded.timestamp()
