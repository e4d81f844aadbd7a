"""The `policy` commands in this process, on a database of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from worker.bootstrap import Process
from worker.cli import drafting
from worker.cli.main import app
from worker.settings import Settings, load

Run = Callable[..., str]


@pytest.fixture
def run(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Run]:
    """A command as a person types it; returns what it printed."""
    opened: list[Process] = []

    class Kept(Process):
        """A command's process ends with it; here what it opened is closed at the end of the test."""

        def __init__(self, settings: Settings) -> None:
            super().__init__(settings)
            opened.append(self)

    monkeypatch.setattr(drafting, "Process", Kept)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEADGAUGE_DATABASE_URL", database_url)
    monkeypatch.setenv("LEADGAUGE_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str) -> str:
        app(words, standalone_mode=False)
        return capsys.readouterr().out

    Kept(load()).migrate()
    yield run
    for process in opened:
        process.close()
