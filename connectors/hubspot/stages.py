"""`lifecyclestage` and `hs_lead_status`, where they follow the stage: which values may be written, and over which.

HubSpot moves a lifecycle stage forward only, in the order of its options; a write that would go backward is answered
with yes and changes nothing (HubSpot community, "Update lifecycle stage using API"). To go back it is cleared first,
which stamps the day of the stage anew. It is also moved by HubSpot itself, when a deal is made or won.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from connectors.hubspot.objects import ObjectReader
from connectors.hubspot.schema import Property, Schemas
from connectors.hubspot.settings import LEAD_STATUS, LIFECYCLE, HubspotSettings
from connectors.port import Problem
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, Value
from connectors.stages import StageField, missing_values, somebodys

LIFECYCLE_FIELD = ScoreField.follower(LIFECYCLE)

Kept = dict[RecordRef, dict[ScoreField, str]]


class OwnProperties:
    """The properties of HubSpot's own, of one account's contacts."""

    def __init__(self, settings: HubspotSettings, schemas: Schemas, contacts: ObjectReader) -> None:
        self._schemas, self._contacts = schemas, contacts
        options = (
            ("lifecycle_stage", LIFECYCLE, settings.lifecycle_stage),
            ("lead_status", LEAD_STATUS, settings.lead_status),
        )
        self._given: list[tuple[str, str, StageField]] = [(o, n, given) for o, n, given in options if given is not None]
        self.lifecycle_follows = settings.lifecycle_stage is not None
        self._backward = settings.lifecycle_stage is not None and settings.lifecycle_stage.backward

    def settled(self, writes: Sequence[FieldWrite]) -> tuple[Kept, list[RecordRef]]:
        """What must stay as it is, and why; and the records whose lifecycle stage is to be cleared first. Looks at the
        contacts as they are now."""
        following = {write.ref: write for write in writes if write.natives}
        if not following:
            return {}, []
        names = [name for _, name, _ in self._given]
        rows = self._contacts.read([ref.id for ref in following], Lane.WRITE, names)
        now = {str(row["id"]): row["properties"] for row in rows}
        order = self._order()
        kept: Kept = {}
        cleared: list[RecordRef] = []
        for ref, write in following.items():
            held: dict[ScoreField, Value] = {ScoreField.follower(n): now.get(ref.id, {}).get(n) for n in names}
            stays = somebodys(write, held)
            if LIFECYCLE_FIELD not in stays and self._goes_back(write, held, order):
                if self._backward:
                    cleared.append(ref)
                else:
                    stays[LIFECYCLE_FIELD] = (
                        f"it is {held[LIFECYCLE_FIELD]}, and moves forward only (lifecycle_stage.backward: true)"
                    )
            if stays:
                kept[ref] = stays
        return kept, cleared

    def problems(self, where: str, schema: Mapping[str, Property]) -> Iterator[Problem]:
        """What of the options does not fit the account."""
        for option, name, given in self._given:
            definition, place = schema.get(name), f"{where}.{name}"
            if definition is None or definition.read_only:
                ill = "does not exist" if definition is None else "cannot be written"
                what = f"{option}: the property {name} {ill}"
                yield Problem("stage_field_read_only", place, what, f"leave {option} out")
                continue
            yield from missing_values(given, option, place, name, definition.options)

    def _order(self) -> Sequence[str]:
        definition = self._schemas.of("contacts", Lane.WRITE).get(LIFECYCLE)
        return list(definition.options) if definition is not None else []

    @staticmethod
    def _goes_back(write: FieldWrite, held: Mapping[ScoreField, Value], order: Sequence[str]) -> bool:
        wanted, now = write.values.get(LIFECYCLE_FIELD), held.get(LIFECYCLE_FIELD)
        return wanted in order and now in order and order.index(str(wanted)) < order.index(str(now))
