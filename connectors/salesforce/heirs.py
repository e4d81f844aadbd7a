"""Where records live on that cannot be written under their own id any more: merged leads, converted ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from connectors.quota import Lane
from connectors.records import RecordRef
from connectors.salesforce.session import Session

_MERGES_FOLLOWED = 5


class Heirs:
    """Looks records up by id, deleted ones included."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, refs: Iterable[RecordRef]) -> tuple[dict[RecordRef, RecordRef], set[RecordRef]]:
        """Where records live on (the winner of a merge, the contact of a converted lead, or several such steps), and
        which of them are neither deleted nor moved."""
        ends: dict[RecordRef, RecordRef] = {}
        living: set[RecordRef] = set()
        asking = {ref: ref for ref in refs}  # on whose behalf -> whom we ask for
        for _ in range(_MERGES_FOLLOWED):
            steps, alive = self._steps(asking.values())
            living |= alive
            asking = {ref: steps[at] for ref, at in asking.items() if at in steps}
            if not asking:
                break
            ends.update(asking)
        return ends, living

    def _steps(self, refs: Iterable[RecordRef]) -> tuple[dict[RecordRef, RecordRef], set[RecordRef]]:
        steps: dict[RecordRef, RecordRef] = {}
        alive: set[RecordRef] = set()
        source = self._session.source
        for object, ids in by_object(refs).items():
            columns = ["Id", "IsDeleted", "MasterRecordId", *(["ConvertedContactId"] if object == "Lead" else [])]
            soql = f"SELECT {', '.join(columns)} FROM {object} WHERE Id IN {{ids}}"
            for row in self._session.query_ids(soql, ids, lane=Lane.WRITE, everything=True):
                ref = RecordRef(source, object, row["Id"])
                if row.get("MasterRecordId"):
                    steps[ref] = RecordRef(source, object, row["MasterRecordId"])
                elif row.get("ConvertedContactId"):
                    steps[ref] = RecordRef(source, "Contact", row["ConvertedContactId"])
                elif not row.get("IsDeleted"):
                    alive.add(ref)
        return steps, alive


def by_object(refs: Iterable[RecordRef]) -> dict[str, list[str]]:
    """Ids by the object that they are of."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for ref in refs:
        ids[ref.object].append(ref.id)
    return dict(ids)
