"""Making what the field contract needs in a HubSpot account: a group, and the contact properties in it. Only ever adds,
and asks first what is there. Wants the scope crm.schemas.contacts.write, which writing scores does not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from connectors.contract import Shape, shape
from connectors.errors import CrmError
from connectors.hubspot.session import Session
from connectors.hubspot.settings import HubspotSettings
from connectors.provisioning import Deed, Step
from connectors.quota import Lane

GROUP, GROUP_LABEL = "lead_gauge", "Lead score"

_LANE = Lane.INBOUND
_ON = "contacts"
_AT_ONCE = 100
_ACRONYMS = frozenset({"mql", "sql"})
# A new property is nowhere but under "View all properties", and no released API changes views or record pages.
_BY_HAND = (
    (
        "the properties on the record's page",
        "Settings > Objects > Contacts > Record customization: add a card of the properties of the group"
        f" {GROUP_LABEL!r} to the left sidebar",
    ),
    (
        "a view of the hottest contacts first",
        "Contacts > Add view: columns Lead Score, Lead Score Bucket, Lead Score Action, Lead Score Reasons; filter"
        " Lead Score Bucket is any of Hot, Warm; sort by Lead Score, descending; share it with everyone",
    ),
)


class Provision:
    """One account. `buckets`: those of the policy."""

    def __init__(self, settings: HubspotSettings, session: Session, buckets: Collection[str]) -> None:
        self._session, self._buckets = session, buckets
        self._names = {name: field for field, name in settings.fields.items() if name is not None}

    def steps(self, *, dry_run: bool) -> Iterator[Step]:
        """Everything, in an order in which each finds what it needs. Raises nothing of the account's."""
        try:
            yield self._group(dry_run)
            yield from self._properties(dry_run)
        except CrmError as problem:
            yield Step(_ON, "all", Deed.FAILED, problem.message)
        except (KeyError, TypeError, ValueError):
            yield Step(_ON, "all", Deed.FAILED, "an answer is not of the expected shape")
        yield from (Step(_ON, what, Deed.BY_HAND, note) for what, note in _BY_HAND)

    def _group(self, dry_run: bool) -> Step:
        what, path = f"property group {GROUP_LABEL!r}", self._session.paths.groups(_ON)
        held = self._session.get(path, lane=_LANE)["results"]
        if any(group["name"] == GROUP and not group.get("archived") for group in held):
            return Step(_ON, what, Deed.THERE)
        if not dry_run:
            body = {"name": GROUP, "label": GROUP_LABEL, "displayOrder": -1}
            self._session.post(path, body, lane=_LANE)
        return Step(_ON, what, Deed.WOULD if dry_run else Deed.MADE)

    def _properties(self, dry_run: bool) -> Iterator[Step]:
        path = self._session.paths.properties(_ON)
        live = {row["name"]: row for row in self._session.get(path, lane=_LANE)["results"] if not row.get("archived")}
        binned = self._session.get(path, [("archived", "true")], lane=_LANE)["results"]
        archived = {row["name"] for row in binned} - live.keys()
        missing: dict[str, dict[str, Any]] = {}
        for name, field in self._names.items():
            what = f"property {name}"
            if name in live:
                yield self._options(what, live[name], shape(field, self._buckets), dry_run)
            elif name in archived:
                note = "it was archived: Settings > Properties > Archived properties, restore it"
                yield Step(_ON, what, Deed.BY_HAND, note)
            elif dry_run:
                yield Step(_ON, what, Deed.WOULD)
            else:
                missing[name] = definition(name, shape(field, self._buckets))
        yield from self._made(path, list(missing.values()))

    def _made(self, path: str, missing: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start : start + _AT_ONCE]
            answer = self._session.post(f"{path}/batch/create", {"inputs": part}, lane=_LANE)
            made = {str(row["name"]) for row in answer.get("results") or ()}
            why = "; ".join(str(row.get("message")) for row in answer.get("errors") or ())
            for row in part:
                what = f"property {row['name']}"
                if row["name"] in made:
                    yield Step(_ON, what, Deed.MADE)
                else:
                    yield Step(_ON, what, Deed.FAILED, why or "HubSpot did not make it and does not say why")

    def _options(self, what: str, held: Mapping[str, Any], its: Shape, dry_run: bool) -> Step:
        """A property that is there; an enumeration gets the options that it lacks."""
        if held.get("type") != "enumeration" or not its.closed:
            note = "it is hidden from people" if held.get("hidden") else ""
            return Step(_ON, what, Deed.BY_HAND if note else Deed.THERE, note)
        options = list(held.get("options") or ())
        missing = [value for value in its.choices if value not in {str(option["value"]) for option in options}]
        if not missing:
            return Step(_ON, what, Deed.THERE)
        note = f"option{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        if not dry_run:
            added = [option(value, len(options) + n) for n, value in enumerate(missing)]
            path = f"{self._session.paths.properties(_ON)}/{held['name']}"
            self._session.patch(path, {"options": [*options, *added]}, lane=_LANE)
        return Step(_ON, what, Deed.WOULD if dry_run else Deed.MADE, note)


def definition(name: str, its: Shape) -> dict[str, Any]:
    """The property that holds a score field. It is on no form: nobody shall fill it in."""
    kind, shown = "string", "textarea" if its.length > 100 else "text"
    if its.digits:
        kind = shown = "number"
    elif its.closed:
        kind, shown = "enumeration", "select"
    elif its.instant:
        kind, shown = "datetime", "date"
    made: dict[str, Any] = {
        "name": name, "label": its.label, "description": its.about, "groupName": GROUP, "type": kind,
        "fieldType": shown, "formField": False, "displayOrder": -1,
    }  # fmt: skip
    if its.closed:
        made["options"] = [option(value, n) for n, value in enumerate(its.choices)]
    return made


def option(value: str, place: int) -> dict[str, Any]:
    label = value.upper() if value in _ACRONYMS else value.capitalize()
    return {"value": value, "label": label, "displayOrder": place, "hidden": False}
