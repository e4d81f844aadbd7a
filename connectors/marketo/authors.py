"""Who changed a field of a lead last, as far as the activity log tells: the sort of writer, and never a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from connectors.marketo.mapping import LeadMapper
from connectors.marketo.pull import CHANGES
from connectors.marketo.trail import Trail
from connectors.marketo.values import instant
from connectors.quota import Lane
from connectors.records import Author, AuthorKind, RecordRef, ScoreField

KINDS: Mapping[str, AuthorKind] = {
    # `Source` of an activity 13 ("Activities", "Bulk activity extract"; others observed).
    "web service api": AuthorKind.INTEGRATION,
    "rest api": AuthorKind.INTEGRATION,
    "soap api": AuthorKind.INTEGRATION,
    "salesforce.com": AuthorKind.INTEGRATION,
    "sfdc sync": AuthorKind.INTEGRATION,
    "microsoft dynamics": AuthorKind.INTEGRATION,
    "marketo flow action": AuthorKind.AUTOMATION,
    "web form fillout": AuthorKind.AUTOMATION,
    "web page visit": AuthorKind.AUTOMATION,
    "list import": AuthorKind.IMPORT,
    "lead database": AuthorKind.PERSON,
    "lead detail": AuthorKind.PERSON,
    "user": AuthorKind.PERSON,
}
"""What sort of writer a source is; one that is not listed is unknown, and its own word is told."""

LOOKS_BACK = timedelta(days=7)
LEADS_A_CALL = 30


class Authors:
    """Reads the log of the last days in the lane of writes, 30 leads a call."""

    def __init__(self, trail: Trail, mapper: LeadMapper) -> None:
        self._trail, self._mapper = trail, mapper

    def of(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> dict[RecordRef, Author]:
        """See `Crm.authors`."""
        names = self._mapper.contract
        wanted = {ref.id: (ref, {names[f] for f in fields if f in names}) for ref, fields in changed.items()}
        asked = sorted({name for _, its in wanted.values() for name in its} & set(self._mapper.written(Lane.WRITE)))
        if not asked:
            return {}
        now = self._trail.session.now().replace(minute=0, second=0, microsecond=0)
        token = self._trail.token(now - LOOKS_BACK, Lane.WRITE)
        newest: dict[RecordRef, Mapping[str, Any]] = {}
        ids = sorted(wanted)
        for start in range(0, len(ids), LEADS_A_CALL):
            params = {"fields": ",".join(asked), "leadIds": ",".join(ids[start : start + LEADS_A_CALL])}
            for row in self._trail.all(CHANGES, params, token, Lane.WRITE)[0]:
                ref, its = wanted.get(str(row["leadId"]), (None, set[str]()))
                told = {str(change["name"]) for change in row.get("fields") or ()}
                if ref is not None and told & its and (ref not in newest or _at(row) >= _at(newest[ref])):
                    newest[ref] = row
        return {ref: _author(row) for ref, row in newest.items()}


def _at(row: Mapping[str, Any]) -> Any:
    return instant(row["activityDate"])


def _author(row: Mapping[str, Any]) -> Author:
    told = {str(each["name"]): str(each.get("value") or "") for each in row.get("attributes") or ()}
    source = told.get("Source", "")
    kind = KINDS.get(source.lower(), AuthorKind.UNKNOWN)
    return Author(kind, source if kind is AuthorKind.UNKNOWN and "@" not in source else "")
