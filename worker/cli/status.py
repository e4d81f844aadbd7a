"""`leadgauge status`: how each stream, the queue of people, the writes and the quotas stand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError
from sqlalchemy import Connection

from worker.bootstrap import Process
from worker.cli.screen import Exit, ago, emit, error, local, note, out, table
from worker.settings import load
from worker.store import ledger, people, scores, streams

HEALING = frozenset({"Transient", "QuotaExhausted"})
"""Problems of streams that nobody has to act on."""


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
    if report["redis"]:
        error(f"Redis: {report['redis']}")
        raise typer.Exit(Exit.UNAVAILABLE)
    if report["problems"]:
        raise typer.Exit(Exit.NOT_WELL)


def _gather(process: Process, connection: Connection) -> dict[str, Any]:
    now = process.now()
    rows = [asdict(stream) for stream in streams.status(connection)]
    for row in rows:
        lag = now - row["complete_at"] if row["complete_at"] else None
        row["lag_seconds"] = round(lag.total_seconds()) if lag else None
    counted = ledger.counts(connection)
    failing = [row for row in rows if row["problem"]]
    problems, waits = (
        [f"{r['source']}/{r['name']}: {r['problem']}" for r in failing if (r["problem_code"] in HEALING) is heals]
        for heals in (False, True)
    )
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
        "redis": _redis(process),
        "problems": problems,
        "waits": waits,
    }


def _redis(process: Process) -> str | None:
    """What is wrong with Redis: the rest of the report does not need it."""
    try:
        process.ping_redis()
    except RedisError as problem:
        return str(problem)
    return None


def _show(report: dict[str, Any], process: Process) -> None:
    now = report["now"]
    table(
        "Streams",
        ("source", "stream", "complete", "success", "next", "problem"),
        (
            (r["source"], r["name"], ago(r["complete_at"], now), ago(r["succeeded_at"], now), ago(r["due_at"], now),
             r["problem_code"])
            for r in report["streams"]
        ),
        text=[5],
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
        ("source", "how they stand"),
        (
            (source, ", ".join(f"{states[state]} {state}" for state in ledger.State if states.get(state)))
            for source, states in report["ledger"].items()
        ),
        text=[1],
    )
    for row in report["refused"]:
        said = " ".join(filter(None, (row["code"], row["answer"])))
        note(f"{row['n']} {row['state']} at {row['source']}: {said}")
    out.print()
    for source, spent in report["quota"].items():
        told = "not told yet"
        if spent:
            ours = min(spent["own"], spent["used"])  # the CRM's own count may lag behind ours
            told = f"{spent['used']:,} of {spent['limit']:,} calls of the day, {ours:,} of them ours"
        if spent and spent["parked"]:
            told += f"; {', '.join(spent['parked'])} wait until {local(spent['resumes_at'])}"
        out.print(f"[bold]Quota[/]   {source}: {told}")
    for wait in report["waits"]:
        note(f"{wait} (heals by itself)")
    for problem in report["problems"]:
        error(f"needs a person: {problem}")
