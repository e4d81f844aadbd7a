"""Making what the field contract needs in an org: fields, permission sets, a section on page layouts, a compact layout
and a list view. Only ever adds, and asks first what is there.

Wants an admin (Customize Application, Manage Profiles and Permission Sets); the integration user needs neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.errors import CrmError, ProtocolViolation
from connectors.provisioning import Deed, Step
from connectors.quota import Lane
from connectors.salesforce import metadata
from connectors.salesforce.grants import Grants
from connectors.salesforce.metadata import COMPACT, LIST_LABEL, LIST_VIEW, OBJECTS, READER, SECTION
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings

_LANE = Lane.INBOUND
_BY_HAND = (
    (
        "Lead",
        "score fields on conversion",
        "Setup > Object Manager > Lead > Fields & Relationships > Map Lead Fields: map each score field to the"
        " contact's of the same name, so that a converted lead keeps its score until the contact has one",
    ),
    (
        "Lead, Contact",
        f"compact layout {COMPACT} as the primary one",
        "Setup > Object Manager > (object) > Compact Layouts > Compact Layout Assignment, if the head of the page shall"
        " show the score",
    ),
    (
        READER.label,
        "who in sales has it",
        f"Setup > Permission Sets > {READER.label} > Manage Assignments: everybody who shall see the score",
    ),
)


class Provision:
    """One org, as an admin. `worker`: the id of the user that writes scores; `buckets`: those of the policy."""

    def __init__(
        self, settings: SalesforceSettings, session: Session, worker: str | None, buckets: Sequence[str]
    ) -> None:
        self._settings, self._session, self._worker, self._buckets = settings, session, worker, buckets
        self._own = metadata.own_fields(settings, buckets)
        self._grants = Grants(settings, session)

    def steps(self, *, dry_run: bool) -> Iterator[Step]:
        """Everything, in an order in which each finds what it needs. Raises nothing of the org's."""
        for where, part in (
            ("fields", self._fields(dry_run)),
            ("permission sets", self._grants.steps(self._worker, dry_run=dry_run)),
            ("page layouts", self._layouts(dry_run)),
            ("compact layouts", self._compact(dry_run)),
            ("list views", self._views(dry_run)),
        ):
            try:
                yield from part
            except CrmError as problem:
                yield Step(where, "all", Deed.FAILED, problem.message)
            except (KeyError, TypeError, ValueError):
                yield Step(where, "all", Deed.FAILED, "an answer is not of the expected shape")
        yield from (Step(where, what, Deed.BY_HAND, note) for where, what, note in _BY_HAND)

    def _fields(self, dry_run: bool) -> Iterator[Step]:
        there = {
            (row["TableEnumOrId"], f"{row['DeveloperName']}__c"): str(row["Id"])
            for row in self._tooling(
                "SELECT Id, DeveloperName, NamespacePrefix, TableEnumOrId FROM CustomField"
                f" WHERE TableEnumOrId IN ({_listed(OBJECTS)})"
            )
            if not row.get("NamespacePrefix")
        }
        for object in OBJECTS:
            made = False
            for name, its in self._own.items():
                if (object, name) in there:
                    yield self._values(object, name, there[object, name], dry_run)
                    continue
                body = {"FullName": f"{object}.{name}", "Metadata": metadata.custom_field(its)}
                step = self._made(object, f"field {name}", "tooling/sobjects/CustomField", body, dry_run)
                made |= step.deed is Deed.MADE
                yield step
            for name in sorted(set(self._settings.mapped.values()) - self._own.keys()):
                if name not in self._session.describe(object, lane=_LANE).fields:
                    note = "it is not of this org's own making; map another field, or install what brings it"
                    yield Step(object, f"field {name}", Deed.BY_HAND, note)
            if made:
                self._session.forget(object)

    def _values(self, object: str, name: str, id: str, dry_run: bool) -> Step:
        """A field that is there; a closed picklist gets the values that it lacks."""
        its, what = self._own[name], f"field {name}"
        if not its.closed:
            return Step(object, what, Deed.THERE)
        path = f"tooling/sobjects/CustomField/{id}"
        held = self._session.get(path, lane=_LANE).get("Metadata") or {}
        values = metadata.held_values(held)
        missing = [value for value in its.choices if value not in values]
        if not missing:
            return Step(object, what, Deed.THERE)
        note = f"value{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        if not values:
            return Step(object, what, Deed.BY_HAND, f"{note}: add to it; it is no picklist with values of its own")
        return self._changed(object, what, path, {"Metadata": metadata.with_values(held, missing)}, note, dry_run)

    def _layouts(self, dry_run: bool) -> Iterator[Step]:
        names = metadata.ordered(self._settings)
        for object in OBJECTS:
            for row in self._tooling(f"SELECT Id, Name FROM Layout WHERE TableEnumOrId = '{object}'"):
                what, path = f"section {SECTION!r} on {row['Name']}", f"tooling/sobjects/Layout/{row['Id']}"
                layout = self._session.get(path, lane=_LANE).get("Metadata") or {}
                missing = [name for name in names if name not in metadata.shown_fields(layout)]
                if len(missing) < len(names):  # somebody has arranged them
                    note = f"without {', '.join(missing)}" if missing else ""
                    yield Step(object, what, Deed.THERE, note)
                else:
                    body = {"Metadata": metadata.with_section(layout, names)}
                    yield self._changed(object, what, path, body, "", dry_run)

    def _compact(self, dry_run: bool) -> Iterator[Step]:
        for object in OBJECTS:
            what, body = f"compact layout {COMPACT}", metadata.compact_layout(self._settings)
            known = self._tooling(
                f"SELECT Id FROM CompactLayout WHERE SobjectType = '{object}' AND DeveloperName = '{COMPACT}'"
            )
            if known:
                yield Step(object, what, Deed.THERE)
            else:
                full = {"FullName": f"{object}.{COMPACT}", "Metadata": body}
                yield self._made(object, what, "tooling/sobjects/CompactLayout", full, dry_run)

    def _views(self, dry_run: bool) -> Iterator[Step]:
        """By the User Interface API ("List Info Post Input", API 61.0): the Tooling API makes none."""
        hot = metadata.list_filter(self._settings, self._buckets)
        if hot is None:
            return
        for object in OBJECTS:
            what = f"list view {LIST_LABEL!r}"
            soql = f"SELECT Id FROM ListView WHERE SobjectType = '{object}' AND DeveloperName = '{LIST_VIEW}'"
            if self._session.query(soql, lane=_LANE).records:
                yield Step(object, what, Deed.THERE)
                continue
            body = {
                "listViewApiName": LIST_VIEW, "label": LIST_LABEL, "visibility": "Public",
                "displayColumns": ["Name", *metadata.list_columns(self._settings)],
                "filteredByInfo": [{"fieldApiName": hot[0], "operandLabels": list(hot[1]), "operator": "Equals"}],
                "scope": {"apiName": "everything"},
            }  # fmt: skip
            yield self._made(object, what, f"ui-api/list-info/{object}", body, dry_run)

    def _made(self, where: str, what: str, path: str, body: Mapping[str, Any], dry_run: bool) -> Step:
        if dry_run:
            return Step(where, what, Deed.WOULD)
        try:
            self._session.post(path, body, lane=_LANE)
        except ProtocolViolation as refused:
            # Made meanwhile, or by a request of ours whose answer was lost.
            if "DUPLICATE" in refused.message:
                return Step(where, what, Deed.THERE)
            return Step(where, what, Deed.FAILED, refused.message)
        except CrmError as problem:
            return Step(where, what, Deed.FAILED, problem.message)
        return Step(where, what, Deed.MADE)

    def _changed(self, where: str, what: str, path: str, body: Mapping[str, Any], note: str, dry_run: bool) -> Step:
        if dry_run:
            return Step(where, what, Deed.WOULD, note)
        try:
            self._session.patch(path, body, lane=_LANE)
        except CrmError as problem:
            return Step(where, what, Deed.FAILED, problem.message)
        return Step(where, what, Deed.MADE, note)

    def _tooling(self, soql: str) -> Sequence[Mapping[str, Any]]:
        return self._session.tooling(soql, lane=_LANE)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
