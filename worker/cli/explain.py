"""`leadgauge explain RECORD`: the score, reasons that add up to it, its history, and what was written where."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from worker.bootstrap import Process
from worker.cli.screen import emit, local, out, table
from worker.settings import ConfigurationError, load
from worker.store import ledger, people, scores
from worker.store.people import Scale


def add_to(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    record: Annotated[str, typer.Argument(help="SOURCE/OBJECT/ID as in salesforce/Lead/00Q..., an id, or an e-mail.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Why a person has the score that they have, recomputed as of the instant it was made."""
    process = Process(load())
    process.check_schema()
    with process.engine.connect() as connection:
        found = people.lookup(connection, record)
        if not found:
            raise ConfigurationError(f"no record is known as {record!r}; write SOURCE/OBJECT/ID, an id, or an e-mail")
        reports = [_report(process, connection, person) for person in found]
    process.close()
    if as_json:
        emit(reports)
        return
    for report in reports:
        _show(report)


def _report(process: Process, connection: Connection, person: int) -> dict[str, Any]:
    goal = process.settings.goal
    standing = scores.load(connection, goal, [person]).get(person)
    return {
        "person": person,
        "records": [
            dict(row._mapping) | {"page": _page(process, row.source, row.object, row.key)}
            for row in people.records_of(connection, person)
        ],
        "standing": asdict(standing) if standing else None,
        "reasons": _reasons(process, standing) if standing else [],
        "history": [dict(row._mapping) for row in scores.history(connection, goal, person)],
        "writes": [dict(row._mapping) for row in ledger.of_person(connection, person)],
    }


def _page(process: Process, source: str, object: str, key: str) -> str | None:
    from connectors.records import RecordRef

    return process.crm(source).location(RecordRef(source, object, key)) if source in process.sources else None


def _reasons(process: Process, standing: scores.Standing) -> list[dict[str, Any]]:
    """Recomputed from the facts known then; the same function gave the score."""
    from worker.rescoring.basis import judge, read
    from worker.store import facts

    scale = Scale(process.settings.goal, standing.rules_revision, standing.policy_revision, standing.champions_revision)
    basis = process.basis_of(scale)
    known = read(process.arrow, facts.At(standing.as_of, [standing.person_id]), basis)
    verdict = judge(known, basis).people.get(standing.person_id)
    return [asdict(reason) for reason in verdict.reasons] if verdict else []


def _show(report: dict[str, Any]) -> None:
    standing = report["standing"]
    if standing is None:
        out.print(f"Person {report['person']} is not scored yet.")
        return
    shown = "no score" if standing["score"] is None else f"[bold]{standing['score']}[/] {standing['bucket']}"
    out.print(
        f"Person {report['person']}: {shown}, stage {standing['stage']} since {local(standing['stage_since'])}, "
        f"as of {local(standing['as_of'])} ({_by(standing)}, policy {standing['policy_revision']})"
    )
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


def _by(scored: dict[str, Any]) -> str:
    """What gave a score."""
    return f"rules {scored['rules_revision']}" if scored["model"] is None else f"model {scored['model']}"


def _came(write: dict[str, Any]) -> str:
    """The cause of a write, how it ended, and the CRM's words if it said any."""
    ended = f"at {local(write['closed_at'])}" if write["closed_at"] else ""
    return " ".join(filter(None, (f"{write['cause']}:", write["state"], ended, write["code"], write["answer"])))
