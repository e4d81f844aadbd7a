"""Metrics as Prometheus reads them. Any process of the console tells those of the whole installation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from worker.bootstrap import Process
from worker.observing import catalogue, meter, probes
from worker.observing.catalogue import METRICS, Kind
from worker.observing.gather import Sample, state

log = structlog.get_logger(__name__)

_FRESH, _STALE, _COST = 5.0, 300.0, 10
"""State is read anew after 5 seconds or ten times as long as it took, and told for 5 minutes when it cannot be read."""


class Exporter(Collector):
    """Thread-safe. A database or Redis that is away shows as `leadgauge_up 0`; what else is known is told all the
    same. `patience`: seconds that an answer waits for the state; Prometheus waits 10."""

    def __init__(
        self, process: Process, read: Callable[[Process], Sequence[Sample]] = state, patience: float = 8
    ) -> None:
        self._process, self._read, self._patience = process, read, patience
        self._lock = threading.Lock()
        self._state: Sequence[Sample] = ()
        self._at = self._again_at = float("-inf")
        self._reading: threading.Thread | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def answer(self, accept: str) -> tuple[bytes, str]:
        """The body and its content type, in the form that `accept` (a header) asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        by_name: dict[str, list[Sample]] = {}
        for sample in (*self._up(), *self._fresh_state(), *self._counted()):
            by_name.setdefault(sample.metric.name, []).append(sample)
        for name, samples in sorted(by_name.items()):
            yield _family(METRICS[name], samples)

    def _up(self) -> Iterable[Sample]:
        ready = probes.readiness(self._process)
        return [Sample(catalogue.UP, (part,), said == probes.OK) for part, said in ready.items()]

    def _fresh_state(self) -> Sequence[Sample]:
        """Read behind the answer when that takes long, so that a scrape ends in its time."""
        with self._lock:
            running = self._reading is not None and self._reading.is_alive()
            if not running and time.monotonic() >= self._again_at:
                self._reading = threading.Thread(target=self._read_state, daemon=True, name="metrics")
                self._reading.start()
            reading = self._reading
        if reading is not None:
            reading.join(self._patience)
        return self._state if time.monotonic() - self._at <= _STALE else ()

    def _read_state(self) -> None:
        began = time.monotonic()
        try:
            samples = self._read(self._process)
            self._state = [*samples, Sample(catalogue.GATHERED, (), time.time())]
            self._at = time.monotonic()
        except Exception as problem:
            log.warning("the metrics of state cannot be read", action="metrics", problem=type(problem).__name__)
        took = time.monotonic() - began
        self._again_at = time.monotonic() + max(_FRESH, _COST * took)

    def _counted(self) -> list[Sample]:
        redis, sources = self._process.redis, set(self._process.sources)
        try:
            counted = meter.counted(redis, METRICS)
            samples = [Sample(METRICS[its.name], its.labels, its.value, its.part) for its in counted]
            for role in meter.present(redis):
                samples.append(Sample(catalogue.PROCESSES, (role.role,), role.processes))
                samples.append(Sample(catalogue.MEMORY, (role.role,), role.memory))
        except RedisError:
            return []
        return [its for its in samples if _source(its) in (None, *sources)]


def _source(sample: Sample) -> str | None:
    """A source that is configured no more is told no more."""
    return dict(zip(sample.metric.labels, sample.labels, strict=True)).get("source")


def _family(metric: catalogue.Metric, samples: Sequence[Sample]) -> Metric:
    if metric.kind is Kind.HISTOGRAM:
        return _histogram(metric, samples)
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for sample in samples:
        family.add_metric(sample.labels, float(sample.value))
    return family


def _histogram(metric: catalogue.Metric, samples: Sequence[Sample]) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    bounds = [*map(repr, metric.buckets), "+Inf"]
    for labels in sorted({sample.labels for sample in samples}):
        parts = {sample.part: sample.value for sample in samples if sample.labels == labels}
        below = list(accumulate(parts.get(bound, 0.0) for bound in bounds))
        family.add_metric(labels, list(zip(bounds, below, strict=True)), parts.get("sum", 0.0))
    return family
