"""`leadgauge train` asks for a training and watches it; `leadgauge trainer` is the role that does what was asked."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import structlog
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from worker import log
from worker.bootstrap import Process
from worker.cli.revisions import author
from worker.cli.screen import Exit, emit, err, error, note, out
from worker.observing.heartbeat import Heartbeat
from worker.settings import ConfigurationError, load
from worker.store import training
from worker.store.training import Cause, Kind, Request, RequestState
from worker.training.schedule import ask_for_what_is_due
from worker.training.trainer import Limits, Trainer

ALIVE = timedelta(seconds=30)
"""A trainer that was not seen for so long is not there."""
_LOOK_EVERY = 2.0

Watch = Annotated[bool, typer.Option("--check", help="Check the models that score for drift instead of training one.")]


def add_to(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(trainer)


def train(
    goal: Annotated[str | None, typer.Option("--goal", help="One of `goals`; the primary one if left out.")] = None,
    check: Watch = False,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; waits.")] = False,
) -> None:
    """Train a challenger from all that is known. A trainer does it; where none runs, this command does."""
    process = Process(load())
    process.check_schema()
    name, _ = process.settings.goal_named(goal)
    kind = Kind.WATCH if check else Kind.TRAIN
    with process.engine.begin() as connection:
        process.goals.policy(connection, name)  # a goal that was added since is told now, not by the trainer
        request, made = training.ask(connection, name, kind, Cause.CLI, author(), process.now())
        attended = training.alive(connection, process.now() - ALIVE)
    if not made:
        note(f"request {request} for goal {name} was open already")
    if attended and not (wait or as_json):
        out.print(f"request {request} waits for a trainer; `leadgauge train --wait` shows how it goes")
        return
    ended = _follow(process, request, shown=not as_json)
    process.close()
    if as_json:
        emit({"request": request, "state": ended.state, "result": ended.result, "problem": ended.problem})
    else:
        _tell(ended, name)
    if ended.state is RequestState.FAILED:
        raise typer.Exit(Exit.NOT_WELL)


def trainer(
    request: Annotated[int | None, typer.Option("--request", hidden=True)] = None,
    epoch: Annotated[int, typer.Option("--epoch", hidden=True)] = 0,
) -> None:
    """Run the trainer: it trains and checks models, when asked and when due. One for each goal at a time."""
    settings = load()
    log.configure(settings.log_level, as_json=settings.log_json)
    process = Process(settings, "trainer" if request is None else "training")
    process.check_schema()
    if request is not None:
        structlog.contextvars.bind_contextvars(run=f"training-{request}")
        process.meter.keep()
        _perform(process, request, epoch)
        process.close()
        return
    stop = _stopped()
    heart = Heartbeat(settings.home, "trainer")
    process.meter.keep()
    worker = _trainer(process, heart=heart)
    worker.alive()
    while not stop():
        with process.engine.begin() as connection:
            for scale in process.goals.scales(connection):
                policy = process.goals.policy(connection, scale.goal)
                ask_for_what_is_due(connection, scale.goal, policy.retraining, process.now())
        if worker.work(stop=stop) is None:
            worker.alive()
            _sleep(_LOOK_EVERY, stop)
    worker.leave()
    heart.stop()
    process.close()


def _perform(process: Process, request: int, epoch: int) -> None:
    """The work of one request, in this process."""
    from worker.training.perform import end_with_parent, perform

    end_with_parent()
    with process.engine.connect() as connection:
        held = training.get(connection, request)
        if held is None or held.epoch != epoch:
            raise ConfigurationError(f"training request {request} is not this process's")
        policy = process.goals.policy(connection, held.goal)
    perform(held, process.goals.shop(held.goal, policy.overrides, process.arrow), policy)


def _trainer(process: Process, *, quiet: bool = False, heart: Heartbeat | None = None) -> Trainer:
    settings = process.settings
    owner = f"{socket.gethostname()}:{os.getpid()}"
    limits = Limits(settings.training_time, settings.training_memory * 2**20)
    hidden = quiet and settings.log_level != "DEBUG"
    beat = heart.beat if heart is not None else _nothing
    return Trainer(process.engine, owner, process.now, limits, quiet=hidden, beat=beat)


def _nothing() -> None:
    """Whoever trains in a command of their own is watched by them."""


def _follow(process: Process, request: int, *, shown: bool) -> Request:
    """Watch a request to its end; do it in this process where no trainer takes it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not shown or not err.is_terminal) as bar:
        task = bar.add_task("waiting for a trainer", total=1.0)
        stop = _stopped()

        def look() -> Request:
            with process.engine.connect() as connection:
                now = training.get(connection, request)
            assert now is not None, "requests are never deleted"
            step = now.step or ("starting" if now.state is RequestState.RUNNING else "waiting for a trainer")
            bar.update(task, completed=now.progress, description=step)
            return now

        def tick() -> bool:
            look()
            return stop()

        while (now := look()).state in (RequestState.WAITING, RequestState.RUNNING):
            if stop():
                raise KeyboardInterrupt
            with process.engine.connect() as connection:
                attended = training.alive(connection, process.now() - ALIVE)
            if not attended:
                worker = _trainer(process, quiet=True)
                worker.work(only=request, stop=tick)
                worker.leave()
            _sleep(0.5, stop)
    return now


def _tell(ended: Request, goal: str) -> None:
    if ended.state is RequestState.FAILED:
        error(f"training request {ended.id} failed: {ended.problem}")
        return
    result = dict(ended.result or {})
    if little := result.get("rules_only"):
        out.print(little)
    for number, level in result.get("levels", {}).items():
        out.print(f"model {number}: {level}; `leadgauge model show {number} --goal {goal}` has the details")
    for number in result.get("models", ()):
        what = "and scores from now on" if number in result["promoted"] else "as a challenger; it scores in the shadow"
        out.print(f"registered model {number} {what}")
    if result.get("models"):
        out.print("`leadgauge model show N` tells the figures of one, `leadgauge model promote N` lets it score")
    for number, why in result.get("refused", {}).items():
        note(f"model {number} was not promoted: {why}")


def _stopped() -> Callable[[], bool]:
    """Whether a signal has asked for the end."""
    asked: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda signum, _: asked.append(signum))
    return lambda: bool(asked)


def _sleep(seconds: float, stop: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop():
        time.sleep(0.1)
