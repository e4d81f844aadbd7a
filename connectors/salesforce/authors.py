"""Who changed a field of a record last: by the field's history where the org tracks it, else by the record's stamp.

A flow or trigger that runs when a record is saved acts as whoever saved it (Apex Developer Guide, "Triggers and Order
of Execution"), so what changes along with our own write bears our own user's id. Salesforce keeps no mark of imports:
the Data Loader and the import wizard act as the user who runs them. Many records changed by one user within a minute
are taken for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime

from connectors.errors import Misconfigured, ProtocolViolation
from connectors.quota import Lane
from connectors.records import Author, AuthorKind, RecordRef, ScoreField
from connectors.salesforce.heirs import by_object
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.values import instant

IMPORTED = 50
"""Records that one user changed in the same minute, from which on it is no typing."""
_OWN = "that runs along with our write"
_TYPES: Mapping[str, AuthorKind] = {
    # "UserType" of User (Object Reference); the others are people: employees, partners, customers.
    "AutomatedProcess": AuthorKind.AUTOMATION,
    "CloudIntegrationUser": AuthorKind.INTEGRATION,
}


class Authors:
    """Looks up who changed what in one org, in the lane of writes: three queries for any few hundred records."""

    def __init__(self, settings: SalesforceSettings, session: Session) -> None:
        self._mapped = settings.mapped
        self._session = session

    def of(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> dict[RecordRef, Author]:
        """See `Crm.authors`."""
        by: dict[RecordRef, tuple[str, datetime]] = {}
        for object, ids in by_object(changed).items():
            soql = f"SELECT Id, LastModifiedById, LastModifiedDate FROM {object} WHERE Id IN {{ids}}"
            for row in self._session.query_ids(soql, ids, lane=Lane.WRITE):
                ref = RecordRef(self._session.source, object, row["Id"])
                by[ref] = row["LastModifiedById"], instant(row["LastModifiedDate"])
            with suppress(Misconfigured, ProtocolViolation):  # no history is kept, or we may not read it
                by |= self._in_history(object, ids, changed)
        kinds = self._kinds({user for user, _ in by.values()})
        bulk = Counter((user, at.replace(second=0)) for user, at in by.values())
        return {
            ref: self._author(user, kinds, imported=bulk[user, at.replace(second=0)] >= IMPORTED)
            for ref, (user, at) in by.items()
        }

    def _in_history(
        self, object: str, ids: Collection[str], changed: Mapping[RecordRef, Collection[ScoreField]]
    ) -> dict[RecordRef, tuple[str, datetime]]:
        """The newest entry of any of the record's changed fields."""
        parent = f"{object}Id"
        wanted = {ref: {self._mapped.get(field, field.vendor) for field in fields} for ref, fields in changed.items()}
        soql = f"SELECT {parent}, Field, CreatedById, CreatedDate FROM {object}History WHERE {parent} IN {{ids}}"
        found: dict[RecordRef, tuple[str, datetime]] = {}
        for row in self._session.query_ids(soql, ids, lane=Lane.WRITE):
            ref, at = RecordRef(self._session.source, object, row[parent]), instant(row["CreatedDate"])
            if row["Field"] in wanted.get(ref, ()) and (ref not in found or at >= found[ref][1]):
                found[ref] = row["CreatedById"], at
        return found

    def _kinds(self, users: Collection[str]) -> dict[str, AuthorKind]:
        soql = "SELECT Id, UserType FROM User WHERE Id IN {ids}"
        try:
            rows = list(self._session.query_ids(soql, users, lane=Lane.WRITE))
        except Misconfigured:  # an integration user may be kept from seeing others
            return {}
        return {row["Id"]: _TYPES.get(row["UserType"], AuthorKind.PERSON) for row in rows}

    def _author(self, user: str, kinds: Mapping[str, AuthorKind], *, imported: bool) -> Author:
        if (ours := self._session.user()) and user[:15] == ours[:15]:
            return Author(AuthorKind.AUTOMATION, _OWN)
        kind = kinds.get(user, AuthorKind.UNKNOWN)
        return Author(AuthorKind.IMPORT if imported and kind is AuthorKind.PERSON else kind, user)
