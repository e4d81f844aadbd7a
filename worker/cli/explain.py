"""`leadgauge explain RECORD`: the score, reasons that add up to it, its history, and what was written where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy import Connection

from worker.bootstrap import Process
from worker.cli.screen import emit, local, out, table
from worker.settings import ConfigurationError, load
from worker.store import ledger, people, scores
from worker.store.people import Scale

if TYPE_CHECKING:
    from worker.features.facts import Facts
    from worker.rescoring.basis import Basis
    from worker.scoring.verdict import Verdict

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LEAST_TOLD = 0.5
"""Moves of fewer points are told together."""


def add_to(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    record: Annotated[str, typer.Argument(help="SOURCE/OBJECT/ID as in salesforce/Lead/00Q..., an id, or an e-mail.")],
    goal: Annotated[str | None, typer.Option("--goal", help="One of `goals`; the primary one if left out.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Also why it changed: over the last 7d, 12h or 2w, or since a day as 2025-05-31."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Why a person has the score that they have, recomputed as of the instant it was made."""
    span = _span(since) if since is not None else None
    process = Process(load())
    process.check_schema()
    name, _ = process.settings.goal_named(goal)
    with process.engine.connect() as connection:
        found = people.lookup(connection, record)
        if not found:
            raise ConfigurationError(f"no record is known as {record!r}; write SOURCE/OBJECT/ID, an id, or an e-mail")
        reports = [report_of(process, connection, person, name) for person in found]
        if span is not None:
            reports = [report | {"change": change_of(process, connection, report, span)} for report in reports]
    process.close()
    if as_json:
        emit(reports)
        return
    for report in reports:
        _show(report)


def report_of(process: Process, connection: Connection, person: int, goal: str) -> dict[str, Any]:
    """All that is told of a person for a goal, for whoever shows it. Raises `ModelRefused`."""
    from worker.cli.score import score_of
    from worker.cli.stage import stage_of

    standing = scores.load(connection, goal, [person]).get(person)
    basis, known, verdict = _verdict(process, goal, standing) if standing else (None, None, None)
    others = {name: scores.load(connection, name, [person]).get(person) for name in process.settings.goal_names}
    return {
        "person": person,
        "goal": goal,
        "records": [
            dict(row._mapping) | {"page": _page(process, row.source, row.object, row.key)}
            for row in people.records_of(connection, person)
        ],
        "standing": asdict(standing) if standing else None,
        "reasons": [asdict(reason) for reason in verdict.reasons] if verdict else [],
        "score": score_of(basis, known, verdict) if basis and known and verdict else None,
        "stage": stage_of(process, connection, basis, standing, verdict) if basis and standing else None,
        "other_goals": {name: asdict(its) for name, its in others.items() if its and name != goal},
        "history": [dict(row._mapping) for row in scores.history(connection, goal, person)],
        "writes": [dict(row._mapping) for row in ledger.of_person(connection, person)],
    }


def _page(process: Process, source: str, object: str, key: str) -> str | None:
    from connectors.records import RecordRef

    return process.crm(source).location(RecordRef(source, object, key)) if source in process.sources else None


def _verdict(
    process: Process, goal: str, standing: scores.Standing
) -> tuple[Basis | None, Facts | None, Verdict | None]:
    """Recomputed from the facts known then; the same function gave the score."""
    from worker.rescoring.basis import NO_MODEL, NOT_ELIGIBLE, judge, read
    from worker.store import facts

    if standing.status in (NO_MODEL, NOT_ELIGIBLE):
        return None, None, None
    basis = process.goals.basis_of(_scale(goal, asdict(standing)))
    known = read(process.arrow, facts.At(standing.as_of, [standing.person_id]), basis.features)
    return basis, known, judge(known, basis).people.get(standing.person_id)


def _span(since: str) -> timedelta | datetime:
    """How long back, or since when. Raises `ConfigurationError`."""
    if match := re.fullmatch(r"(\d{1,4})([hdw])", since.strip()):
        return int(match[1]) * _UNITS[match[2]]
    try:
        instant = datetime.fromisoformat(since.strip())
    except ValueError:
        raise ConfigurationError(f"--since {since!r}: write 12h, 7d, 2w, or a day as 2025-05-31") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def change_of(
    process: Process, connection: Connection, report: dict[str, Any], span: timedelta | datetime
) -> dict[str, Any] | None:
    """Why the score is another one than that of `span` ago; None for a person who is not scored by anything."""
    from worker.rescoring.basis import NO_MODEL, NOT_ELIGIBLE
    from worker.rescoring.changed import changed

    standing, goal = report["standing"], report["goal"]
    if standing is None or standing["status"] in (NO_MODEL, NOT_ELIGIBLE):
        return None
    now: datetime = standing["as_of"]
    then = now - span if isinstance(span, timedelta) else span
    if then >= now:
        raise ConfigurationError(f"--since lies after the last score, which is of {local(now)}; choose an earlier time")
    held = scores.held_at(connection, goal, report["person"], then)
    after = process.goals.basis_of(_scale(goal, standing))
    before = process.goals.basis_of(_scale(goal, held._mapping)) if held else after
    found = changed(process.arrow, report["person"], then, before, now, after)
    return {"since": then, "scored_then": held is not None} | (asdict(found) if found else {"change": None})


def _scale(goal: str, scored: Mapping[str, Any]) -> Scale:
    """What a score was made under."""
    return Scale(goal, scored["rules_revision"], scored["policy_revision"], scored["champions_revision"])


def _show(report: dict[str, Any]) -> None:
    standing = report["standing"]
    if standing is None:
        out.print(f"Person {report['person']} is not scored yet.")
        return
    shown = _shown(standing)
    stage = f", stage {standing['stage']} since {local(standing['stage_since'])}" if standing["stage"] else ""
    out.print(
        f"Person {report['person']}: {shown}{stage}, as of {local(standing['as_of'])} "
        f"({_by(standing)}, policy {standing['policy_revision']})"
    )
    for goal, other in report["other_goals"].items():
        out.print(f"For {goal}: {_shown(other)} ({_by(other)}, policy {other['policy_revision']})")
    out.print("[bold]Records[/]")
    for r in report["records"]:
        state = "deleted" if r["deleted_at"] else r["state"]
        out.print(f"{r['source']}/{r['object']}/{r['key']}  {state}  {r['page'] or ''}", soft_wrap=True, markup=False)
    if standing["score"] is not None:
        total = sum(reason["points"] for reason in report["reasons"])
        table(
            "Reasons",
            ("points", "why", "code"),
            [*((f"{r['points']:+d}", r["text"], r["code"]) for r in report["reasons"]), (f"= {total}", "", "")],
            right=[0],
            text=[1],
        )
    else:
        table("Reasons", ("why", "code"), ((r["text"], r["code"]) for r in report["reasons"]))
    if report["score"]:
        from worker.cli.score import show_score

        show_score(report["score"])
    if report["stage"]:
        from worker.cli.stage import show_stage

        show_stage(report["stage"])
    if report.get("change"):
        _show_change(report["change"])
    table(
        "History",
        ("as of", "score", "bucket", "stage", "by", "policy"),
        (
            (local(h["as_of"]), h["score"], h["bucket"], h["stage"], _by(h), h["policy_revision"])
            for h in report["history"]
        ),
    )
    table(
        "Writes",
        ("intended", "score", "record", "why, and what came of it"),
        (
            (local(w["intended_at"]), w["values"].get("score"), f"{w['source']}/{w['object']}/{w['key']}", _came(w))
            for w in report["writes"]
        ),
        text=[3],
    )


_CAUSES = {
    "lead": "the lead moved",
    "time": "time passed",
    "model": "the model, the rules or the policy moved",
}


def _show_change(told: dict[str, Any]) -> None:
    """What moved the score: a table a cause, and what happened."""
    since, change = local(told["since"]), told["change"]
    if change is None or change["before"] is None or change["after"] is None:
        was, now = (change["was"], change["now"]) if change else ("nothing", "nothing")
        out.print(
            f"[bold]Since {since}[/]: {was.replace('_', ' ')}, then {now.replace('_', ' ')}; no score to set off."
        )
        return
    moved = change["after"] - change["before"]
    unseen = "" if told["scored_then"] else ", computed now: nothing was scored then"
    out.print(f"[bold]Since {since}[/]: {change['before']}{unseen}, now {change['after']} ({moved:+d})")
    rows = []
    for cause, words in _CAUSES.items():
        own = [move for move in change["moves"] if move["cause"] == cause]
        rows.append((f"{sum(move['points'] for move in own):+.1f}", words, ""))
        told_of = [move for move in own if abs(move["points"]) >= _LEAST_TOLD]
        rows += [(f"{move['points']:+.1f}", f"  {move['text']}", move["code"]) for move in told_of]
        if len(told_of) < len(own):
            rest = sum(move["points"] for move in own if move not in told_of)
            rows.append((f"{rest:+.1f}", f"  {len(own) - len(told_of)} smaller ones", ""))
    rows.append((f"{change['rounding']:+.1f}", "rounding to whole points", ""))
    rows.append((f"= {moved:+d}", "", ""))
    table("Why it changed", ("points", "why", "code"), rows, right=[0], text=[1])
    table(
        "What happened",
        ("last at", "what"),
        ((local(event["last_at"]), _event(event)) for event in told["events"]),
        text=[1],
    )


def _event(event: dict[str, Any]) -> str:
    what = event["what"].replace("_", " ")
    if event["value"] is not None:
        return f"{what}: {event['value'] or 'cleared'}"
    return f"{what}, {event['count']}x" if event["count"] > 1 else what


def _shown(standing: dict[str, Any]) -> str:
    if standing["score"] is None:
        return f"no score ({standing['status'].replace('_', ' ')})"
    return f"[bold]{standing['score']}[/] {standing['bucket']}"


def _by(scored: dict[str, Any]) -> str:
    """What gave a score."""
    if scored["model"] is not None:
        return f"model {scored['model']}"
    return f"rules {scored['rules_revision']}" if scored["rules_revision"] else "no rules"


def _came(write: dict[str, Any]) -> str:
    """The cause of a write, how it ended, the CRM's words if it said any, and what was not written."""
    ended = f"at {local(write['closed_at'])}" if write["closed_at"] else ""
    kept = [f"{name.removeprefix('crm:')} not written: {its['why']}" for name, its in sorted(write["kept"].items())]
    said = (f"{write['cause']}:", write["state"], ended, write["code"], write["answer"])
    return "; ".join([" ".join(filter(None, said)), *kept])
