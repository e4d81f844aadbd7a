"""A configuration of a later release is refused with what to do, not half understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.settings import ConfigurationError, Settings, parse


def test_a_file_says_how_it_is_to_be_read() -> None:
    here = Path("leadgauge.yaml")
    assert parse("layout: 1", here) == parse("", here)
    with pytest.raises(ConfigurationError, match="`layout` is 2, and this version reads 1; CHANGELOG"):
        parse("layout: 2", here)


def test_a_metrics_token_that_keeps_nobody_out_is_refused() -> None:
    with pytest.raises(ValueError, match="too short to keep anybody out"):
        Settings.model_validate({"metrics_token": "secret"})
