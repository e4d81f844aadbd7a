"""Tasks for the owners of leads and contacts.

Activities have no external id, so a task is known by the mark in its text: whoever does not know whether one was made
looks at the tasks of the record first (the text itself cannot be filtered by).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from connectors.errors import Transient
from connectors.quota import Lane
from connectors.records import Alert, AlertResult, RecordRef, WriteOutcome
from connectors.salesforce.activities import PLANNED
from connectors.salesforce.faults import fault_of, verdict
from connectors.salesforce.heirs import by_object
from connectors.salesforce.session import Session
from connectors.salesforce.values import soql_instant

USER = "005"
"""The id prefix of people; a queue's is 00G, and a queue reads no task list of its own."""
CLOCKS = timedelta(minutes=10)
"""How far the org's clock and ours may differ."""


class Alerts:
    """Makes the tasks of one org."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def make(self, alerts: Sequence[Alert]) -> list[AlertResult]:
        """See `Alerting.alert`."""
        made = self._found([alert for alert in alerts if alert.tried])
        results = {
            alert.mark: AlertResult(WriteOutcome.WRITTEN, made[alert.mark]) for alert in alerts if alert.mark in made
        }
        owners = self._owners([alert.ref for alert in alerts if alert.mark not in results])
        bodies: dict[str, dict[str, Any]] = {}
        for alert in alerts:
            if alert.mark in results:
                continue
            if alert.ref not in owners:
                results[alert.mark] = AlertResult(WriteOutcome.GONE, code="NO_RECORD", message="the record is gone")
            elif not owners[alert.ref].startswith(USER):
                why = "the record belongs to a queue: nobody is told; give it an owner, or let the queue's e-mail tell"
                results[alert.mark] = AlertResult(WriteOutcome.REFUSED, code="NO_OWNER", message=why)
            else:
                bodies[alert.mark] = _body(alert, owners[alert.ref])
        results |= self._created(bodies)
        return [results[alert.mark] for alert in alerts]

    def _created(self, bodies: Mapping[str, Mapping[str, Any]]) -> dict[str, AlertResult]:
        if not bodies:
            return {}
        try:
            answers = self._session.create(list(bodies.values()))
        except Transient as problem:
            lost = AlertResult(WriteOutcome.UNRESOLVED, code="NO_ANSWER", message=problem.message)
            return dict.fromkeys(bodies, lost)
        return {mark: self._result(answer) for mark, answer in zip(bodies, answers, strict=True)}

    def _result(self, answer: Mapping[str, Any]) -> AlertResult:
        if answer.get("success"):
            return AlertResult(WriteOutcome.WRITTEN, self._ref(answer["id"]))
        fault = fault_of((answer.get("errors") or [{}])[0])
        judged = verdict(fault)
        outcome = judged.outcome if judged.outcome is WriteOutcome.RETRY else WriteOutcome.REFUSED
        return AlertResult(outcome, code=fault.code, message=fault.message, retry_after=judged.retry_after)

    def _found(self, tried: Sequence[Alert]) -> dict[str, RecordRef]:
        """The tasks that there are already, by mark; deleted ones too: somebody had them."""
        if not tried:
            return {}
        since = soql_instant(min(alert.since for alert in tried) - CLOCKS)
        soql = f"SELECT Id, Description FROM Task WHERE WhoId IN {{ids}} AND CreatedDate >= {since}"
        found: dict[str, RecordRef] = {}
        rows = self._session.query_ids(soql, [alert.ref.id for alert in tried], lane=Lane.WRITE, everything=True)
        for row in rows:
            text = str(row.get("Description") or "")
            for alert in tried:
                if alert.mark in text:
                    found[alert.mark] = self._ref(row["Id"])
        return found

    def _ref(self, id: object) -> RecordRef:
        return RecordRef(self._session.source, "Task", f"{id}{PLANNED}")

    def _owners(self, refs: Sequence[RecordRef]) -> dict[RecordRef, str]:
        """Whom records belong to now; those that are gone or converted are absent."""
        owners: dict[RecordRef, str] = {}
        for object, ids in by_object(refs).items():
            open_ones = " AND IsConverted = false" if object == "Lead" else ""
            soql = f"SELECT Id, OwnerId FROM {object} WHERE Id IN {{ids}}{open_ones}"
            for row in self._session.query_ids(soql, ids, lane=Lane.WRITE):
                owners[RecordRef(self._session.source, object, str(row["Id"]))] = str(row.get("OwnerId") or "")
        return owners


def _body(alert: Alert, owner: str) -> dict[str, Any]:
    return {
        "attributes": {"type": "Task"},
        "WhoId": alert.ref.id,
        "OwnerId": owner,
        "Subject": alert.subject,
        "Description": f"{alert.text}\n\n{alert.mark}",
        "ActivityDate": alert.due_on.isoformat(),
        "Priority": "High",
    }
