"""What has no dated path: forms, their submissions, and marketing e-mail events."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sandbox.hubspot.call import Call
from sandbox.hubspot.instants import iso
from sandbox.hubspot.marketing import EmailEvent, Form, Submission
from sandbox.hubspot.wire import Refusal, answer

SUBMISSIONS_PAGE, SUBMISSIONS_MOST = 20, 50
EVENTS_PAGE, EVENTS_MOST = 100, 1_000
FORMS_PAGE, FORMS_MOST = 20, 500


def list_forms(call: Call) -> Response:
    limit = call.whole("limit", FORMS_PAGE, FORMS_MOST)
    forms = sorted(call.portal.forms.values(), key=lambda form: (form.created, form.guid))
    start = _offset(call, "after")
    body: dict[str, Any] = {"results": [_form(form) for form in forms[start : start + limit]]}
    if start + limit < len(forms):
        body["paging"] = call.next_page(start + limit)
    return answer(body)


def read_form(call: Call) -> Response:
    return answer(_form(_known_form(call)))


def _known_form(call: Call) -> Form:
    form = call.portal.forms.get(call.path["guid"])
    if form is None:
        raise Refusal(404, "resource not found")
    return form


def _form(form: Form) -> dict[str, Any]:
    return {
        "id": form.guid,
        "name": form.name,
        "formType": "hubspot",
        "createdAt": iso(form.created),
        "updatedAt": iso(form.created),
        "archived": False,
        "fieldGroups": [],
        "configuration": {"language": "en"},
        "displayOptions": {"renderRawHtml": False, "submitButtonText": "Submit"},
        "legalConsentOptions": {"type": "none"},
    }


def submissions(call: Call) -> Response:
    """Newest first. No contact id: the e-mail address among the values says who it was."""
    form = _known_form(call)
    limit = call.whole("limit", SUBMISSIONS_PAGE, SUBMISSIONS_MOST)
    start, held = _offset(call, "after"), form.submissions
    stop = max(0, len(held) - start)
    newest = reversed(held[max(0, stop - limit) : stop])
    body: dict[str, Any] = {"results": [_submission(sent) for sent in newest]}
    if start + limit < len(held):
        body["paging"] = call.next_page(start + limit)
    return answer(body)


def _submission(sent: Submission) -> dict[str, Any]:
    values = [{"name": name, "value": value, "objectTypeId": "0-1"} for name, value in sent.values]
    return {"conversionId": sent.id, "submittedAt": sent.submitted_at, "values": values, "pageUrl": sent.page_url}


def email_events(call: Call) -> Response:
    """Newest first; both ends of the window are included."""
    limit = call.whole("limit", EVENTS_PAGE, EVENTS_MOST)
    start = _offset(call, "offset")
    events = call.portal.email_log.between(_instant(call, "startTimestamp"), _instant(call, "endTimestamp"))
    kind, recipient = call.query.get("eventType"), call.query.get("recipient")
    newest = [
        event
        for event in reversed(events)
        if (kind is None or event.type == kind) and (recipient is None or event.recipient == recipient.lower())
    ]
    stop = start + limit
    rows = [_event(call, event) for event in newest[start:stop]]
    return answer({"hasMore": stop < len(newest), "offset": str(min(stop, len(newest))), "events": rows})


def _event(call: Call, event: EmailEvent) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": event.id,
        "created": event.created,
        "type": event.type,
        "recipient": event.recipient,
        "portalId": call.portal.portal_id,
        "appId": 113,
        "appName": "Batch",
        "emailCampaignId": event.campaign,
    }
    if event.url is not None:
        row["url"] = event.url
    if event.type in ("OPEN", "CLICK"):
        row["filteredEvent"] = event.filtered
    return row


def _offset(call: Call, parameter: str) -> int:
    text = call.query.get(parameter, "0")
    if not text.isdecimal():
        raise Refusal(400, f"Invalid value for query param {parameter}", "VALIDATION_ERROR")
    return int(text)


def _instant(call: Call, parameter: str) -> int | None:
    """Epoch milliseconds; None when not given."""
    return _offset(call, parameter) if parameter in call.query else None
