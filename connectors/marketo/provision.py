"""Making what the field contract needs in a Marketo instance: custom lead fields.

A field can never be deleted over the API, nor its type changed, and an instance takes 100 that were made so ("Leads",
create fields). So a dry run says what would be made, and nothing is made over what is there. Wants the permission
Read-Write Schema Custom Field, which writing scores does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.contract import Shape, shape
from connectors.errors import CrmError
from connectors.marketo.check import FITTING
from connectors.marketo.faults import reason
from connectors.marketo.schema import Schema
from connectors.marketo.session import Session, rows
from connectors.marketo.settings import MarketoSettings
from connectors.provisioning import Deed, Step
from connectors.quota import Lane
from connectors.records import ScoreField
from connectors.understood import ODD

FIELDS = "/rest/v1/leads/schema/fields.json"
FOR_EVER = "Marketo deletes no field that was made over its API: it can only be hidden"

_ON = "leads"
_LANE = Lane.INBOUND
_WHY: Mapping[str, str] = {
    "1017": "another field has this name or label already: rename that one, or name it under `fields`",
    "1028": "the instance has 100 fields that were made over the API: make it by hand (Admin > Field Management)",
    "1003": "Marketo does not take the name or the label",
}
"""Code of a field that was not made -> what to do ("Error codes")."""
_BY_HAND = (
    (
        "a smart list of the hottest leads",
        "Database > New Smart List: Leadgauge Score Bucket is hot; add Leadgauge Score, Leadgauge Score Action and"
        " Leadgauge Score Reasons to its view",
    ),
)


class Provision:
    """One instance."""

    def __init__(self, settings: MarketoSettings, session: Session, schema: Schema) -> None:
        self._session, self._schema = session, schema
        self._names = {name: field for field, name in settings.fields.items() if name is not None}

    def steps(self, *, dry_run: bool) -> Iterator[Step]:
        """Everything. Raises nothing of the instance's."""
        try:
            yield from self._fields(dry_run)
        except CrmError as problem:
            yield Step(_ON, "all", Deed.FAILED, problem.message)
        except ODD:
            yield Step(_ON, "all", Deed.FAILED, "an answer is not of the expected shape")
        yield from (Step(_ON, what, Deed.BY_HAND, note) for what, note in _BY_HAND)

    def _fields(self, dry_run: bool) -> Iterator[Step]:
        there = self._schema.of(_LANE, fresh=True)
        missing: dict[str, dict[str, Any]] = {}
        for name, field in self._names.items():
            what = f"field {name}"
            if name in there:
                fits = there[name].type in FITTING[field.kind]
                note = "" if fits else f"it is of type {there[name].type}: name another one under `fields`"
                yield Step(_ON, what, Deed.THERE if fits else Deed.BY_HAND, note)
            elif dry_run:
                yield Step(_ON, what, Deed.WOULD, FOR_EVER)
            else:
                missing[name] = definition(name, field)
        if missing:
            body = {"input": list(missing.values())}
            made = rows(self._session.source, self._session.post(FIELDS, body, lane=_LANE))
            for name, row in zip(missing, made, strict=True):
                yield _told(f"field {name}", row)
            self._schema.of(_LANE, fresh=True)


def _told(what: str, row: Mapping[str, Any]) -> Step:
    if row.get("status") == "created":
        return Step(_ON, what, Deed.MADE)
    code, _ = reason(row)
    return Step(_ON, what, Deed.FAILED, _WHY.get(code, f"Marketo did not make it ({code})"))


def definition(name: str, field: ScoreField) -> dict[str, Any]:
    """The lead field that holds a score field. Its label begins otherwise than those of the contract: Marketo has a
    *Lead Score* of its own, and takes no label twice."""
    its = shape(field)
    label = f"Leadgauge {its.label.removeprefix('Lead ')}"
    return {"displayName": label, "name": name, "description": its.about, "dataType": data_type(its)}


def data_type(its: Shape) -> str:
    """A score is an integer that flow steps can change; buckets and stages are text, as the API makes no lists."""
    if its.instant:
        return "datetime"
    if its.decimals:
        return "float"
    return "score" if its.digits else "string"
