"""Who changed a property of a contact last, as HubSpot's own history of it tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from connectors.hubspot.mapping import RecordMapper
from connectors.hubspot.objects import ObjectReader
from connectors.hubspot.values import instant
from connectors.quota import Lane
from connectors.records import Author, AuthorKind, RecordRef, ScoreField

KINDS: Mapping[str, AuthorKind] = {
    # `sourceType` of a property version ("Property history source types" in HubSpot's knowledge base; others observed).
    **dict.fromkeys(("CRM_UI", "CRM_UI_BULK_ACTION", "MOBILE_IOS", "MOBILE_ANDROID", "EXTENSION"), AuthorKind.PERSON),
    **dict.fromkeys(("CONTACTS", "CONTACTS_WEB", "SALES", "SIDEKICK", "TASK", "MEETINGS"), AuthorKind.PERSON),
    **dict.fromkeys(("IMPORT", "BATCH_UPDATE", "MERGE_OBJECTS", "MERGE_CONTACTS"), AuthorKind.IMPORT),
    **dict.fromkeys(("AUTOMATION_PLATFORM", "WORKFLOWS", "WORKFLOW", "CALCULATED"), AuthorKind.AUTOMATION),
    **dict.fromkeys(("PIPELINE_SETTINGS", "FORM", "ANALYTICS", "PROPERTY_SETTINGS", "BOT"), AuthorKind.AUTOMATION),
    **dict.fromkeys(("INTEGRATION", "INTEGRATIONS_SYNC", "API", "SALESFORCE", "DATASET"), AuthorKind.INTEGRATION),
}
"""What sort of writer a source is; one that is not listed is unknown, and its own word is told."""


class Authors:
    """Reads histories in the lane of writes, 50 contacts a call."""

    def __init__(self, mapper: RecordMapper, contacts: ObjectReader) -> None:
        self._names, self._contacts = mapper.names, contacts

    def of(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> dict[RecordRef, Author]:
        """See `Crm.authors`."""
        wanted = {
            ref.id: (ref, [self._names.get(field, field.vendor) for field in fields]) for ref, fields in changed.items()
        }
        names = sorted({name for _, its in wanted.values() for name in its})
        found: dict[RecordRef, Author] = {}
        for row in self._contacts.read(list(wanted), Lane.WRITE, [], names):
            ref, its = wanted.get(str(row["id"]), (None, []))
            history: Mapping[str, Any] = row.get("propertiesWithHistory") or {}
            versions = [version for name in its for version in history.get(name) or ()]
            if ref is not None and versions:
                newest = max(versions, key=lambda version: instant(version["timestamp"]))
                found[ref] = _author(newest)
        return found


def _author(version: Mapping[str, Any]) -> Author:
    source = str(version.get("sourceType") or "")
    who = str(version.get("sourceId") or version.get("updatedByUserId") or "")
    kind = KINDS.get(source, AuthorKind.UNKNOWN)
    told = who if kind is not AuthorKind.UNKNOWN else " ".join(filter(None, (source, who)))
    return Author(kind, "" if "@" in told else told)  # some sources are signed with an address
