"""What leaves for Sentry holds types and places, nothing of a person; a library is asked for only where it is set."""

from __future__ import annotations

import sys

import pytest

from worker.observing.reporting import Reporting, scrubbed
from worker.settings import ConfigurationError, Settings


def test_an_event_is_stripped_to_what_is_harmless() -> None:
    frame = {"function": "push", "lineno": 3, "vars": {"email": "ann@example.com"}, "context_line": "x = 'ann'"}
    event = {
        "event_id": "1", "level": "error", "server_name": "host", "user": {"email": "ann@example.com"},
        "extra": {"celery-job": {"args": ["ann"]}}, "request": {"data": "ann"}, "breadcrumbs": {"values": ["ann"]},
        "exception": {"values": [{"type": "ValueError", "value": "no ann@example.com, password=hunter2",
                                  "stacktrace": {"frames": [frame]}}]},
    }  # fmt: skip
    kept = scrubbed(event)
    assert kept.keys() == {"event_id", "level", "exception"}
    raised = kept["exception"]["values"][0]
    assert raised["type"] == "ValueError"
    assert raised["stacktrace"]["frames"] == [{"function": "push", "lineno": 3}]
    assert "ann" not in str(kept)
    assert "hunter2" not in str(kept)


@pytest.mark.parametrize(
    ("setting", "library", "module"),
    [("sentry_dsn", "sentry_sdk", "sentry_sdk"), ("otlp_endpoint", "opentelemetry", "opentelemetry.sdk.trace")],
)
def test_a_missing_library_is_named_with_what_to_do(
    setting: str, library: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    settings = Settings.model_validate({setting: "https://key@localhost/1" if "dsn" in setting else "http://here:4318"})
    with pytest.raises(ConfigurationError, match=f"`{setting}` needs {library}, .* pip install"):
        Reporting(settings, "beat")


def test_without_the_settings_nothing_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("importlib.import_module", asked.append)
    reporting = Reporting(Settings(), "beat")
    reporting.begin("leadgauge.pull", "1", run="2")
    reporting.end("1", ValueError("x"))
    reporting.close()
    assert asked == []
