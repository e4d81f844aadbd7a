"""`leadgauge snapshots`: what a model would be trained on, as a file."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from worker.bootstrap import Process
from worker.cli.screen import err, out
from worker.settings import ConfigurationError, load

app = typer.Typer(help="What a model is trained on: people at past instants, with their labels.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `export` a command of its own while it is the only one."""


@app.command()
def export(
    file: Annotated[Path, typer.Option("--out", help="The Parquet file to write.", dir_okay=False)],
    goal: Annotated[str | None, typer.Option("--goal", help="One of `goals`; the primary one if left out.")] = None,
    per_person: Annotated[int, typer.Option(min=1, max=100, help="Instants a person, at most.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same instants.")] = 0,
    at: Annotated[str, typer.Option(help="`time`: any instant; `acts`: right after what people did.")] = "time",
) -> None:
    """Write a row for each person and instant: the features as they were known then, the label, the weight."""
    from worker.store import exports, labels
    from worker.training import collection
    from worker.training.snapshots import Moments

    if at not in list(Moments):
        raise ConfigurationError(f"--at {at}: write {' or '.join(Moments)}")
    if not file.absolute().parent.is_dir():
        raise ConfigurationError(f"--out {file}: there is no directory {file.absolute().parent}")
    process = Process(load())
    process.check_schema()
    name, chosen = process.settings.goal_named(goal)
    chosen.check(name, process.vocabulary.catalogue.attributes)
    with process.engine.connect() as connection:
        until, _ = labels.known_until(connection, process.sources, process.now())
    with process.engine.begin() as connection:
        exports.note(connection, socket.gethostname(), str(file.absolute()), process.now())
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("snapshots", total=1.0)
        rows = collection.export(
            process.arrow, chosen, process.vocabulary.features, until, file,
            collection.Draw(per_person, seed, Moments(at)), lambda done: bar.update(task, completed=done),
        )  # fmt: skip
    process.close()
    out.print(
        f"{rows:,} snapshots of {chosen} in {file}" if rows else f"no snapshot: see `leadgauge label --goal {name}`"
    )
