"""An org whose clock stands still at noon."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sandbox.clock import Clock
from sandbox.salesforce.org import Org

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    clock = Clock(NOON)
    clock.hold(NOON)
    return clock


@pytest.fixture
def org(clock: Clock) -> Org:
    return Org(clock)
