"""A configuration of a later release is refused with what to do, not half understood."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from worker.settings import ConfigurationError, Settings, load, parse


def test_a_file_says_how_it_is_to_be_read() -> None:
    here = Path("leadgauge.yaml")
    assert parse("layout: 1", here) == parse("", here)
    with pytest.raises(ConfigurationError, match="`layout` is 2, and this version reads 1; CHANGELOG"):
        parse("layout: 2", here)


def test_a_variable_may_hold_plain_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADGAUGE_PLAN_EVERY", "7.5")
    assert load().plan_every == timedelta(seconds=7.5)
    monkeypatch.setenv("LEADGAUGE_PLAN_EVERY", "often")
    with pytest.raises(ConfigurationError, match="`plan_every` is no length of time; write seconds"):
        load()


def test_a_metrics_token_that_keeps_nobody_out_is_refused() -> None:
    with pytest.raises(ValueError, match="too short to keep anybody out"):
        Settings.model_validate({"metrics_token": "secret"})
