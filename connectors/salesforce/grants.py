"""The two permission sets of the field contract, row by row: what they lack is added, what they have stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.errors import CrmError
from connectors.provisioning import Deed, Step
from connectors.quota import Lane
from connectors.salesforce.metadata import OBJECTS, READER, WRITER, PermissionSet, own_fields
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings

_LANE = Lane.INBOUND
_AT_ONCE = 200


class Grants:
    """The permission sets of one org."""

    def __init__(self, settings: SalesforceSettings, session: Session) -> None:
        self._session = session
        self._fields = [f"{object}.{name}" for object in OBJECTS for name in own_fields(settings)]

    def steps(self, worker: str | None, *, dry_run: bool) -> Iterator[Step]:
        """Both sets with all that they allow, and the writer's assignment to the user that writes scores."""
        for its in (WRITER, READER):
            where = f"permission set {its.label}"
            held = self._held(its)
            if held is None and dry_run:
                yield Step(where, f"itself, with {len(self._fields)} fields", Deed.WOULD)
                continue
            try:
                if held is None:
                    held = self._make(its)
                    yield Step(where, "itself", Deed.MADE)
                else:
                    yield self._user_permissions(where, its, held, dry_run)
                id = str(held["Id"])
                yield from self._objects(where, its, id, dry_run)
                yield self._field_rows(where, its, id, dry_run)
            except CrmError as problem:
                yield Step(where, "all that it allows", Deed.FAILED, problem.message)
                continue
            if its is WRITER:
                yield self._assigned(where, id, worker, dry_run)

    def _held(self, its: PermissionSet) -> Mapping[str, Any] | None:
        columns = ", ".join(("Id", *(f"Permissions{name}" for name in its.user)))
        rows = self._rows(f"SELECT {columns} FROM PermissionSet WHERE Name = '{its.name}'")
        return rows[0] if rows else None

    def _make(self, its: PermissionSet) -> Mapping[str, Any]:
        body: dict[str, Any] = {"Name": its.name, "Label": its.label, "Description": its.about}
        body |= {f"Permissions{name}": True for name in its.user}
        made = self._session.post("sobjects/PermissionSet", body, lane=_LANE)
        return {"Id": made["id"]}

    def _user_permissions(self, where: str, its: PermissionSet, held: Mapping[str, Any], dry_run: bool) -> Step:
        missing = [name for name in its.user if not held.get(f"Permissions{name}")]
        if not missing:
            return Step(where, "itself", Deed.THERE)
        what = f"user permission {', '.join(missing)}"
        if not dry_run:
            changes = {f"Permissions{name}": True for name in missing}
            self._session.patch(f"sobjects/PermissionSet/{held['Id']}", changes, lane=_LANE)
        return Step(where, what, Deed.WOULD if dry_run else Deed.MADE)

    def _objects(self, where: str, its: PermissionSet, id: str, dry_run: bool) -> Iterator[Step]:
        flags = ("PermissionsRead", "PermissionsEdit", "PermissionsViewAllRecords")
        soql = f"SELECT Id, SobjectType, {', '.join(flags)} FROM ObjectPermissions WHERE ParentId = '{id}'"
        held = {str(row["SobjectType"]): row for row in self._rows(soql)} if its.objects else {}
        for grant in its.objects:
            row = held.get(grant.object)
            lacking = {name: True for name in flags if grant.flags[name] and not (row or {}).get(name)}
            what = f"{'read and edit' if grant.edit else 'read'} all {grant.object} records"
            if lacking and not dry_run:
                if row is None:
                    body = {"ParentId": id, "SobjectType": grant.object, **grant.flags}
                    self._session.post("sobjects/ObjectPermissions", body, lane=_LANE)
                else:
                    self._session.patch(f"sobjects/ObjectPermissions/{row['Id']}", lacking, lane=_LANE)
            yield Step(where, what, (Deed.WOULD if dry_run else Deed.MADE) if lacking else Deed.THERE)

    def _field_rows(self, where: str, its: PermissionSet, id: str, dry_run: bool) -> Step:
        """Of all fields at once: one row for each, and two dozen of them would be two dozen calls."""
        soql = f"SELECT Id, Field, PermissionsRead, PermissionsEdit FROM FieldPermissions WHERE ParentId = '{id}'"
        held = {str(row["Field"]): row for row in self._rows(soql)}
        right = "PermissionsEdit" if its.editable else "PermissionsRead"
        missing = [name for name in self._fields if not held.get(name, {}).get(right)]
        what = f"{'write' if its.editable else 'read'} {len(self._fields)} score fields"
        if not missing:
            return Step(where, what, Deed.THERE)
        if dry_run:
            return Step(where, what, Deed.WOULD, f"{len(missing)} of them are missing")
        for row in (held[name] for name in missing if name in held):
            self._session.patch(f"sobjects/FieldPermissions/{row['Id']}", {right: True}, lane=_LANE)
        missing = [name for name in missing if name not in held]
        refused: list[str] = []
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start : start + _AT_ONCE]
            results = self._session.create([self._field_row(its, id, name) for name in part])
            for name, result in zip(part, results, strict=True):
                if not result.get("success"):
                    error: Mapping[str, Any] = next(iter(result.get("errors") or ()), {})
                    refused.append(f"{name}: {error.get('message') or error.get('statusCode')}")
        if refused:
            return Step(where, what, Deed.FAILED, "; ".join(refused))
        return Step(where, what, Deed.MADE)

    @staticmethod
    def _field_row(its: PermissionSet, id: str, name: str) -> dict[str, Any]:
        return {
            "attributes": {"type": "FieldPermissions"}, "ParentId": id, "SobjectType": name.partition(".")[0],
            "Field": name, "PermissionsRead": True, "PermissionsEdit": its.editable,
        }  # fmt: skip

    def _assigned(self, where: str, id: str, worker: str | None, dry_run: bool) -> Step:
        what = "the integration user has it"
        if worker is None:
            note = "Setup > Permission Sets > Leadgauge writer > Manage Assignments: the integration user"
            return Step(where, what, Deed.BY_HAND, note)
        soql = f"SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = '{worker}' AND PermissionSetId = '{id}'"
        if self._rows(soql):
            return Step(where, what, Deed.THERE)
        if dry_run:
            return Step(where, what, Deed.WOULD)
        try:
            body = {"AssigneeId": worker, "PermissionSetId": id}
            self._session.post("sobjects/PermissionSetAssignment", body, lane=_LANE)
        except CrmError as problem:  # a licence that does not allow one of the permissions
            return Step(where, what, Deed.FAILED, problem.message)
        return Step(where, what, Deed.MADE)

    def _rows(self, soql: str) -> Sequence[Mapping[str, Any]]:
        return self._session.query(soql, lane=_LANE).records
