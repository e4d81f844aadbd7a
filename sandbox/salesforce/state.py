"""An org as JSON-ready data and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.commits import Change
from sandbox.salesforce.objects import standard_objects
from sandbox.salesforce.schema import Field, FieldType

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

_ACCESS = ("hidden", "read_only", "hidden_objects", "ungranted")


def dump(org: Org) -> dict[str, Any]:
    """Rows as queries see them, the versions still to come, fields made or changed, security, logs and counters."""
    org.commits.mature()
    return {
        "seed": org.seed,
        "pod": org.pod,
        "sequences": org.sequences,
        "admin": org.admin,
        "integration_user": org.integration_user,
        "id": org.id,
        "tables": {name: list(table.visible.values()) for name, table in org.tables.items()},
        "pending": [
            {
                "visible_at": pending.visible_at.isoformat(), "at": pending.change.at.isoformat(),
                "object": pending.change.object, "id": pending.change.id, "row": pending.change.row,
            }
            for pending in sorted(org.commits.pending, key=lambda pending: pending.number)
        ],
        "deletions": org.commits.deletions,
        "writes": org.writes,
        "access": {name: sorted(getattr(org.access, name)) for name in _ACCESS},
        "lead_assignment": org.automation.lead_assignment,
        "layouts": org.layouts.dump(),
        "fields": _changed_fields(org),
        "schema_changes": {name: at.isoformat() for name, at in org.schema_changes.items()},
    }  # fmt: skip


def load(org: Org, dumped: Mapping[str, Any]) -> None:
    """Replace everything in `org` with what was dumped. Validation rules and flows, being code, stay as they are."""
    for key in ("seed", "pod", "admin", "integration_user", "id"):
        setattr(org, key, dumped[key])
    org.sequences = dict(dumped["sequences"])
    org.writes = list(dumped["writes"])
    org.commits.deletions.clear()
    for object, deletions in dumped["deletions"].items():
        org.commits.deletions[object] = [(at, id) for at, id in deletions]
    for name in _ACCESS:
        setattr(org.access, name, set(dumped["access"][name]))
    org.automation.lead_assignment = list(dumped["lead_assignment"])
    if layouts := dumped.get("layouts"):  # one that was saved before there were any
        org.layouts.load(layouts)
    for object, fields in dumped["fields"].items():
        for name, field in fields.items():
            if field is None:
                org.schema[object].drop(name)
            else:
                org.schema[object].put(_field(field))
    org.schema_changes = {name: datetime.fromisoformat(at) for name, at in dumped["schema_changes"].items()}
    org.commits.pending.clear()
    for object in org.tables:
        table = org.tables[object]
        table.clear()
        for row in dumped["tables"].get(object, []):
            table.put(row["Id"], row)
            table.reveal(row["Id"], row)
    for entry in dumped["pending"]:
        table = org.tables[entry["object"]]
        change = Change(
            entry["object"],
            entry["id"],
            table.current.get(entry["id"]),
            entry["row"],
            datetime.fromisoformat(entry["at"]),
        )
        table.put(entry["id"], entry["row"])
        org.commits.wait(change, datetime.fromisoformat(entry["visible_at"]))


def _changed_fields(org: Org) -> dict[str, dict[str, Any]]:
    """By object, the fields that differ from the standard schema; None for one that was dropped. What the profile
    `hostile` did to fields is not kept: after a restart it is as if it had ended."""
    changed: dict[str, dict[str, Any]] = {}
    undrifted = org.undrifted[1] if org.undrifted is not None else {}
    for name, standard in standard_objects().items():
        before = {field.name: field for (object, _), field in undrifted.items() if object == name}
        now = {**org.schema[name].fields, **before}
        differing = {
            field: asdict(now[field]) if field in now else None
            for field in now.keys() | standard.fields.keys()
            if now.get(field) != standard.fields.get(field)
        }
        if differing:
            changed[name] = differing
    return changed


def _field(dumped: Mapping[str, Any]) -> Field:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in dumped.items()
    }
    values["type"] = FieldType(values["type"])
    return Field(**values)
