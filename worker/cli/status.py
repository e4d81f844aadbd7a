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
from worker.cli import rescoring
from worker.cli.pause import told as paused
from worker.cli.screen import Exit, ago, clock, emit, error, note, out, span, table
from worker.lifecycle.materiality import BATCHES
from worker.settings import load
from worker.store import (
    alerts,
    brakes,
    completeness,
    entries,
    ledger,
    lineage,
    people,
    readings,
    rollouts,
    scores,
    streams,
    tallies,
)
from worker.training import health

HEALING = {"Transient": "retrying", "QuotaExhausted": "parked"}
"""Problems of streams that nobody has to act on, in a word."""
LOOKS_BACK = timedelta(days=8)
"""Days whose second looks are told of."""
LATELY = timedelta(days=30)
"""So far back what was saved is counted."""
AT_ONCE = timedelta(seconds=15)
"""A stream that is due for no longer is not late: it waits for the next plan."""


def add_to(app: typer.Typer) -> None:
    app.command()(status)


def status(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Streams with their lag, people by bucket, the ledger, API calls left. Ends with 1 if something needs a person."""
    process = Process(load())
    process.check_schema()
    with process.engine.connect() as connection:
        report = gather(process, connection)
    process.close()
    if as_json:
        emit(report)
    else:
        _show(report)
    if report["redis"]:
        error(f"Redis: {report['redis']}")
        raise typer.Exit(Exit.UNAVAILABLE)
    if report["problems"]:
        raise typer.Exit(Exit.NOT_WELL)


def gather(process: Process, connection: Connection) -> dict[str, Any]:
    """All that the report tells, for whoever shows it. Redis may be away: `redis` says so."""
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
    problems, waits = (list(_failing(rows, heals=heals)) for heals in (False, True))
    waits += [
        f"{source}: the database was restored from a backup, and nothing is written before all was compared"
        for source in lineage.unproved(connection)
    ]
    waits += [
        f"{its.source}: all rows of {its.object} are compared, as {', '.join(its.names)} appeared {ago(its.at, now)}"
        for its in readings.grown(connection, now)
    ]
    for source, states in counted.items():
        problems += [
            f"{source}: {states[state]} writes {state}"
            for state in (ledger.State.REFUSED, ledger.State.DRIFTED, ledger.State.PARKED)
            if states.get(state)
        ]
    whole = completeness.summary(connection, now.date() - LOOKS_BACK)
    problems += [
        f"{its.source}: {its.failing} days of {its.name} were not read whole; they are mended, and nothing is learnt"
        " from them"
        for its in whole if its.failing and its.kind is not completeness.Kind.FIELDS
    ]  # fmt: skip
    parked = {goal: scores.parked(connection, goal) for goal in process.settings.goal_names}
    problems += [
        f"{people} people have no score for {goal}, as their reasons did not add up: docs/operations.md says what to do"
        for goal, people in parked.items() if people
    ]  # fmt: skip
    trained = {goal: health.summary(connection, goal, now) for goal in process.settings.goal_names}
    problems += [problem for its in trained.values() for problem in its.problems]
    return {
        "now": now,
        "goal": process.settings.goal,
        "streams": rows,
        "people": people.counts(connection, process.goals.scales(connection), now),
        "buckets": _buckets(process, connection, process.settings.goal),
        "further_goals": {goal: _buckets(process, connection, goal) for goal in process.settings.goal_names[1:]},
        "parked": parked,
        "models": [asdict(model) | {"goal": goal} for goal, its in trained.items() for model in its.models],
        "training": "; ".join(its.training for its in trained.values() if its.training) or None,
        "ledger": counted,
        "refused": ledger.reasons(connection),
        "proof": [asdict(its) | {"share": its.share} for its in entries.figures(connection, now - timedelta(days=1))],
        "alerts": alerts.counts(connection, now - timedelta(days=1)),
        "pauses": [asdict(each) for each in brakes.pauses(connection)],
        "dry_runs": [source for source in process.sources if process.brakes(source).dry_run],
        "completeness": [asdict(its) | {"share": its.share} for its in whole],
        "quota": dict(_quota(process, connection, counted, now)),
        "loading": streams.loading(connection, process.sources),
        "rollouts": list(_rollouts(process, connection, now)),
        "saved": _saved(process, connection, now),
        "loads": [asdict(its) | {"through_at": process.forecast(its)} for its in _loads(process, connection)],
        "redis": redis,
        "problems": problems,
        "waits": waits,
        "held_back": list(_brakes(process, connection, counted, now)),
    }


def _failing(rows: list[dict[str, Any]], *, heals: bool) -> Iterator[str]:
    """What is wrong, each once: a secret that is missing stops every stream of its source."""
    streams_of: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["problem"] and (row["problem_code"] in HEALING) is heals:
            streams_of.setdefault((row["source"], row["problem"]), []).append(row["name"])
    for (source, problem), names in streams_of.items():
        yield f"{source}/{names[0]}: {problem}" if len(names) == 1 else f"{source}, {len(names)} streams: {problem}"


def _brakes(process: Process, connection: Connection, counted: ledger.Counts, now: datetime) -> Iterator[str]:
    """What keeps writes waiting that somebody set."""
    for each in brakes.pauses(connection):
        yield paused(each)
    for source in process.sources:
        limits, waiting = process.brakes(source), counted.get(source, {}).get(ledger.State.INTENDED, 0)
        if limits.dry_run:
            yield f"{source} is a dry run: {waiting} writes wait, and `leadgauge ledger preview` shows them"
        elif waiting and not brakes.room(connection, source, limits.per_hour, now):
            yield f"{source}: {waiting} writes wait, {limits.per_hour:,} records were written to within the hour"


def _buckets(process: Process, connection: Connection, goal: str) -> dict[str, int]:
    """People by bucket, in the order of the policy."""
    counted = scores.buckets(connection, goal)
    if not counted:
        return {}
    order = [bucket.name for bucket in process.goals.policy(connection, goal).buckets]
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


def _rollouts(process: Process, connection: Connection, now: datetime) -> Iterator[dict[str, Any]]:
    """Goals some of whose people have a score by an older policy, rule file or model, and until when."""
    for scale in process.goals.scales(connection):
        far = rollouts.rollout(connection, scale, now)
        if far.left:
            yield {"goal": scale.goal, **asdict(far), "done_at": far.done_at(now), "said": rescoring.said(far, now)}


def _saved(process: Process, connection: Connection, now: datetime) -> dict[str, dict[str, int]]:
    """By account, what materiality saved lately: scores that moved, and writes and calls that were not made."""
    batch = {its.name: BATCHES.get(its.kind, 1) for its in process.settings.sources}
    return {
        source: {"moved": its.moved, "writes": its.saved, "calls": its.calls_saved(batch.get(source, 1))}
        for source, its in tallies.since(connection, now - LATELY).items()
    }


def _loads(process: Process, connection: Connection) -> list[streams.Load]:
    return list(streams.loads(connection, process.sources))


def _show(report: dict[str, Any]) -> None:
    now = report["now"]
    _show_streams(report["streams"], now)
    out.print()
    if report["loads"]:
        _show_loads(report["loads"], now)
        out.print()
    _show_people(report)
    out.print()
    if report["models"] or report["training"]:
        _show_models(report, now)
        out.print()
    _show_writes(report)
    out.print()
    _show_quota(report["quota"], now)
    if report["completeness"]:
        out.print()
        _show_completeness(report["completeness"], now)
    for wait in report["waits"]:
        note(f"{wait} (heals by itself)")
    for held in report["held_back"]:
        note(held)
    for problem in report["problems"]:
        error(f"needs a person: {problem}")


def _show_streams(rows: list[dict[str, Any]], now: datetime) -> None:
    table(
        "Streams, and how long ago",
        ("source", "stream", "complete", "success", "next", "every", "problem"),
        (
            (r["source"], r["name"], _since(r["complete_at"], now), _since(r["succeeded_at"], now),
             _next(r, now), _every(r), r["problem_code"] and HEALING.get(r["problem_code"], "failed"))
            for r in rows
        ),
        text=[6],
    )  # fmt: skip
    for source, slow in _slower(rows):
        asked, paced = (span(timedelta(seconds=slow[0][name])) for name in ("asked_every_seconds", "every_seconds"))
        note(
            f"{source} allows too few calls a day to look as often as is asked at {len(slow)} of its streams: at"
            f" {slow[0]['name']} every {paced} instead of {asked}; a greater `daily_own` gives us more of them"
        )


def _show_people(report: dict[str, Any]) -> None:
    counted = report["people"]
    once = " once all is read" if report["loading"] else ""
    out.print(f"[bold]People[/]  {counted['people']}, of them {counted['dirty']} waiting to be scored{once}")
    if report["buckets"]:
        out.print("         " + ", ".join(f"{name} {n}" for name, n in report["buckets"].items()))
    for goal, buckets in report["further_goals"].items():
        shares = ", ".join(f"{name} {n}" for name, n in buckets.items())
        out.print(f"         for {goal}: {shares or 'nobody is scored yet'}", markup=False)
    for far in report["rollouts"]:
        whose = "" if far["goal"] == report["goal"] else f" for {far['goal']}"
        out.print(f"         scored anew{whose} since a change was published: {far['said']}", soft_wrap=True)


def _show_writes(report: dict[str, Any]) -> None:
    """The tasks of owners, then the score fields: how they stand, what was not worth one, and what is proved."""
    for source, states in report["alerts"].items():
        told = ", ".join(f"{states[state]} {state}" for state in sorted(states))
        out.print(f"{source}: tasks for owners in 24 hours: {told}")
    if report["ledger"]:
        table(
            "Writes",
            ("source", "how they stand"),
            (
                (source, ", ".join(f"{states[state]} {state}" for state in ledger.State if states.get(state)))
                for source, states in report["ledger"].items()
            ),
            text=[1],
        )
    else:
        out.print("[bold]Writes[/]  none yet")
    for source, its in report["saved"].items():
        if its["writes"]:
            out.print(
                f"         {source}: {its['writes']:,} writes and {its['calls']:,} calls saved in {LATELY.days} days\n"
                "         (too little had changed)"
            )
    for source in dict.fromkeys(row["source"] for row in report["proof"]):
        its = [row for row in report["proof"] if row["source"] == source]
        verified, wanted, unprovable = (
            sum(row[name] for row in its) for name in ("verified", "intended", "unprovable")
        )
        left = wanted - verified - unprovable
        out.print(
            f"         {source}: {verified:,} of {wanted:,} writes of the last 24 hours are proved"
            + (f", {unprovable:,} were accepted and cannot be: it cannot be asked" if unprovable else "")
            + (f", {left:,} are not: `leadgauge ledger list`" if left else "")
        )
    for row in report["refused"]:
        said = " ".join(filter(None, (row["code"], row["answer"])))
        note(f"{row['n']} {row['state']} at {row['source']}: {said}")


def _show_completeness(whole: list[dict[str, Any]], now: datetime) -> None:
    looks = {"day": "whole days", "ids": "all ids", "fields": "fields"}
    table(
        "Second looks of the last week, and what they missed",
        ("source", "what", "how", "days", "rows", "missed", "whole", "last"),
        (
            (its["source"], its["name"], looks[its["kind"]], its["days"], f"{its['rows']:,}", its["missed"] or "",
             "100 %" if not its["missed"] else f"{min(99.99, 100 * its['share']):.2f} %", ago(its["checked_at"], now))
            for its in whole
        ),
        right=[3, 4, 5, 6],
    )  # fmt: skip


def _show_models(report: dict[str, Any], now: datetime) -> None:
    """Which models score and watch, how far the world has moved from them, and what a trainer does."""
    for model in report["models"]:
        whom = f" of {model['segment']}" if model["segment"] else ""
        whom += f" for {model['goal']}" if model["goal"] != report["goal"] else ""
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


def _next(row: dict[str, Any], now: datetime) -> str:
    """When a stream's turn comes, or that it is worked on. Writes are pushed when there are some."""
    if row["lease_until"] and row["lease_until"] > now:
        return "running"
    late = now - row["due_at"]
    if late <= AT_ONCE:
        return _since(row["due_at"], now) if late < timedelta(0) else "now"
    return "" if row["role"] is streams.Role.PUSH else f"{_since(row['due_at'], now)} late"


def _every(row: dict[str, Any]) -> str:
    return "" if row["every_seconds"] is None else span(timedelta(seconds=row["every_seconds"]))


def _slower(rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """By source, the streams that are looked at less often than they ask to be, the most eager first."""
    slow: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["asked_every_seconds"] or 0):
        if row["every_seconds"] is not None and row["every_seconds"] > row["asked_every_seconds"] * 1.2:
            slow.setdefault(row["source"], []).append(row)
    yield from slow.items()
