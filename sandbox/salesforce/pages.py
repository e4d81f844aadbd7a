"""The pages a sales rep would see, and the log of what came in over the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.salesforce import ids
from sandbox.salesforce.schema import IDENTIFIERS, FieldType, SObject

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

PAGE = 100
_SCORES = ("Lead_Score__c", "Lead_Score_Bucket__c", "Lead_Stage__c", "Lead_Scored_At__c")
_PANEL = frozenset(
    (
        *_SCORES, "Lead_Score_Action__c", "Lead_Score_Reasons__c", "Lead_Score_Grade__c", "Lead_BANT__c",
        "Lead_Score_Probability__c", "Lead_Score_Status__c", "Lead_Score_Version__c", "MQL_Date__c",
    )
)  # fmt: skip
_TIMELINE = (
    # (object, reference to the person, date shown, words, icon)
    ("Task", "WhoId", "ActivityDate", "Subject"),
    ("Event", "WhoId", "ActivityDateTime", "Subject"),
    ("CampaignMember", "LeadOrContactId", "CreatedDate", "Status"),
    ("EmailMessageRelation", "RelationId", "CreatedDate", "RelationType"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline."""

    when: str
    kind: str
    what: str


def _environment() -> Environment:
    loader = PackageLoader("sandbox.salesforce", "templates")
    return Environment(loader=loader, autoescape=select_autoescape(default=True), undefined=StrictUndefined)


def routes(org: Org) -> list[Route]:
    environment = _environment()
    environment.filters["when"] = _shown

    async def people(request: Request) -> Response:
        page = max(1, _number(request, "page", 1))
        found = _people(org)
        start = (page - 1) * PAGE
        html = environment.get_template("people.html").render(
            people=found[start : start + PAGE], total=len(found), page=page, pages=max(1, -(-len(found) // PAGE)),
            org=_organization(org), first=start,
        )  # fmt: skip
        return HTMLResponse(html)

    async def record(request: Request) -> Response:
        sobject = org.sobject(request.path_params["object"])
        id = ids.normalise(request.path_params["id"])
        row = None if sobject is None or id is None else org.get(sobject.name, id)
        if sobject is None or id is None or row is None:
            html = environment.get_template("missing.html").render(org=_organization(org))
            return HTMLResponse(html, 404)
        html = environment.get_template("record.html").render(
            row=row, object=sobject.name, org=_organization(org), company=_company(org, row),
            fields=_fields(org, sobject, row), timeline=_timeline(org, id), scored=sobject.name in ("Lead", "Contact"),
            successor=row.get("MasterRecordId") or row.get("ConvertedContactId"), kind=org.kind,
        )  # fmt: skip
        return HTMLResponse(html)

    async def writes(request: Request) -> Response:
        return JSONResponse(org.writes[max(0, _number(request, "after", 0)) :])

    async def to_people(request: Request) -> Response:
        return RedirectResponse("/sandbox/")

    return [
        Route("/", to_people, methods=["GET"]),
        Route("/sandbox/", people, methods=["GET"]),
        Route("/sandbox/record/{object}/{id}", record, methods=["GET"]),
        Route("/sandbox/writes", writes, methods=["GET"]),
    ]


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() else default


def _organization(org: Org) -> dict[str, Any]:
    return org.get("Organization", org.id) or {}


def _people(org: Org) -> list[dict[str, Any]]:
    """Open leads and contacts, the highest score first, those without a score last."""
    found = [
        {"object": object, "company": _company(org, row), **row}
        for object in ("Lead", "Contact")
        for row in org.rows(object)
        if not row["IsDeleted"] and not row.get("IsConverted")
    ]
    unscored = -1.0
    return sorted(
        found,
        key=lambda row: (-(row["Lead_Score__c"] if row["Lead_Score__c"] is not None else unscored), row["Name"] or ""),
    )


def _company(org: Org, row: dict[str, Any]) -> str:
    account = org.current("Account", row.get("AccountId") or "")
    return str((account or {}).get("Name") or row.get("Company") or "")


def _fields(org: Org, sobject: SObject, row: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, value) of every field that has a value and is not in the score panel."""
    shown = []
    for field in sobject.fields.values():
        value = row.get(field.name)
        if value is None or field.name in _PANEL or field.name == "Id":
            continue
        if field.type in IDENTIFIERS:
            value = _name(org, value)
        elif field.type is FieldType.DATETIME:
            value = _shown(value)
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, float):
            value = f"{value:,.{field.scale}f}"
        shown.append((field.shown_label.removesuffix(" ID"), str(value)))
    return shown


def _name(org: Org, id: str) -> str:
    kind = org.kind(id)
    row = org.current(kind, id) if kind else None
    return str((row or {}).get("Name") or id)


def _timeline(org: Org, id: str) -> list[Moment]:
    """What happened with a person, the newest first."""
    found = []
    for object, reference, when, words in _TIMELINE:
        for activity in org.tables[object].having(reference, [id]):
            row = org.current(object, activity)
            if row is None or row.get(reference) != id or row.get("IsDeleted"):
                continue
            at = row.get(when) or row["CreatedDate"]
            found.append(Moment(at, _kind(object, row), _words(org, object, row, words)))
    return sorted(found, key=lambda moment: moment.when, reverse=True)


def _kind(object: str, row: Any) -> str:
    if object == "Task":
        return str(row.get("TaskSubtype", "Task")) + ("" if row["IsClosed"] else " (open)")
    return {"CampaignMember": "Campaign", "EmailMessageRelation": "Message"}.get(object, object)


def _words(org: Org, object: str, row: Any, field: str) -> str:
    if object == "CampaignMember":
        return f"{_name(org, row['CampaignId'])}: {row.get('Status', '')}"
    if object == "EmailMessageRelation":
        message = org.current("EmailMessage", row.get("EmailMessageId", "")) or {}
        return str(message.get("Subject", "E-mail"))
    return str(row.get(field, ""))


def _shown(text: str | None) -> str:
    """An instant or date for people, in UTC."""
    if not text:
        return ""
    if len(text) == 10:
        return text
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")
