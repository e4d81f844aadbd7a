"""Field-level security of the integration user: hidden fields do not exist for it, read-only ones cannot be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.salesforce.schema import Field, SObject

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org


class Access:
    """Names are `Object.Field`. `ungranted` are fields made over the API, hidden until a permission set grants them."""

    def __init__(self, org: Org) -> None:
        self.hidden: set[str] = set()
        self.read_only: set[str] = set()
        self.hidden_objects: set[str] = set()
        self.ungranted: set[str] = set()
        self._org = org

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
