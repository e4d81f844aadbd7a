"""What the field contract is in Salesforce's own words: fields, permission sets, layout section, compact layout, list
view, in the shapes of the Metadata API. The Tooling API takes them as JSON, the SFDX source holds them as XML."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.contract import Shape, shape
from connectors.port import BUCKETS
from connectors.records import ScoreField
from connectors.salesforce.settings import SalesforceSettings

OBJECTS = ("Lead", "Contact")
"""Those that hold scores."""
SECTION = "Lead score"
COMPACT = "Leadgauge"
LIST_VIEW, LIST_LABEL = "Leadgauge_Hot_First", "Hot first"

_BEHIND = (ScoreField.VERSION, ScoreField.SCORED_AT, ScoreField.STATUS, ScoreField.PROBABILITY)
"""What reps look at last."""


@dataclass(frozen=True, slots=True)
class ObjectGrant:
    """What a permission set allows with an object's records; never to create or delete any."""

    object: str
    edit: bool = False

    @property
    def flags(self) -> Mapping[str, bool]:
        """By the names of `ObjectPermissions`, all of them."""
        return {
            "PermissionsCreate": False, "PermissionsDelete": False, "PermissionsEdit": self.edit,
            "PermissionsModifyAllRecords": False, "PermissionsRead": True, "PermissionsViewAllRecords": True,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """`user` are the permissions of the user itself by their API names, `editable` whether score fields may be written.

    It names no licence: with one, Salesforce would not assign it to a user with an integration licence.
    """

    name: str
    label: str
    about: str
    editable: bool
    objects: tuple[ObjectGrant, ...] = ()
    user: tuple[str, ...] = ()


WRITER = PermissionSet(
    "Leadgauge_Writer",
    "Leadgauge writer",
    "For the integration user: reads what scores are made of, writes score fields.",
    editable=True,
    objects=(
        ObjectGrant("Lead", edit=True), ObjectGrant("Contact", edit=True), ObjectGrant("Account"),
        ObjectGrant("Opportunity"), ObjectGrant("Campaign"),
    ),
    # View Setup: for the day's calls (/limits); Salesforce grants it only together with View Roles.
    user=("ApiEnabled", "ViewRoles", "ViewSetup"),
)  # fmt: skip
READER = PermissionSet(
    "Leadgauge_Reader", "Leadgauge reader", "For sales: shows score fields; what they hold is Leadgauge's.", False
)


def own_fields(settings: SalesforceSettings, buckets: Collection[str] = BUCKETS) -> Mapping[str, Shape]:
    """The custom fields that hold scores, by API name; the same on each object. A mapped field of another package or
    of Salesforce's own is not ours to make."""
    own = ((field, name) for field, name in settings.mapped.items() if name.endswith("__c") and "__" not in name[:-3])
    return {name: shape(field, buckets) for field, name in own}


def custom_field(its: Shape) -> dict[str, Any]:
    """A `CustomField`, without its name."""
    common: dict[str, Any] = {"description": its.about, "label": its.label, "required": False}
    if its.digits:
        return common | {
            "externalId": False, "precision": its.digits, "scale": its.decimals, "type": "Number", "unique": False,
        }  # fmt: skip
    if its.length:
        return common | {"externalId": False, "length": its.length, "type": "Text", "unique": False}
    if its.choices:
        values = {"sorted": False, "value": [picklist_value(value) for value in its.choices]}
        return common | {"type": "Picklist", "valueSet": {"restricted": its.closed, "valueSetDefinition": values}}
    return common | {"type": "DateTime"}


def picklist_value(value: str) -> dict[str, Any]:
    """One of a value set. Its label is the value itself: list views filter by labels."""
    return {"valueName": value, "default": False, "label": value}


def held_values(metadata: Mapping[str, Any]) -> set[str]:
    """The values of a picklist's `CustomField`; none where it has a global value set."""
    definition = (metadata.get("valueSet") or {}).get("valueSetDefinition") or {}
    return {str(each.get("valueName") or each.get("fullName")) for each in definition.get("value") or ()}


def with_values(metadata: Mapping[str, Any], missing: Sequence[str]) -> dict[str, Any]:
    """A picklist's `CustomField` with further values; all else is as it was."""
    held = metadata["valueSet"]
    definition = held["valueSetDefinition"]
    values = [*definition["value"], *map(picklist_value, missing)]
    return {**metadata, "valueSet": {**held, "valueSetDefinition": {**definition, "value": values}}}


def ordered(settings: SalesforceSettings) -> list[str]:
    """The score fields as a rep reads them, from the most to the least of use; the primary goal's first."""
    own = own_fields(settings)
    mapped = [(field, name) for field, name in settings.mapped.items() if name in own]
    last = [name for field, name in mapped if field.kind in _BEHIND]
    return [name for _, name in mapped if name not in last] + last


def section(names: Sequence[str]) -> dict[str, Any]:
    """A `LayoutSection` of two columns. Nobody edits score fields by hand, so none can be."""
    half = (len(names) + 1) // 2
    columns = [{"layoutItems": [item(name) for name in part]} for part in (names[:half], names[half:])]
    return {
        "customLabel": True, "detailHeading": True, "editHeading": False, "label": SECTION,
        "layoutColumns": columns, "style": "TwoColumnsTopToBottom",
    }  # fmt: skip


def item(name: str, behavior: str = "Readonly") -> dict[str, Any]:
    return {"behavior": behavior, "field": name}


def shown_fields(layout: Mapping[str, Any]) -> set[str]:
    """The fields that a `Layout` shows."""
    return {
        str(each["field"])
        for part in layout.get("layoutSections") or ()
        for column in part.get("layoutColumns") or ()
        for each in column.get("layoutItems") or ()
        if each.get("field")
    }


def with_section(layout: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A `Layout` with a section of these fields, the second from above; all else is as it was."""
    first, *rest = layout.get("layoutSections") or [None]
    sections = [part for part in (first, section(names), *rest) if part is not None]
    return {**layout, "layoutSections": sections}


def compact_layout(settings: SalesforceSettings) -> dict[str, Any]:
    """A `CompactLayout`: what the head of a record's page shows. Seven fields are what the page has room for."""
    top = map(settings.mapped.get, (ScoreField.SCORE, ScoreField.BUCKET, ScoreField.STAGE, ScoreField.ACTION))
    own = own_fields(settings)
    return {"fields": ["Name", "Title", *(name for name in top if name in own), "Phone"], "label": COMPACT}


def list_columns(settings: SalesforceSettings) -> list[str]:
    """The score fields that a list shows."""
    own = own_fields(settings)
    top = (ScoreField.SCORE, ScoreField.BUCKET, ScoreField.ACTION, ScoreField.STAGE, ScoreField.REASONS)
    return [name for field in top if (name := settings.mapped.get(field)) in own and name is not None]


def list_filter(settings: SalesforceSettings, buckets: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """The field that says who is hot, and the values that do: the two best buckets. None where it is not mapped."""
    bucket = settings.mapped.get(ScoreField.BUCKET)
    return None if bucket is None else (bucket, buckets[:2])
