"""`leadgauge status`: how each stream, the queue of people, the writes and the calls of the day stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError
from sqlalchemy import Connection

from connectors.errors import CrmError
from connectors.quota import Lane
from worker.bootstrap import Process
from worker.cli.screen import Exit, ago, clock, emit, error, note, out, span, table
from worker.settings import load
from worker.store import ledger, people, scores, streams
from worker.training import health

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
    redis = _redis(process)
    rows = [asdict(stream) for stream in streams.status(connection)]
    paces = _paces(process)
    for row in rows:
        lag = now - row["complete_at"] if row["complete_at"] else None
        row["lag_seconds"] = round(lag.total_seconds()) if lag else None
        asked, paced = paces.get((row["source"], row["name"]), (None, None))
        row["asked_every_seconds"] = asked and asked.total_seconds()
        row["every_seconds"] = paced and round(paced.total_seconds(), 1)
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
    trained = health.summary(connection, process.settings.goal, now)
    problems += trained.problems
    return {
        "now": now,
        "goal": process.settings.goal,
        "streams": rows,
        "people": people.counts(connection, now),
        "buckets": _buckets(process, connection),
        "models": [asdict(model) for model in trained.models],
        "training": trained.training,
        "ledger": counted,
        "refused": ledger.reasons(connection),
        "quota": dict(_quota(process, connection, counted, now)),
        "loads": [asdict(its) | {"through_at": process.forecast(its)} for its in _loads(process, connection)],
        "redis": redis,
        "problems": problems,
        "waits": waits,
    }


def _buckets(process: Process, connection: Connection) -> dict[str, int]:
    """People by bucket, in the order of the policy."""
    order = [bucket.name for bucket in process.policy(connection).buckets]
    counted = scores.buckets(connection, process.settings.goal)
    return dict(sorted(counted.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _redis(process: Process) -> str | None:
    """What is wrong with Redis: the rest of the report does not need it."""
    try:
        process.ping_redis()
    except RedisError as problem:
        return str(problem)
    return None


def _paces(process: Process) -> dict[tuple[str, str], tuple[timedelta, timedelta]]:
    """By stream: how often it asks to be looked at, and how often the day's calls allow it."""
    paces = {}
    for source in process.sources:
        try:
            for stream in process.crm(source).streams:
                paces[source, stream.name] = stream.every, process.pace(source, stream.every)
        except CrmError:  # it cannot be opened, which its streams tell
            continue
    return paces


def _quota(
    process: Process, connection: Connection, counted: ledger.Counts, now: datetime
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """By source: the day's calls, and in each lane what is left of them and what waits for one."""
    waiting = streams.waiting(connection, now)
    for source in process.sources:
        standing = process.standing(source)
        if standing is None:
            yield source, None
            continue
        writes = sum(counted.get(source, {}).get(state, 0) for state in ledger.OPEN)
        waits = {lane.value: waiting.get((source, lane.value), 0) for lane in Lane} | {Lane.WRITE.value: writes}
        lanes = [asdict(lot) | {"waiting": waits[lot.lane]} for lot in standing.lots]
        told = asdict(standing) | {"own": min(standing.own, standing.used), "lanes": lanes}  # their count may lag ours
        del told["lots"]
        yield source, told


def _loads(process: Process, connection: Connection) -> list[streams.Load]:
    return list(streams.loads(connection, process.sources))


def _show(report: dict[str, Any], process: Process) -> None:
    now = report["now"]
    table(
        "Streams, and how long ago",
        ("source", "stream", "complete", "success", "next", "every", "problem"),
        (
            (r["source"], r["name"], _since(r["complete_at"], now), _since(r["succeeded_at"], now),
             _since(r["due_at"], now), _every(r), r["problem_code"])
            for r in report["streams"]
        ),
        text=[6],
    )  # fmt: skip
    out.print()
    if report["loads"]:
        _show_loads(report["loads"], now)
        out.print()
    counted = report["people"]
    out.print(f"[bold]People[/]  {counted['people']}, of them {counted['dirty']} waiting to be scored")
    out.print("         " + ", ".join(f"{name} {n}" for name, n in report["buckets"].items()))
    out.print()
    if report["models"] or report["training"]:
        _show_models(report, now)
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
    _show_quota(report["quota"], now)
    for wait in report["waits"]:
        note(f"{wait} (heals by itself)")
    for problem in report["problems"]:
        error(f"needs a person: {problem}")


def _show_models(report: dict[str, Any], now: datetime) -> None:
    """Which models score and watch, how far the world has moved from them, and what a trainer does."""
    for model in report["models"]:
        whom = f" of {model['segment']}" if model["segment"] else ""
        checked = f", checked {ago(model['checked_at'], now)}" if model["checked_at"] else ""
        out.print(f"[bold]Model[/]   {model['number']}{whom}, {model['state']}: drift {model['level']}{checked}")
    if report["training"]:
        out.print(f"[bold]Trainer[/] {report['training']}", soft_wrap=True)


def _show_loads(loads: list[dict[str, Any]], now: datetime) -> None:
    table(
        "First reads under way",
        ("source", "stream", "rows", "of about", "through"),
        (
            (its["source"], its["name"], f"{its['rows']:,}", "unknown" if its["total"] is None else f"{its['total']:,}",
             "not known yet" if its["through_at"] is None else clock(its["through_at"], now))
            for its in loads
        ),
        right=[2, 3],
    )  # fmt: skip


def _show_quota(quota: dict[str, dict[str, Any] | None], now: datetime) -> None:
    """The day's calls: who made them, what we leave, and each lane in the order in which they go on longest."""
    told = {source: its for source, its in quota.items() if its}
    if silent := [source for source in quota if source not in told]:
        out.print(f"[bold]Calls[/]   not told of yet, or not counted: {', '.join(silent)}")
    if not told:
        return
    table(
        "Calls of the day",
        ("source", "used by all", "by us, at most", "left to people", "starts anew"),
        (
            (source, f"{its['used']:,} of {its['limit']:,}", f"{its['own']:,} of {its['own_limit']:,}",
             f"{its['reserve']:,}", clock(its["ends"], now) if its["ends"] else "bit by bit")
            for source, its in told.items()
        ),
        right=[1, 2, 3],
    )  # fmt: skip
    out.print()
    table(
        "Who may still call: the later ones stop first",
        ("source", "for", "calls left", "waiting", "parked until"),
        (
            (source, lane["lane"], f"{lane['left']:,}", lane["waiting"] or "",
             clock(lane["parked_until"], now) if lane["parked_until"] else "")
            for source, its in told.items() for lane in its["lanes"]
        ),
        right=[2, 3],
    )  # fmt: skip


def _since(then: datetime | None, now: datetime) -> str:
    return ago(then, now).removesuffix(" ago")


def _every(row: dict[str, Any]) -> str:
    """How often a stream is looked at; in brackets how often it asks to be, where the calls do not suffice for it."""
    if row["every_seconds"] is None:
        return ""
    asked, paced = (span(timedelta(seconds=row[name])) for name in ("asked_every_seconds", "every_seconds"))
    return paced if paced == asked else f"{paced} ({asked})"
