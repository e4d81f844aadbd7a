"""`leadgauge sync --once`: one whole pass in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from worker.bootstrap import Process
from worker.cli.run import prepare
from worker.cli.screen import Exit, emit, err, out
from worker.settings import ConfigurationError, load


def add_to(app: typer.Typer) -> None:
    app.command()(sync)


def sync(
    once: Annotated[bool, typer.Option("--once", help="One pass in this process; `up` is what runs all day.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Read every CRM, score who is due, write, and prove every write. Ends with 0 only if all of them landed."""
    if not once:
        raise typer.BadParameter("say --once; to keep syncing, run `leadgauge up`")
    from worker.once import sync as whole_pass

    process = Process(load())
    if not process.sources:
        raise ConfigurationError("no CRM is configured: add one under `sources`, or try `leadgauge demo`")
    prepare(process)
    _check(process)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=as_json) as progress:
        rows = {}

        def report(step: str, count: int) -> None:
            if step not in rows:
                rows[step] = progress.add_task(step, total=None)
            progress.advance(rows[step], count)

        result = whole_pass(process, report)
    process.close()
    problems = {source: str(problem) for source, problem in result.problems.items()}
    if as_json:
        emit(
            {name: getattr(result, name) for name in ("seen", "scored", "sent", "verified", "unproved")}
            | {"problems": problems}
        )
    else:
        out.print(f"read {result.seen} rows, scored {result.scored} people, sent {result.sent} writes")
        out.print(
            f"verified {result.verified} writes, {result.unproved} are not proved (`leadgauge status` names them)"
        )
        for problem in problems.values():
            err.print(f"[bold red]error:[/] {problem}")
    if problems:
        raise typer.Exit(Exit.UNAVAILABLE)
    if result.unproved:
        raise typer.Exit(Exit.NOT_WELL)


def _check(process: Process) -> None:
    """Refuse early: nothing is read from a CRM that cannot be written to."""
    problems = [(source, problem) for source in process.sources for problem in process.crm(source).check()]
    for source, problem in problems:
        kind = "[bold red]error:[/]" if problem.fatal else "[yellow]note:[/]"
        err.print(f"{kind} {source}: {problem.where}: {problem.what}. {problem.fix}")
    if any(problem.fatal for _, problem in problems):
        raise typer.Exit(Exit.UNAVAILABLE)
