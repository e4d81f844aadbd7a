"""`leadgauge demo`: the whole product on practice CRMs, on this machine, with one command."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy import Connection

from connectors.records import RecordRef, ScoreField, Value
from worker import embedded
from worker.bootstrap import Process
from worker.cli.practice import Practice
from worker.cli.revisions import author
from worker.cli.run import ROLES, Group, prepare
from worker.cli.screen import Exit, err, error, out, span, table
from worker.settings import DEMO_FILE, load
from worker.store import demo as watch
from worker.store import ledger, models, scores, training
from worker.store.training import Cause, Kind, RequestState
from worker.training.promotion import Figures

HOME = DEMO_FILE.parent
FIRST_PASS_WITHIN = timedelta(minutes=10)


def add_to(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the first pass; 0 only if all writes landed.")
    ] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Forget the last demo's data first.")] = False,
    people: Annotated[int, typer.Option(min=10, max=100_000, help="People in each practice CRM.")] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 7,
) -> None:
    """Start servers, two practice CRMs and all workers; score everybody, prove every write, then go live."""
    home = HOME.resolve()
    if reset:
        _forget(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    started = time.monotonic()
    practice = Practice(home / "practice", people, seed, live=not once)
    out.print(f"[bold]Leadgauge demo[/]: two practice CRMs with about {people:,} people each")
    process: Process | None = None
    try:
        _step("practice Salesforce and HubSpot", practice.start)
        _configure(home, practice)
        process = Process(load())
        _step("PostgreSQL and Valkey", lambda: process.addresses)
        _step("schema, policy and rules", lambda: prepare(process))
        with Group(ROLES, log=home / "workers.log") as group:
            well = _first_pass(process, group, home)
            if group.stopped:
                raise typer.Exit(Exit.INTERRUPTED)
            _summary(process, practice, time.monotonic() - started)
            if well and not once:
                _live(process, practice, group)
    finally:
        practice.stop()
        if process is not None:
            process.close()
        embedded.stop(home)
    if not well:
        raise typer.Exit(Exit.NOT_WELL)


def _forget(home: Path) -> None:
    embedded.stop(home)
    embedded.remove(home)
    shutil.rmtree(home, ignore_errors=True)


def _step(what: str, do: Callable[[], Any]) -> None:
    began = time.monotonic()
    with err.status(f"starting {what}"):
        do()
    out.print(f"  started {what} in {time.monotonic() - began:.1f} s")


def _configure(home: Path, practice: Practice) -> None:
    """Write the configuration as an operator would: sources by name, secrets by place."""
    body = {"home": str(home), "sources": practice.sources(), "verify_after": 2, "plan_every": 5}
    file = home / DEMO_FILE.name
    file.write_text(f"# Written by `leadgauge demo`; other commands use it from here.\n{yaml.safe_dump(body)}", "utf-8")
    os.environ["LEADGAUGE_CONFIG"] = str(file)


def _first_pass(process: Process, group: Group, home: Path) -> bool:
    """Wait until everything that there was has been read, scored, written and verified; False if something failed."""
    deadline = time.monotonic() + FIRST_PASS_WITHIN.total_seconds()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<26}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        bars = [
            progress.add_task(what, total=None)
            for what in ("streams read to the end", "people scored", "writes verified")
        ]
        milestones: list[datetime] = []

        def tick() -> bool:
            with process.engine.connect() as connection:
                state = watch.progress(connection, process.settings.goal, milestones, process.now())
            for bar, (done, total) in zip(bars, state.bars, strict=True):
                progress.update(bar, completed=done, total=max(total, 1))
            return not state.finished and time.monotonic() < deadline

        group.wait(tick)
    with process.engine.connect() as connection:
        state = watch.progress(connection, process.settings.goal, milestones, process.now())
    for problem in state.problems:
        error(str(problem))
    if not state.finished and not group.stopped:
        error(f"the first pass did not finish; the workers' log is {home / 'workers.log'}")
    return state.finished and not state.problems


def _summary(process: Process, practice: Practice, seconds: float) -> None:
    with process.engine.connect() as connection:
        counted = ledger.counts(connection)
        buckets = scores.buckets(connection, process.settings.goal)
        read = watch.totals(connection)
        best = watch.best(connection, process.settings.goal, 5)
        policy = process.goals.policy(connection)
    out.print()
    out.print(
        f"[bold]Read[/] {read['records']:,} records and {read['activities']:,} activities, which are "
        f"{read['people']:,} people, in {seconds:.0f} s from the start."
    )
    table(
        "Buckets",
        ("bucket", "people", "what sales does"),
        [
            *((b.name, buckets.get(b.name, 0), b.action) for b in policy.buckets),
            ("unscored", buckets.get("unscored", 0), ""),
        ],
        right=[1],
    )
    closed = {
        source: (sum(states.values()) - states.get("superseded", 0), states.get("verified", 0))
        for source, states in counted.items()
    }
    for source, (intended, verified) in closed.items():
        out.print(f"[bold]Writes to {source}[/]: {verified:,} of {intended:,} verified by reading them back")
    out.print()
    out.print("[bold]Five leads to call now[/], with the reasons that the rep reads")
    for row in best:
        out.print(
            f"  [bold]{row.score}[/] {row.bucket}  {practice.page(row.source, row.object, row.key)}", soft_wrap=True
        )
        out.print(Padding(escape(row.reasons or ""), (0, 0, 0, 6)), style="dim")
    out.print()
    out.print(f"What a rep sees:  {practice.url('salesforce')}  {practice.url('hubspot')}", soft_wrap=True)
    out.print(f"  (certificates are signed by {practice.authority}; your browser will ask)", soft_wrap=True)
    out.print("What an operator sees:  .venv/bin/leadgauge console   (or status, explain RECORD, ledger list)")


def _live(process: Process, practice: Practice, group: Group) -> None:
    """Do something in each practice CRM, time it until the rep's field shows it, then tell what goes on."""
    out.print()
    for source in process.sources:
        with process.engine.connect() as connection:
            chosen = watch.movable(connection, process.settings.goal, source)
        if chosen is not None:
            _time_one(process, practice, group, RecordRef(source, chosen.object, chosen.key), chosen.email)
    request = _ask_for_a_model(process)
    out.print("The practice world goes on. Ctrl-C stops everything; the data stay for the next demo.")
    seen = process.now()

    def tick() -> bool:
        nonlocal seen, request
        with process.engine.connect() as connection:
            if request is not None and _told_of_model(connection, process.settings.goal, request):
                request = None
            for row in watch.verified_since(connection, seen):
                seen = row.closed_at
                record = f"{row.source}/{row.object}/{row.key}"
                said = escape(row.reasons or "")
                out.print(f"  {seen:%H:%M:%S}  [bold]{row.score or '-':>3}[/] {row.bucket:<8} {record}  [dim]{said}[/]")
        return True

    group.wait(tick)


def _ask_for_a_model(process: Process) -> int | None:
    """The trainer makes one while the world goes on; None where an earlier demo had it made."""
    goal = process.settings.goal
    with process.engine.begin() as connection:
        if models.listing(connection, goal):
            return None
        request, _ = training.ask(connection, goal, Kind.TRAIN, Cause.CLI, author(), process.now())
    out.print("The trainer makes a model of who buys; rules score until somebody promotes it.")
    return request


def _told_of_model(connection: Connection, goal: str, request: int) -> bool:
    """Whether the training has ended; says what came of it."""
    ended = training.get(connection, request)
    if ended is None or ended.state in (RequestState.WAITING, RequestState.RUNNING):
        return False
    if ended.problem is not None:
        error(ended.problem)
    for number in (ended.result or {}).get("models", ()):
        model = models.get(connection, goal, number)
        assert model is not None, "it was registered with the end of the request"
        data, figures = model.manifest["data"], Figures.read(model.manifest["figures"]["model"])
        how = f"AUC {figures.auc:.3f} on people held out" if figures else "no signal"
        out.print(
            f"[bold]Model {number}[/] from {data['rows']:,} snapshots of {data['people']:,} people, "
            f"{data['conversions']:,} of whom bought: {how}. `leadgauge model show {number}` tells what it is made of, "
            f"`leadgauge model compare {number}` who would change bucket, and what speaks against a promotion."
        )
    if little := (ended.result or {}).get("rules_only"):
        out.print(little)
    return True


def _time_one(process: Process, practice: Practice, group: Group, ref: RecordRef, email: str) -> None:
    """From a prospect's act in the CRM to the number in the rep's field."""
    before = _shown(process, ref)
    act = practice.act(ref.source, email, process.now)
    deadline = time.monotonic() + 90

    def unmoved() -> bool:
        return _shown(process, ref) == before and time.monotonic() < deadline

    with err.status(f"waiting for {ref.source} to show it"):
        group.wait(unmoved)
    after, took = _shown(process, ref), process.now() - act.at - act.hidden
    if after == before:
        out.print(f"{ref.source}: nothing moved; see {HOME / 'workers.log'}")
        return
    out.print(
        f"[bold]Live[/] {ref.source}: a {act.kind.replace('_', ' ')} moved {ref.object}/{ref.id} from {before} to "
        f"{after} in the rep's field {span(took)} later (the CRM's own delay of {span(act.hidden)} not counted)"
    )


def _shown(process: Process, ref: RecordRef) -> Value:
    return process.crm(ref.source).read_back([ref]).get(ref, {}).get(ScoreField.SCORE)
