"""An org looked at thoroughly: who we are there, what we may do beyond what is needed, what sharing and page layouts
hide. What a user may not ask is left out: nothing but `check` decides whether the work can be done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from connectors.errors import CrmError
from connectors.examination import COUNTED, Examination
from connectors.port import Problem
from connectors.quota import Lane
from connectors.salesforce.check import Check
from connectors.salesforce.metadata import OBJECTS as SCORED
from connectors.salesforce.metadata import own_fields
from connectors.salesforce.pull import OBJECTS
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.transport import wall

T = TypeVar("T")

_LANE = Lane.INBOUND
_SAMPLE = 200
"""`UserRecordAccess` answers for so many records at once."""
_EXCESSIVE: Mapping[str, str] = {
    "ModifyAllData": "Modify All Data", "CustomizeApplication": "Customize Application",
    "ManageUsers": "Manage Users", "AuthorApex": "Author Apex",
}  # fmt: skip
"""User permissions that neither reading nor writing scores needs, by API name."""
_STOPS = frozenset({"unreachable", "auth", "quota", "api_version", "protocol"})


class Examiner:
    """The examination of one org."""

    def __init__(self, settings: SalesforceSettings, session: Session) -> None:
        self._settings, self._session, self._name = settings, session, settings.name

    def examine(self, buckets: Collection[str]) -> Examination:
        found = list(Check(self._settings, self._session, buckets).problems())
        if any(problem.code in _STOPS and problem.fatal for problem in found):
            return Examination(problems=found)
        org = self._asked(self._organization) or {}
        seen = {object: self._asked(partial(self._count, object)) for object in self._objects}
        held = self._asked(self._record_counts) or {}
        found += [
            *hidden_records(self._name, seen, held),
            *excessive_rights(self._name, self._asked(self._permissions) or {}),
            *self._sharing(),
            *self._layouts(),
        ]
        kind = f", {org['OrganizationType']}" if org.get("OrganizationType") else ""
        sandbox = ", a sandbox" if org.get("IsSandbox") else ""
        return Examination(
            account=f"org {org['Id']}{kind}{sandbox}" if org else "",
            identity=str(org.get("Id") or ""),
            objects=seen,
            quota=self._session.quota(),
            ahead=self._session.now() - wall(),
            problems=found,
        )

    @property
    def _objects(self) -> Sequence[str]:
        return [object for stream, object in OBJECTS.items() if stream not in self._settings.without]

    def _organization(self) -> Mapping[str, Any]:
        soql = "SELECT Id, OrganizationType, IsSandbox FROM Organization"
        return next(iter(self._session.query(soql, lane=_LANE).records), {})

    def _count(self, object: str) -> int:
        return self._session.count(object, up_to=COUNTED, lane=_LANE, everything=False)

    def _record_counts(self) -> Mapping[str, int]:
        """How many records there are, whoever may see them ("Record Count", REST API guide). Some minutes old."""
        answer = self._session.get(f"limits/recordCount?sObjects={','.join(self._objects)}", lane=_LANE)
        return {str(row["name"]): int(row["count"]) for row in answer["sObjects"]}

    def _permissions(self) -> Mapping[str, Any]:
        columns = ", ".join(f"Permissions{name}" for name in _EXCESSIVE)
        return next(iter(self._session.query(f"SELECT {columns} FROM UserPermissionAccess", lane=_LANE).records), {})

    def _sharing(self) -> Iterator[Problem]:
        """Of the newest records of others, how many may be edited."""
        user = self._session.user()
        for object in SCORED if user else ():
            yield from uneditable(self._name, object, self._asked(partial(self._edits, object, user)) or {})

    def _edits(self, object: str, user: str) -> Mapping[str, bool]:
        open_only = "IsConverted = false AND " if object == "Lead" else ""
        soql = f"SELECT Id FROM {object} WHERE {open_only}OwnerId <> '{user}' ORDER BY CreatedDate DESC LIMIT {_SAMPLE}"
        ids = [str(row["Id"]) for row in self._session.query(soql, lane=_LANE).records]
        if not ids:
            return {}
        listed = ", ".join(f"'{id}'" for id in ids)
        asked = (
            f"SELECT RecordId, HasEditAccess FROM UserRecordAccess WHERE UserId = '{user}' AND RecordId IN ({listed})"
        )
        rows = self._session.query(asked, lane=_LANE).records
        return {str(row["RecordId"]): bool(row["HasEditAccess"]) for row in rows}

    def _layouts(self) -> Iterator[Problem]:
        for object in SCORED:
            described = self._session.describe(object, lane=_LANE).fields if self._readable(object) else {}
            names = [name for name in own_fields(self._settings) if name in described]
            path = f"sobjects/{object}/describe/layouts"
            answer = self._asked(partial(self._session.get, path, lane=_LANE))
            if names and answer is not None:
                yield from off_layout(f"{self._name}/{object}", names, shown(answer))

    def _readable(self, object: str) -> bool:
        return self._session.readable(object, lane=_LANE)

    @staticmethod
    def _asked(ask: Callable[[], T]) -> T | None:
        """The answer; None where this user may not ask, or the org does not know the question."""
        try:
            return ask()
        except (CrmError, KeyError, TypeError, ValueError):
            return None


def hidden_records(name: str, seen: Mapping[str, int | None], held: Mapping[str, int]) -> Iterator[Problem]:
    """Sharing hides records silently: fewer are seen than there are. Counts are some minutes old, so a few are none."""
    for object, there in held.items():
        visible = seen.get(object)
        if visible is None or visible >= min(there, COUNTED) * 0.95 or there - visible <= 5:
            continue
        what = f"{visible:,} of about {there:,} {object} records are visible; sharing hides the rest"
        fix = f"give the integration user View All on {object}: the permission set Leadgauge writer has it"
        if object in ("Task", "Event"):
            fix = "give the integration user View All Data, or share activities by their parent record"
        yield Problem("records_hidden", f"{name}/{object}", what, fix, fatal=False)


def excessive_rights(name: str, held: Mapping[str, Any]) -> Iterator[Problem]:
    """What a stolen credential could do beyond what scores need."""
    too_much = [label for permission, label in _EXCESSIVE.items() if held.get(f"Permissions{permission}")]
    if too_much:
        what = f"the integration user has {', '.join(too_much)}, which scores do not need"
        fix = "take it out of the user's profile and permission sets; the permission set Leadgauge writer is enough"
        yield Problem("too_many_rights", name, what, fix, fatal=False)


def uneditable(name: str, object: str, edits: Mapping[str, bool]) -> Iterator[Problem]:
    """Records that are seen and cannot be written: every write to one is refused."""
    refused = sum(not may for may in edits.values())
    if refused:
        what = (
            f"{refused} of the newest {len(edits)} {object} records of others cannot be edited; writes will be refused"
        )
        fix = f"share {object} with the integration user by a sharing rule (Read/Write), or give it Modify All on it"
        yield Problem("records_read_only", f"{name}/{object}", what, fix, fatal=refused == len(edits))


def off_layout(where: str, names: Sequence[str], on: Collection[str]) -> Iterator[Problem]:
    """Score fields that exist and that nobody is shown."""
    if not any(name in on for name in names):
        what = "no page layout shows a score field, so people do not see what is written"
        fix = "run `leadgauge provision`, or add the fields: Setup > Object Manager > Page Layouts"
        yield Problem("off_layout", where, what, fix, fatal=False)


def shown(answer: Mapping[str, Any]) -> set[str]:
    """The fields on any of the layouts that "SObject Layouts" tells of."""
    return {
        str(component.get("value"))
        for layout in answer.get("layouts") or ()
        for section in layout.get("detailLayoutSections") or ()
        for row in section.get("layoutRows") or ()
        for item in row.get("layoutItems") or ()
        for component in item.get("layoutComponents") or ()
    }
