"""`leadgauge due`: how much work waits, for a person or for whatever scales the workers."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.bootstrap import Process
from worker.cli.screen import emit, out
from worker.settings import ConfigurationError, load
from worker.store import backlog


def add_to(app: typer.Typer) -> None:
    app.command()(due)


def due(
    queue: Annotated[str | None, typer.Option("--queue", help="`sync` or `compute`; both if left out.")] = None,
    count: Annotated[bool, typer.Option("--count", help="The number alone: all queues added up, or one.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="The SQL that counts it, for a scaler to run by itself.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What is due now and taken by nobody: streams and CRM accounts (sync), people to score (compute)."""
    if queue is not None and queue not in backlog.QUERIES:
        raise ConfigurationError(f"--queue {queue!r}: write {' or '.join(backlog.QUERIES)}")
    queues = [queue] if queue else list(backlog.QUERIES)
    if sql:
        for name in queues:
            typer.echo(f"{backlog.query(name)};")
        return
    process = Process(load())
    process.check_schema()
    with process.engine.connect() as connection:
        counted = {name: backlog.count(connection, name, process.now()) for name in queues}
    process.close()
    if as_json:
        emit(counted)
    elif count:
        typer.echo(sum(counted.values()))
    else:
        units = {"sync": "streams to read and CRM accounts to write to", "compute": "people to score"}
        for name, number in counted.items():
            out.print(f"[bold]{name}[/]  {number:,} {units[name]}")
