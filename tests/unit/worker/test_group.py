"""A role that dies is started again, at once and then ever later: whatever it dies of may be away for hours."""

from __future__ import annotations

import signal
import subprocess
from itertools import pairwise
from typing import Any

import pytest
import typer

from worker.cli import run
from worker.cli.run import Group
from worker.cli.screen import Exit


class Clock:
    """Time that passes when somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(run, "time", clock)
    return clock


def dying(clock: Clock, code: int, until: float, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When a role is started that ends with this code at once."""
    started: list[float] = []

    class Child:
        returncode = code
        pid = 0

        def __init__(self, *_: Any, **__: Any) -> None:
            started.append(clock.now)

        def poll(self) -> int:
            return code

        def wait(self, timeout: float) -> int:
            return code

    monkeypatch.setattr(subprocess, "Popen", Child)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # those of the test run stay
    with Group({"beat": ["beat"]}) as group:
        group.wait(lambda: clock.now < until)
    return started


def test_a_role_that_keeps_dying_is_started_ever_later_and_never_given_up(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = dying(clock, 1, 3600, monkeypatch)
    pauses = [after - before for before, after in pairwise(started)]
    assert pauses[:3] == pytest.approx([0.0, 2.5, 4.5], abs=1.0)
    assert max(pauses) <= run.LONGEST_PAUSE + 1
    assert len(started) > 3600 / (run.LONGEST_PAUSE + 1)


def test_what_only_a_person_can_mend_ends_the_group(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(typer.Exit) as ended:
        dying(clock, Exit.WRONG, 60, monkeypatch)
    assert ended.value.exit_code == Exit.WRONG
