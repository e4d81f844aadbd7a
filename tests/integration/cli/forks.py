"""The `leadgauge` command in a process of its own, forked from one that has imported it: seconds less each."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

_PRELOADED = [
    *("worker.cli.main", "worker.tasks"),
    # What commands import when they need it, three seconds in all. Not polars: it begins threads, and threads are lost.
    *("connectors.salesforce.crm", "connectors.hubspot.crm", "sklearn.ensemble", "skops.io"),
]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def run(arguments: Sequence[str], environment: Mapping[str, str], directory: Path, within: float) -> Ended:
    """A command to its end, in `directory` with just this `environment`. Raises `TimeoutError`."""
    with TemporaryDirectory() as place:
        said = Path(place, "out"), Path(place, "err")
        process = _forks().Process(target=_command, args=(list(arguments), dict(environment), directory, *said))
        process.start()
        process.join(within)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"leadgauge {' '.join(arguments)}: not within {within:.0f} s")
        out, err = (file.read_text("utf-8") for file in said)
        return Ended(process.exitcode, out, err)


@dataclass(frozen=True, slots=True)
class Running:
    """A command that goes on."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """How it ended; None while it has not."""
        return self.process.exitcode

    def wait(self) -> None:
        self.process.join()


def start(arguments: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> Running:
    """A command that is left running, in a session of its own; what it says is added to `log`."""
    process = _forks().Process(target=_session, args=(list(arguments), dict(environment), directory, log))
    process.start()
    return Running(process)


def _session(arguments: list[str], environment: dict[str, str], directory: Path, log: Path) -> None:
    os.setsid()
    _command(arguments, environment, directory, log, log, os.O_APPEND)


def _forks() -> ForkServerContext:
    """Forks of a process that runs nothing else and holds nothing of pytest's."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _command(
    arguments: list[str], environment: dict[str, str], directory: Path, out: Path, err: Path, how: int = os.O_TRUNC
) -> None:
    gc.freeze()  # else the first collection copies all that the parent has imported, page by page
    from rich.console import Console

    from worker.cli import main, screen

    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(directory)
    for file, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | how), descriptor)
    Console.__init__(screen.out, highlight=False)  # made with the environment of the import
    Console.__init__(screen.err, stderr=True, highlight=False)
    sys.argv = ["leadgauge", *arguments]
    main()
