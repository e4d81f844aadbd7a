"""What the connectors' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.connectors.salesforce_stub import Stub, serving


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A scripted Salesforce."""
    monkeypatch.setenv("SECRET", "s3cret")
    with serving(tmp_path) as running:
        yield running
