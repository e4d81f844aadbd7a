"""`leadgauge status`: how each stream, the queue of people, the writes and the quotas stand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from worker.bootstrap import Process
from worker.cli.screen import Exit, ago, emit, err, out, table
from worker.settings import load
from worker.store import ledger, people, scores, streams


def add_to(app: typer.Typer) -> None:
    app.command()(status)


def status(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Streams with their lag, people by bucket, the ledger, API calls left. Ends with 1 if something needs a person."""
    process = Process(load())
    process.check_schema()
    with process.engine.connect() as connection:
        report = _gather(process, connection)
    process.close()
    if as_json:
        emit(report)
    else:
        _show(report, process)
    if report["problems"]:
        raise typer.Exit(Exit.NOT_WELL)


def _gather(process: Process, connection: Connection) -> dict[str, Any]:
    now = process.now()
    rows = [asdict(stream) for stream in streams.status(connection)]
    for row in rows:
        lag = now - row["complete_at"] if row["complete_at"] else None
        row["lag_seconds"] = round(lag.total_seconds()) if lag else None
    counted = ledger.counts(connection)
    problems = [f"{r['source']}/{r['name']}: {r['problem']}" for r in rows if r["problem"]]
    for source, states in counted.items():
        problems += [
            f"{source}: {states[state]} writes {state}"
            for state in (ledger.State.REFUSED, ledger.State.DRIFTED, ledger.State.PARKED)
            if states.get(state)
        ]
    return {
        "now": now,
        "goal": process.settings.goal,
        "streams": rows,
        "people": people.counts(connection, now),
        "buckets": scores.buckets(connection, process.settings.goal),
        "ledger": counted,
        "refused": ledger.reasons(connection),
        "quota": {source: quota and asdict(quota) for source in process.sources for quota in [process.spent(source)]},
        "problems": problems,
    }


def _show(report: dict[str, Any], process: Process) -> None:
    now = report["now"]
    table(
        "Streams",
        ("source", "stream", "complete as of", "last success", "next", "problem"),
        (
            (r["source"], r["name"], ago(r["complete_at"], now), ago(r["succeeded_at"], now), ago(r["due_at"], now),
             r["problem"])
            for r in report["streams"]
        ),
    )  # fmt: skip
    out.print()
    counted = report["people"]
    out.print(f"[bold]People[/]  {counted['people']}, of them {counted['dirty']} waiting to be scored")
    order = [bucket.name for bucket in process.basis().policy.buckets]
    buckets = sorted(report["buckets"].items(), key=lambda item: order.index(item[0]) if item[0] in order else 99)
    out.print("         " + ", ".join(f"{name} {n}" for name, n in buckets))
    out.print()
    table(
        "Writes",
        ("source", *(state.value for state in ledger.State)),
        ((source, *(states.get(state, 0) for state in ledger.State)) for source, states in report["ledger"].items()),
        right=range(1, len(ledger.State) + 1),
    )
    for row in report["refused"]:
        out.print(f"  {row['n']} {row['state']} at {row['source']}: {row['code'] or ''} {row['answer'] or ''}")
    out.print()
    for source, spent in report["quota"].items():
        told = f"{spent['used']} of {spent['limit']} calls of the day" if spent else "not told yet"
        out.print(f"[bold]Quota[/]   {source}: {told}")
    for problem in report["problems"]:
        err.print(f"[yellow]needs a person:[/] {problem}")
