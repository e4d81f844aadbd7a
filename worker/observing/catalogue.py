"""Every metric there is. Labels have few values each: sources, streams, goals, tasks, states and codes, never a person.

Metrics of state are read from PostgreSQL and Redis when somebody asks, by any one process of the console. Those that
count (`_total`, `_seconds` with buckets) are added up in Redis by all processes; a flushed Redis begins at zero again,
which `rate()` understands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` as Prometheus has it. `buckets`: upper bounds, of a histogram."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"leadgauge_{name}", Kind.GAUGE, text, labels)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"leadgauge_{name}_total", Kind.COUNTER, text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(f"leadgauge_{name}", Kind.HISTOGRAM, text, labels, tuple(map(float, buckets)))


UP = _gauge("up", "1 where the database or Redis answered the exporter, else 0.", "part")
BUILD = _gauge("build_info", "1; the labels tell the version.", "version")
GATHERED = _gauge("gathered_timestamp_seconds", "When the metrics of state were read: it may be minutes ago.")

STREAM_LAG = _gauge("stream_lag_seconds", "How long ago a stream was known to be read to its end.", "source", "stream")
STREAM_LATE = _gauge("stream_late_seconds", "How long a stream is due and not worked on.", "source", "stream")
STREAM_FAILING = _gauge("stream_failing", "1 where the last try failed; by its code.", "source", "stream", "code")
FIRST_READ_ROWS = _gauge("first_read_rows", "Rows that a first read under way has brought.", "source", "stream")
FIRST_READ_EXPECTED = _gauge("first_read_expected_rows", "Rows that it will bring, about.", "source", "stream")
INCOMPLETE_DAYS = _gauge("incomplete_days", "Days of the last week that were not read whole.", "source", "name")

DUE = _gauge("due", "Work that is due and that nobody does: what workers are scaled by.", "queue")
QUEUED = _gauge("queued_messages", "Wake-ups that wait in the broker.", "queue")
PEOPLE = _gauge("people", "People that are known.")
PEOPLE_WAITING = _gauge("people_waiting", "People that wait to be scored.")
PEOPLE_OLDEST = _gauge("people_oldest_wait_seconds", "How long the first of them has waited.")
BUCKET_PEOPLE = _gauge("bucket_people", "People by bucket.", "goal", "bucket")
PARKED = _gauge("people_parked", "People without a score, as their reasons did not add up.", "goal")
ROLLOUT = _gauge("rollout_people", "People whose score is by an older policy, rules or model.", "goal")

WRITES = _gauge("writes", "Rows of the ledger by how they stand, dismissed ones left out.", "source", "state")
WRITES_FAILED = _gauge("writes_failed", "Writes that failed for good, by the CRM's or our own code.", "source", "state",
                       "code")  # fmt: skip
WRITE_OLDEST = _gauge("write_oldest_seconds", "How long the oldest write under way has been.", "source")
WRITES_DAY = _gauge("writes_day", "Writes meant in the last 24 hours, not overtaken, that can be proved.", "source")
WRITES_DAY_VERIFIED = _gauge("writes_day_verified", "Those of them that are proved to have landed.", "source")
HELD = _gauge("writing_held", "1 where writing is stopped: paused, a dry run, or not yet compared after a restore.",
              "source", "why")  # fmt: skip

CALLS_USED = _gauge("calls_used", "API calls of the day that anybody made, as the CRM tells.", "source")
CALLS_LIMIT = _gauge("calls_limit", "API calls that the day has.", "source")
CALLS_OWN = _gauge("calls_own", "API calls of the day that we made.", "source")
CALLS_OWN_LIMIT = _gauge("calls_own_limit", "API calls of the day that we make at most.", "source")
CALLS_LEFT = _gauge("calls_left", "API calls that a lane may still make today.", "source", "lane")
CALLS_PARKED = _gauge("calls_parked_seconds", "How long a lane is parked from now.", "source", "lane")

MODEL_AGE = _gauge("model_age_seconds", "Age of the model that scores.", "goal", "segment")
MODEL_NUMBER = _gauge("model_number", "Number of the model that scores.", "goal", "segment")
MODEL_DRIFT = _gauge("model_drift_level", "0 ok, 1 watch, 2 alert, -1 not checked lately.", "goal", "segment")
MODEL_PSI = _gauge("model_score_psi", "Population stability index of the score at the last check.", "goal", "segment")
MODEL_EXPECTED = _gauge("model_expected_conversions", "Conversions that the model foresaw among those matured since.",
                        "goal", "segment")  # fmt: skip
MODEL_OBSERVED = _gauge("model_observed_conversions", "Conversions that there were among them.", "goal", "segment")
MODEL_AUC = _gauge("model_matured_auc", "Area under the ROC curve on those matured since.", "goal", "segment")
TRAININGS = _gauge("training_requests", "Requests to the trainer that wait or run.", "goal", "kind", "state")
TRAINING_FAILED = _gauge("training_failed", "1 where the newest training failed.", "goal")
TRAINER_SEEN = _gauge("trainer_seen_seconds", "How long ago a trainer was last seen.")
PROBLEMS = _gauge("problems", "What `leadgauge status` says needs a person: how many things.")

SCORED = _counter("scored", "People scored.")
INTENDED = _counter("intended", "Writes that scoring asked for.")
PULLED = _counter("pulled_rows", "Rows read.", "source", "stream")
SENT = _counter("sent", "Records written.", "source")
VERIFIED = _counter("verified", "Writes proved, by reading them back or by seeing them in a pull.", "source")
DRIFTED = _counter("drifted", "Writes given up to another writer.", "source")
TASK_SECONDS = _histogram("task_seconds", "How long tasks took.",
                          (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 110), "task", "outcome")  # fmt: skip
REQUEST_SECONDS = _histogram("request_seconds", "How long the CRM took to answer.",
                             (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30), "source", "status")  # fmt: skip
TASK_LAST = _gauge("task_last_success_timestamp_seconds", "When a task last ended well.", "task")
PROCESSES = _gauge("processes", "Processes that did something in the last five minutes.", "role")
MEMORY = _gauge("process_memory_bytes", "Resident memory of the largest process of a role.", "role")

METRICS: Mapping[str, Metric] = {its.name: its for its in list(globals().values()) if isinstance(its, Metric)}
"""By name."""


def series() -> frozenset[str]:
    """Every name that an expression may use: those of histograms by their parts."""
    parts = ("_bucket", "_sum", "_count")
    return frozenset(
        name
        for its in METRICS.values()
        for name in ([its.name + part for part in parts] if its.kind is Kind.HISTOGRAM else [its.name])
    )
