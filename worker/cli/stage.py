"""What `explain` tells of a person's stage: how long, why, what holds them from the next, and how they came here."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection

from worker.bootstrap import Process
from worker.cli.screen import local, out, table
from worker.lifecycle.evidence import Standing
from worker.lifecycle.stage import Position, ahead
from worker.rescoring import decision
from worker.rescoring.basis import Basis
from worker.scoring.verdict import Verdict
from worker.store import alerts, records, scores, stages

_MOVES = 10


def stage_of(
    process: Process, connection: Connection, basis: Basis, standing: scores.Standing, verdict: Verdict | None
) -> dict[str, Any] | None:
    """As of now; None for a goal without stages. `ahead`: what holds the person from the next one."""
    if standing.stage is None or standing.stage_since is None:
        return None
    person, now = standing.person_id, process.now()
    own = decision.policies(connection, basis, {person: verdict or Verdict(standing.score, standing.status)})[person]
    states = records.standings(connection, [person]).get(person, frozenset())
    evidence = replace(
        stages.evidence(connection, [person], own, now)[person],
        standing=Standing.of(states, customers_are_leads=basis.of_customers),
        bant=len((verdict and verdict.bant) or ()),
    )
    position = Position.remembered(standing.stage, standing.stage_since, standing.mql_at, standing.memory)
    moves = [asdict(move) for move in scores.moves(connection, basis.scale.goal, person)]
    return {
        "stage": standing.stage,
        "since": standing.stage_since,
        "days": round((now - standing.stage_since).total_seconds() / 86_400, 1),
        "cause": position.cause,
        "ahead": [its._asdict() for its in ahead(position, standing.score, evidence, own, now)],
        "moves": [move for move in reversed(moves) if move["from_stage"] != move["to_stage"]][:_MOVES],
        "alerts": [dict(row._mapping) for row in alerts.of_person(connection, person)],
    }


def show_stage(told: dict[str, Any]) -> None:
    """On the screen."""
    out.print(f"[bold]Stage[/] {told['stage']} for {told['days']:g} days: {told['cause'] or 'where everybody begins'}")
    for its in told["ahead"]:
        until = f" (until {local(its['until'])})" if its["until"] else ""
        out.print(f"  before the next: {its['words']}{until}", markup=False, soft_wrap=True)
    table(
        "Moves",
        ("at", "from", "to", "score", "why"),
        ((local(m["at"]), m["from_stage"], m["to_stage"], m["score"], m["cause"]) for m in told["moves"]),
        text=[4],
    )
    if told["alerts"]:
        table(
            "Tasks for the owner",
            ("entered", "at", "record", "what came of it"),
            ((a["entered"], local(a["entered_at"]), _record(a), _came(a)) for a in told["alerts"]),
            text=[3],
        )


def _record(alert: dict[str, Any]) -> str:
    return f"{alert['source']}/{alert['record_object']}/{alert['record_key']}"


def _came(alert: dict[str, Any]) -> str:
    made = f"{alert['object']}/{alert['key'].partition('#')[0]}" if alert["key"] else ""
    return " ".join(filter(None, (alert["state"], made, alert["code"], alert["answer"])))
