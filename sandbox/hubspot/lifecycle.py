"""What the vendor does by itself when stages change: lifecycle order and stamps, deal stages, activity roll-ups."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.hubspot.instants import iso, parse_ms
from sandbox.hubspot.records import Record, Source
from sandbox.hubspot.schema import Schema

PIPELINE_SETTINGS: Source = ("PIPELINE_SETTINGS", "lifecycle-stage-sync")
CALCULATED: Source = ("CALCULATED", "roll-up")

_TOUCHES = frozenset({"calls", "emails", "meetings", "communications"})


def lifecycle_write(schema: Schema, current: str | None, wanted: str, at: int, source: Source) -> dict[str, str]:
    """The values to write for a wanted `lifecyclestage`.

    A stage moves only forward in the order of the options; a backward write is dropped without an error, as the vendor
    does. It may be cleared, and from empty any stage is taken. A person in the CRM's own pages may also move it back.
    Entering a stage stamps its date.
    """
    definition = schema.get("lifecyclestage")
    order = [option.value for option in definition.options] if definition else []
    if current and wanted and source[0] != "CRM_UI" and order.index(wanted) < order.index(current):
        return {}
    if wanted and wanted != current and schema.get(f"hs_lifecyclestage_{wanted}_date"):
        return {"lifecyclestage": wanted, f"hs_lifecyclestage_{wanted}_date": iso(at)}
    return {"lifecyclestage": wanted}


def furthest_stage(schema: Schema, stages: list[str]) -> str | None:
    """The furthest of several lifecycle stages; a merge keeps that one."""
    definition = schema.get("lifecyclestage")
    order = [option.value for option in definition.options] if definition else []
    return max((stage for stage in stages if stage in order), key=order.index, default=None)


def deal_write(
    written: Mapping[str, str], probability: float, at: int, *, known_stages: frozenset[str]
) -> dict[str, str]:
    """What entering `written["dealstage"]` sets besides: closed flags, probability, entry and close dates."""
    stage = written["dealstage"]
    closed = probability in (0.0, 1.0)
    values = {
        "hs_is_closed": "true" if closed else "false",
        "hs_is_closed_won": "true" if probability == 1.0 else "false",
        "hs_deal_stage_probability": str(probability),
    }
    if stage in known_stages:
        values[f"hs_v2_date_entered_{stage}"] = iso(at)
    if closed and "closedate" not in written:
        values["closedate"] = iso(at)
    return values


def merge_values(schema: Schema, first: Record, second: Record, at: int) -> dict[str, str]:
    """What a merge sets besides: every old id, the furthest stage, and for contacts all their addresses."""
    held = [
        record.values["hs_merged_object_ids"] for record in (first, second) if "hs_merged_object_ids" in record.values
    ]
    values = {"hs_merged_object_ids": ";".join([*held, str(first.id), str(second.id)])}
    stages = [record.values["lifecyclestage"] for record in (first, second) if "lifecyclestage" in record.values]
    if stage := furthest_stage(schema, stages):
        values["lifecyclestage"] = stage
    if first.kind.name == "contacts":
        old = [record.values.get("hs_calculated_merged_vids") for record in (first, second)]
        new = [f"{record.id}:{at}" for record in (first, second)]
        values["hs_calculated_merged_vids"] = ";".join([*filter(None, old), *new])
        addresses = [
            address
            for record in (first, second)
            for address in (record.values.get("email"), *record.values.get("hs_additional_emails", "").split(";"))
            if address
        ]
        if len(addresses) > 1:
            values["hs_additional_emails"] = ";".join(addresses[1:])
    return values


def activity_roll_up(contact: Record, activity: Record) -> dict[str, str]:
    """The contact's calculated properties after `activity` was logged on it."""
    kind = activity.kind.name
    when = parse_ms(activity.values.get("hs_timestamp", "")) or activity.created
    values = {
        "num_notes": _more(contact, "num_notes"),
        "notes_last_updated": _latest(contact, "notes_last_updated", when),
    }
    if kind == "emails" and activity.values.get("hs_email_direction") == "INCOMING_EMAIL":
        values["hs_sales_email_last_replied"] = _latest(contact, "hs_sales_email_last_replied", when)
    elif kind in _TOUCHES:
        values["num_contacted_notes"] = _more(contact, "num_contacted_notes")
        values["notes_last_contacted"] = _latest(contact, "notes_last_contacted", when)
    if kind == "meetings":
        booked = activity.created
        values["engagements_last_meeting_booked"] = _latest(contact, "engagements_last_meeting_booked", booked)
    return values


def _more(record: Record, name: str) -> str:
    return str(int(record.values.get(name, "0")) + 1)


def _latest(record: Record, name: str, when: int) -> str:
    return iso(max(when, parse_ms(record.values.get(name, "")) or 0))
