"""Schema drift: what an administrator does to fields while integrations run, and undoes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.schema import Field, FieldType

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

_CHANGES: Mapping[str, type] = {"add": str, "remove": bool, "restore": bool, "length": int, "values": list}


def drift(org: Org, order: Mapping[str, Any]) -> None:
    """Carry out one order: `object`, `field` and one of

    `"remove": true` (it becomes an unknown column; values are kept), `"restore": true` (back, with its values, as from
    the field recycle bin), `"length": n`, `"values": [...]` (the picklist's, restricted from now on), or `"add": type`.

    Raises `ValueError` for anything else.
    """
    sobject, name = org.sobject(str(order.get("object", ""))), str(order.get("field", ""))
    changes = {key: value for key, value in order.items() if key not in ("object", "field")}
    if sobject is None or not name or len(changes) != 1:
        raise ValueError(f'an order takes "object", "field" and one of {", ".join(_CHANGES)}')
    (what, value) = next(iter(changes.items()))
    if what not in _CHANGES or not isinstance(value, _CHANGES[what]):
        known = ", ".join(f"{key} ({kind.__name__})" for key, kind in _CHANGES.items())
        raise ValueError(f"{what!r} must be one of {known}")
    if what == "add":
        if sobject.field(name) is not None:
            raise ValueError(f"{sobject.name} already has a field {name}")
        org.add_field(sobject.name, Field(name=name, type=FieldType(str(value)), length=255))
    elif what == "restore":
        if (sobject.name, name) not in org.removed_fields:
            raise ValueError(f"no field {name} of {sobject.name} was removed")
        org.add_field(sobject.name, org.removed_fields.pop((sobject.name, name)))
    else:
        field = sobject.field(name)
        if field is None:
            raise ValueError(f"{sobject.name} has no field {name}")
        _change(org, sobject.name, field, what, value)


def _change(org: Org, object: str, field: Field, what: str, value: Any) -> None:
    if what == "remove":
        org.removed_fields[object, field.name] = field
        org.drop_field(object, field.name)
    elif what == "length":
        org.add_field(object, replace(field, length=value))
    else:
        org.add_field(object, replace(field, values=tuple(map(str, value)), restricted=True))
