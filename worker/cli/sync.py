"""`leadgauge sync --once`: one whole pass in the foreground."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from connectors.errors import CrmError, Misconfigured, Transient
from worker.bootstrap import Process
from worker.cli.run import prepare
from worker.cli.screen import Exit, emit, err, error, note, out
from worker.settings import ConfigurationError, load, told

if TYPE_CHECKING:
    from worker.once import Pass


def add_to(app: typer.Typer) -> None:
    app.command()(sync)


def sync(
    once: Annotated[bool, typer.Option("--once", help="One pass in this process; `up` is what runs all day.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Read every CRM, score who is due, write, and prove every write. Ends with 0 only if all of them landed."""
    if not once:
        raise typer.BadParameter("say --once; to keep syncing, run `leadgauge up`")
    from worker.once import Pass, unproved
    from worker.once import sync as whole_pass

    process = Process(load())
    if not process.sources:
        raise ConfigurationError("no CRM is configured: add one under `sources`, or try `leadgauge demo`")
    prepare(process)
    unwell = _check(process)
    if len(unwell) == len(process.sources):
        if as_json:
            emit(_told(Pass(unproved=unproved(process), problems=dict(unwell))))
        raise typer.Exit(Exit.UNAVAILABLE)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=as_json or not err.is_terminal) as progress:
        rows = {}

        def report(step: str, count: int) -> None:
            if step not in rows:
                rows[step] = progress.add_task(step, total=None)
            progress.advance(rows[step], count)

        result = whole_pass(process, report, unwell)
    process.close()
    problems = {source: str(problem) for source, problem in result.problems.items()}
    if as_json:
        emit(_told(result))
    else:
        out.print(f"read {result.seen} rows, scored {result.scored} people, sent {result.sent} writes")
        out.print(
            f"verified {result.verified} writes, {result.unproved} are not proved (`leadgauge status` names them)"
        )
        for source, problem in problems.items():
            if source not in unwell:  # those were told before the pass
                error(problem)
    if problems:
        raise typer.Exit(Exit.UNAVAILABLE)
    if result.unproved:
        raise typer.Exit(Exit.NOT_WELL)


def _told(result: Pass) -> dict[str, Any]:
    done = {name: getattr(result, name) for name in ("seen", "scored", "sent", "verified", "unproved")}
    return done | {"problems": {source: str(problem) for source, problem in result.problems.items()}}


def _check(process: Process) -> Mapping[str, CrmError]:
    """What is wrong with the sources that this pass leaves alone: nothing is read from a CRM that cannot be written."""
    unwell: dict[str, CrmError] = {
        source: Misconfigured(source, what) for source, what in process.settings.unreadable_secrets().items()
    }
    with process.engine.connect() as connection:
        policy = process.goals.policy(connection)
    for wrong in process.reach.disagreements(policy):
        error(told(*wrong))
        unwell.setdefault(wrong.source, Misconfigured(wrong.source, str(wrong)))
    for source in [source for source in process.sources if source not in unwell]:
        for problem in process.crm(source).check(policy.bucket_names):
            # Some places say their source, some are an address.
            where = problem.where if problem.where.startswith(source) else f"{source}: {problem.where}"
            (error if problem.fatal else note)(f"{where}: {problem.what}; {problem.fix}")
            if problem.fatal and source not in unwell:
                kind = Transient if problem.code in ("unreachable", "quota") else Misconfigured
                unwell[source] = kind(source, f"{problem.where}: {problem.what}; {problem.fix}")
    return unwell
