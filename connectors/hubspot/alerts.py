"""Tasks for the owners of contacts.

A task is known by the mark in its text. Whoever does not know whether one was made looks at the tasks that are
associated with the contact first, in the primary store: search would show a new one late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any

from connectors.errors import Transient
from connectors.hubspot.faults import Rejected
from connectors.hubspot.objects import ObjectReader, linked
from connectors.hubspot.session import Session
from connectors.hubspot.values import render
from connectors.quota import Lane
from connectors.records import Alert, AlertResult, RecordRef, WriteOutcome

OWNER = "hubspot_owner_id"
TASK_TO_CONTACT = 204
"""Association type (associations guide, "HubSpot-defined association types")."""


class Alerts:
    """Makes the tasks of one account. `contacts` and `tasks` read from the primary store."""

    def __init__(self, session: Session, contacts: ObjectReader, tasks: ObjectReader) -> None:
        self._session, self._contacts, self._tasks = session, contacts, tasks

    def make(self, alerts: Sequence[Alert]) -> list[AlertResult]:
        """See `Alerting.alert`: one call an alert, as a batch of creations is answered in no order."""
        found = self._found([alert for alert in alerts if alert.tried])
        missing = [alert for alert in alerts if alert.mark not in found]
        rows = self._contacts.read([alert.ref.id for alert in missing], Lane.WRITE, [OWNER])
        owners = {str(row["id"]): str(row["properties"].get(OWNER) or "") for row in rows}
        return [
            AlertResult(WriteOutcome.WRITTEN, found[alert.mark]) if alert.mark in found else self._made(alert, owners)
            for alert in alerts
        ]

    def _made(self, alert: Alert, owners: Mapping[str, str]) -> AlertResult:
        owner = owners.get(alert.ref.id)
        if owner is None:
            return AlertResult(WriteOutcome.GONE, code="NO_RECORD", message="the contact is gone")
        if not owner:
            why = "nobody owns the contact: nobody is told; assign it, or let a HubSpot workflow tell"
            return AlertResult(WriteOutcome.REFUSED, code="NO_OWNER", message=why)
        try:
            answer = self._session.create(self._session.paths.objects("tasks"), _body(alert, owner), lane=Lane.WRITE)
        except Transient as problem:
            return AlertResult(WriteOutcome.UNRESOLVED, code="NO_ANSWER", message=problem.message)
        except Rejected as refusal:
            return AlertResult(WriteOutcome.REFUSED, code=str(refusal.status), message=refusal.message)
        return AlertResult(WriteOutcome.WRITTEN, self._ref(answer["id"]))

    def _found(self, tried: Sequence[Alert]) -> dict[str, RecordRef]:
        """The tasks that there are already, by mark; those in the recycle bin, which are associated with nobody any
        more, are not among them."""
        if not tried:
            return {}
        tasks = linked(self._session, "contacts", "tasks", [alert.ref.id for alert in tried], Lane.WRITE)
        ids = [id for others in tasks.values() for id in others]
        found: dict[str, RecordRef] = {}
        for row in self._tasks.read(ids, Lane.WRITE, ["hs_task_body"]) if ids else ():
            text = str(row["properties"].get("hs_task_body") or "")
            for alert in tried:
                if alert.mark in text:
                    found[alert.mark] = self._ref(row["id"])
        return found

    def _ref(self, id: Any) -> RecordRef:
        return RecordRef(self._session.source, "tasks", str(id))


def _body(alert: Alert, owner: str) -> dict[str, Any]:
    due = datetime.combine(alert.due_on, time(9), UTC)
    return {
        "properties": {
            "hs_timestamp": render(due),
            "hs_task_subject": alert.subject,
            "hs_task_body": f"{alert.text}\n\n{alert.mark}",
            "hs_task_status": "NOT_STARTED",
            "hs_task_priority": "HIGH",
            "hs_task_type": "TODO",
            OWNER: owner,
        },
        "associations": [
            {
                "to": {"id": alert.ref.id},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TASK_TO_CONTACT}],
            }
        ],
    }
