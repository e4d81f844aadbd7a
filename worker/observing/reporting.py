"""Traces to OpenTelemetry and errors to Sentry, where the settings say so; neither library is needed otherwise.

What leaves the machine: names of tasks and sources, times, the types and places of errors. Never an argument, a local
variable, a query's parameters or a body; texts go through the same redaction as the log.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from worker.log import redact
from worker.settings import ConfigurationError, Settings


class Reporting:
    """Of one process; open it after the fork, since what sends in the background does not survive one. Raises
    `ConfigurationError` where a setting asks for a library that is not installed."""

    def __init__(self, settings: Settings, role: str) -> None:
        self._tracer: Any = None
        self._provider: Any = None
        self._sentry: Any = None
        self._spans: dict[str, Any] = {}
        if settings.sentry_dsn is not None:
            self._sentry = _open_sentry(settings.sentry_dsn.get_secret_value(), role)
        if settings.otlp_endpoint is not None:
            self._provider = _open_traces(str(settings.otlp_endpoint), role)
            self._tracer = self._provider.get_tracer("leadgauge", version("leadgauge"))

    def begin(self, name: str, key: str, **attributes: str) -> None:
        """A task begins. `key`: what it is called when it ends."""
        if self._tracer is not None:
            self._spans[key] = self._tracer.start_span(name, attributes=attributes)

    def end(self, key: str, problem: BaseException | None = None) -> None:
        """It ends: well, or with a problem of which the type alone is told."""
        span = self._spans.pop(key, None)
        if problem is not None and self._sentry is not None:
            self._sentry.capture_exception(problem)
        if span is None:
            return
        if problem is not None:
            status = _library("opentelemetry.trace", "otel")
            span.set_attribute("error.type", type(problem).__name__)
            span.set_status(status.Status(status.StatusCode.ERROR))
        span.end()

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()
            self._provider = self._tracer = None
        if self._sentry is not None:
            self._sentry.flush(2.0)


def _open_sentry(dsn: str, role: str) -> Any:
    sentry = _library("sentry_sdk", "sentry")
    sentry.init(
        dsn=dsn, release=f"leadgauge@{version('leadgauge')}", before_send=scrubbed, before_breadcrumb=lambda *_: None,
        send_default_pii=False, include_local_variables=False, include_source_context=False, default_integrations=False,
        max_request_body_size="never", auto_enabling_integrations=False, integrations=[],
    )  # fmt: skip
    sentry.set_tag("role", role)
    return sentry


def scrubbed(event: Mapping[str, Any], _: Any = None) -> dict[str, Any]:
    """An event with only what is known to be harmless: types, places, redacted texts."""
    harmless = ("event_id", "timestamp", "level", "release", "platform", "tags")
    kept = {key: event[key] for key in harmless if key in event}
    if values := (event.get("exception") or {}).get("values"):
        kept["exception"] = {"values": [_raised(value) for value in values]}
    return kept


def _raised(value: Mapping[str, Any]) -> dict[str, Any]:
    places = ("filename", "abs_path", "function", "module", "lineno", "in_app")
    frames = ((value.get("stacktrace") or {}).get("frames")) or ()
    return {
        "type": value.get("type"), "module": value.get("module"), "value": redact(str(value.get("value") or ""))[:500],
        "stacktrace": {"frames": [{key: frame[key] for key in places if key in frame} for frame in frames]},
    }  # fmt: skip


def _open_traces(endpoint: str, role: str) -> Any:
    sdk = _library("opentelemetry.sdk.trace", "otel")
    export = _library("opentelemetry.sdk.trace.export", "otel")
    resources = _library("opentelemetry.sdk.resources", "otel")
    otlp = _library("opentelemetry.exporter.otlp.proto.http.trace_exporter", "otel")
    names = {"service.name": f"leadgauge-{role}", "service.version": version("leadgauge")}
    provider = sdk.TracerProvider(resource=resources.Resource.create(names))
    exporter = otlp.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    return provider


def _library(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        setting = "sentry_dsn" if extra == "sentry" else "otlp_endpoint"
        raise ConfigurationError(
            f"`{setting}` needs {module.partition('.')[0]}, which is not installed: pip install 'leadgauge[{extra}]', "
            "or unset it"
        ) from None
