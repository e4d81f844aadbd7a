"""Field-level security of the integration user: hidden fields do not exist for it, read-only ones cannot be written."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sandbox.salesforce.schema import Field, SObject
from sandbox.salesforce.table import Row

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org


class Sharing(StrEnum):
    """What the organization-wide default of an object leaves the user of the records that others own."""

    PUBLIC = "public"
    """Reads and writes all."""
    READ_ONLY = "read-only"
    """Reads all, writes its own: Public Read Only, or Private with View All."""
    PRIVATE = "private"
    """Reads and writes its own."""


class Access:
    """Names are `Object.Field`. `ungranted` are fields made over the API, hidden until a permission set grants them.
    `sharing` is by object, public where nothing is said; it concerns objects whose records have an owner."""

    def __init__(self, org: Org) -> None:
        self.hidden: set[str] = set()
        self.read_only: set[str] = set()
        self.hidden_objects: set[str] = set()
        self.ungranted: set[str] = set()
        self.sharing: dict[str, Sharing] = {}
        self.edits_converted_leads = False
        self.views_setup = True
        self._org = org

    @property
    def customizes(self) -> bool:
        """Whether the user may change the org's set-up, as its permissions say."""
        return any(row.get("PermissionsCustomizeApplication") for row in self._org.rows("UserPermissionAccess"))

    def shares(self, sobject: SObject, row: Row, *, writing: bool = False) -> bool:
        """Whether the user sees a record, or may write it; records that it does not own may be out of reach."""
        sharing = self.sharing.get(sobject.name, Sharing.PUBLIC)
        if sharing is Sharing.PUBLIC or (sharing is Sharing.READ_ONLY and not writing):
            return True
        return "OwnerId" not in sobject.fields or row.get("OwnerId") == self._org.integration_user

    def readable(self, sobject: SObject, field: Field) -> bool:
        name = f"{sobject.name}.{field.name}"
        if name in self.hidden:
            return False
        return name not in self.ungranted or self._granted(name, "PermissionsRead", "PermissionsEdit")

    def editable(self, sobject: SObject, field: Field) -> bool:
        """Whether the user may write the field as far as security goes; the schema may still forbid it."""
        name = f"{sobject.name}.{field.name}"
        if name in self.read_only or not self.readable(sobject, field):
            return False
        return name not in self.ungranted or self._granted(name, "PermissionsEdit")

    def object_readable(self, sobject: SObject) -> bool:
        return sobject.name not in self.hidden_objects

    def field(self, sobject: SObject, name: str) -> Field | None:
        """The field as the user sees it: None if it is missing or hidden, which look the same from outside."""
        field = sobject.field(name)
        return field if field is not None and self.readable(sobject, field) else None

    def fields(self, sobject: SObject) -> list[Field]:
        return [field for field in sobject.fields.values() if self.readable(sobject, field)]

    def _granted(self, name: str, *permissions: str) -> bool:
        current = self._org.tables
        assigned = {
            row["PermissionSetId"]
            for row in current["PermissionSetAssignment"].current.values()
            if row["AssigneeId"] == self._org.integration_user
        }
        return any(
            row["ParentId"] in assigned and row["Field"] == name and any(row.get(key) for key in permissions)
            for row in current["FieldPermissions"].current.values()
        )
