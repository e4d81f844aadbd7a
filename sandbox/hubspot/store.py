"""The primary store: records, links, merges and deletions, each write handed on to the search index."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sandbox.hubspot import catalog, lifecycle
from sandbox.hubspot.happenings import Happening, Listener, changed
from sandbox.hubspot.index import FOREVER, Row, SearchIndex
from sandbox.hubspot.instants import HasNow, iso, to_ms
from sandbox.hubspot.records import CRM_UI, Record, Source, merged_versions
from sandbox.hubspot.schema import ASSOCIATION_TYPES, ENGAGEMENTS, PRIMARY_TYPES, TYPES
from sandbox.hubspot.temper import Temper
from sandbox.hubspot.values import checked

WRITES_KEPT = 250_000
_NOTHING: Mapping[str, str] = {}
_PLAIN = {pair: (type_,) for pair, type_ in ASSOCIATION_TYPES.items()}
"""The types of a link without a label, shared by the millions of them."""


class NotFound(LookupError):
    """No live record of that type has this id."""


class EmailTaken(ValueError):
    """Another contact has this e-mail address; `existing` is its id."""

    def __init__(self, existing: str) -> None:
        super().__init__(existing)
        self.existing = existing


class RecordStore:
    """Records of every object type. Ids are numbers, given as text; they are unique per type only.

    Every write takes the instant `at`, default: the clock's now. Calls in the order of time are expected; a value
    dated before the property's newest version goes into the history alone. Whoever is among the `listeners` is told of
    every change, for webhooks.
    """

    def __init__(self, clock: HasNow, *, seed: int = 7, index_lag: timedelta = timedelta(0)) -> None:
        self.clock = clock
        self.seed = seed
        self.index_lag = index_lag
        self.set_temper(Temper())
        self.dice = random.Random(f"temper {seed}")
        self.listeners: list[Listener] = []
        self.schemas = catalog.schemas()
        self.writes: deque[dict[str, Any]] = deque(maxlen=WRITES_KEPT)
        self.write_count = 0
        self._records: dict[str, dict[int, Record]] = {name: {} for name in TYPES}
        self._live: dict[str, list[int]] = {name: [] for name in TYPES}
        self._next: dict[str, int] = {name: 9_001 + 10 * n for n, name in enumerate(TYPES)}
        self._merged: dict[tuple[str, int], int] = {}
        self._emails: dict[str, int] = {}
        self._version = 0
        self._index = {name: SearchIndex() for name in TYPES}

    def set_temper(self, temper: Temper) -> None:
        """Behave otherwise from now on."""
        self.temper, self.temper_since = temper, self.now_ms()

    # Reading

    def now_ms(self) -> int:
        return to_ms(self.clock.now())

    def get(self, type: str, id: str) -> Record | None:
        """The live record; the id of a merged record finds the survivor."""
        record = self._records[type].get(self.survivor(type, id))
        return record if record is not None and record.archived_at is None else None

    def exact(self, type: str, id: str, *, archived: bool = False) -> Record | None:
        """The live (or archived) record with this very id, merges not followed."""
        record = self._records[type].get(int(id)) if id.isdecimal() else None
        return record if record is not None and (record.archived_at is not None) is archived else None

    def survivor(self, type: str, id: str) -> int:
        """The id that `id` was merged into, or itself; -1 for what is no id at all."""
        number = int(id) if id.isdecimal() else -1
        while (type, number) in self._merged:
            number = self._merged[type, number]
        return number

    def was_merged(self, type: str, id: str) -> bool:
        return id.isdecimal() and (type, int(id)) in self._merged

    def contact_by_email(self, email: str) -> Record | None:
        """The live contact with this primary or additional address, in any case."""
        id_ = self._emails.get(email.strip().lower())
        return self._records["contacts"].get(id_) if id_ is not None else None

    def objects(self, type: str) -> Iterator[Record]:
        """Live records, ascending id."""
        records = self._records[type]
        return (records[id_] for id_ in list(self._live[type]))

    def page(self, type: str, after: int, limit: int) -> tuple[list[Record], int | None]:
        """Live records from id `after` on, and the id at which the next page starts."""
        live, records = self._live[type], self._records[type]
        start = bisect_left(live, after)
        stop = start + limit
        return [records[id_] for id_ in live[start:stop]], live[stop] if stop < len(live) else None

    def archived(self, type: str) -> list[Record]:
        records = self._records[type]
        return [records[id_] for id_ in sorted(records) if records[id_].archived_at is not None]

    def ids(self, type: str) -> list[int]:
        """Ids of the live records, ascending."""
        return list(self._live[type])

    def count(self, type: str) -> int:
        return len(self._live[type])

    def index(self, type: str) -> SearchIndex:
        """The search index as it is visible now."""
        self._index[type].settle(self.now_ms())
        return self._index[type]

    def settle(self) -> None:
        """Let search catch up with every write at once."""
        for index in self._index.values():
            index.settle(FOREVER)

    # Writing

    def create(
        self, type: str, properties: Mapping[str, str], *, at: datetime | None = None, source: Source = CRM_UI
    ) -> str:
        """A new record's id. Raises `InvalidProperties`, and `EmailTaken` for a contact's known address."""
        stamp = self._stamp(at)
        values = {name: value for name, value in checked(self.schemas[type], properties).items() if value}
        if type == "contacts":
            self._reserve(values.get("email"), None)
        values |= self._consequences(type, None, values, stamp, source)
        record = Record(TYPES[type], self._new_id(type), stamp, stamp, source, values)
        self._store(record)
        self._tell("creation", record, stamp, source, properties=record.values)
        return str(record.id)

    def update(
        self, type: str, id: str, properties: Mapping[str, str], *, at: datetime | None = None, source: Source = CRM_UI
    ) -> None:
        """Write values; the modified stamp moves even where no value changes. `""` clears a value.

        Raises `NotFound`, `InvalidProperties` and `EmailTaken`; then nothing is written.
        """
        record = self._need(type, id)
        values = checked(self.schemas[type], properties)
        if type == "contacts" and "email" in values:
            self._reserve(values["email"], record.id)
        self._write(record, values, self._stamp(at), source)

    def archive(self, type: str, id: str, *, at: datetime | None = None) -> None:
        """Put a record into the recycle bin. Raises `NotFound`."""
        record = self._need(type, id)
        record.archived_at = self._stamp(at)
        self._withdraw(record, record.archived_at)
        self._tell("deletion", record, record.archived_at, CRM_UI)

    def restore(self, type: str, id: str, *, at: datetime | None = None) -> None:
        """Take an archived record out of the recycle bin. Raises `NotFound`, or `EmailTaken` if its address is."""
        record = self.exact(type, id, archived=True)
        if record is None:
            raise NotFound(f"no archived record of {type} has id {id}")
        self._reserve(record.values.get("email") if type == "contacts" else None, None)
        record.archived_at = None
        record.modified = self._stamp(at)
        self._store(record)
        self._tell("restore", record, record.modified, CRM_UI)

    def merge(self, type: str, primary: str, other: str, *, at: datetime | None = None) -> str:
        """Merge two records into a new one and return its id; both old ids lead to it from then on.

        The primary's values win, empty ones are filled from the other, the lifecycle stage is the furthest of both.
        Raises `NotFound`, and `ValueError` for a record with itself.
        """
        first, second = self._need(type, primary), self._need(type, other)
        if first.id == second.id:
            raise ValueError(f"a record of {type} cannot be merged with itself")
        stamp = self._stamp(at)
        if first.linked("companies"):
            self._demote(second)
        values = {**second.values, **first.values, **lifecycle.merge_values(self.schemas[type], first, second, stamp)}
        versions = merged_versions((first, second), values, first.kind.history)
        record = Record(
            first.kind, self._new_id(type), min(first.created, second.created), stamp, first.source,
            {name: known[0].value for name, known in versions.items() if known and known[0].value}, versions=versions,
        )  # fmt: skip
        for old in (first, second):
            self._withdraw(old, stamp)
            del self._records[type][old.id]
            self._merged[type, old.id] = record.id
        record.write(values, stamp, ("MERGE_OBJECTS", str(record.id)))
        for old in (second, first):
            self._relink(old, record)
        self._store(record)
        self._tell("merge", record, stamp, CRM_UI, merged=(first.id, second.id), properties=values)
        return str(record.id)

    def gdpr_delete(self, id: str, *, at: datetime | None = None) -> None:
        """Erase a contact, archived or not, and every old id of it. Raises `NotFound`."""
        record = self._records["contacts"].get(self.survivor("contacts", id))
        if record is None:
            raise NotFound("no contact has this id")
        stamp = self._stamp(at)
        if record.archived_at is None:
            self._withdraw(record, stamp)
        for type, other in record.links:
            self._records[type][other].links.pop(record.key, None)
        del self._records["contacts"][record.id]
        for old in filter(None, record.values.get("hs_merged_object_ids", "").split(";")):
            self._merged.pop(("contacts", int(old)), None)
        for happened in ("privacyDeletion", "deletion"):
            self._tell(happened, record, stamp, CRM_UI)

    # Links

    def associate(
        self, from_type: str, from_id: str, to_type: str, to_id: str, *, at: datetime | None = None,
        types: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """Link two records, both ways. Neither's modified stamp moves, save by the roll-ups of a contact.

        The vendor's default type is always among the link's types. The "Primary" label goes to the first company, and
        to another one only when `types` asks for it.
        Raises `NotFound`, and `KeyError` for a pair of types that cannot be linked.
        """
        source, target = self._need(from_type, from_id), self._need(to_type, to_id)
        forward, backward = (from_type, to_type), (to_type, from_type)
        new = (to_type, target.id) not in source.links
        primary = self._becomes_primary(source, target, types)
        if primary:
            self._demote(source if to_type == "companies" else target)
        for record, other, pair in ((source, target, forward), (target, source, backward)):
            labels = (PRIMARY_TYPES[pair],) if primary else ()
            record.links[other.key] = (*labels, ASSOCIATION_TYPES[pair]) if labels else _PLAIN[pair]
        if new:
            stamp = self._stamp(at)
            self._roll_up(source, target, stamp)
            self._roll_up(target, source, stamp)
            self._tell_link(source, target, stamp, primary=primary)

    def dissociate(self, from_type: str, from_id: str, to_type: str, to_id: str) -> None:
        """Remove a link, if there is one. Raises `NotFound`."""
        source, target = self._need(from_type, from_id), self._need(to_type, to_id)
        if source.links.pop(target.key, None) is not None:
            target.links.pop(source.key, None)
            self._tell_link(source, target, self.now_ms(), removed=True)

    def live_links(self, record: Record, to_type: str) -> list[tuple[int, tuple[int, ...]]]:
        """(id, association types) of the linked records that are not archived, ascending id."""
        others = self._records[to_type]
        return [
            (other, record.links[to_type, other])
            for other in record.linked(to_type)
            if other in others and others[other].archived_at is None
        ]

    # The write log of the sandbox

    def log_write(self, object: str, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Remember a write that came in over the API: only the fields it named."""
        self.write_count += 1
        self.writes.append(
            {
                "n": self.write_count,
                "at": iso(self.now_ms()),
                "object": object,
                "id": id,
                "before": dict(before),
                "after": dict(after),
                "changed": dict(before) != dict(after),
            }
        )

    # Inside

    def _stamp(self, at: datetime | None) -> int:
        return to_ms(at) if at is not None else self.now_ms()

    def _need(self, type: str, id: str) -> Record:
        record = self.get(type, id)
        if record is None:
            raise NotFound(f"no record of {type} has id {id}")
        return record

    def _new_id(self, type: str) -> int:
        """Ascending with gaps, the same for the same seed; crosses 10,000 early, where text order and number part."""
        given = self._next[type]
        self._next[type] = given + 1 + ((given * 2_654_435_761 + self.seed) >> 7) % 5
        return given

    def _reserve(self, email: str | None, mine: int | None) -> None:
        holder = self._emails.get(email) if email else None
        if holder is not None and holder != mine:
            raise EmailTaken(str(holder))

    def _store(self, record: Record) -> None:
        """Put a live record in place, addressable and on its way to search."""
        type = record.kind.name
        self._records[type][record.id] = record
        insort(self._live[type], record.id)
        self._name(record)
        self._submit(record)

    def _name(self, record: Record) -> None:
        if record.kind.name == "contacts":
            addresses = (record.values.get("email"), *record.values.get("hs_additional_emails", "").split(";"))
            self._emails.update({address: record.id for address in addresses if address})

    def _unname(self, record: Record) -> None:
        if record.kind.name == "contacts":
            for address in (record.values.get("email"), *record.values.get("hs_additional_emails", "").split(";")):
                if address and self._emails.get(address) == record.id:
                    del self._emails[address]

    def _withdraw(self, record: Record, at: int) -> None:
        type = record.kind.name
        live = self._live[type]
        del live[bisect_left(live, record.id)]
        self._unname(record)
        self._version += 1
        self._index[type].submit(record.id, self._version, None, at + self._lag_ms(), self.now_ms())

    def _submit(self, record: Record) -> None:
        self._version += 1
        row = Row(record.id, self._version, record.values, record.created, record.modified)
        visible_at = record.modified + self._lag_ms()
        self._index[record.kind.name].submit(record.id, self._version, row, visible_at, self.now_ms())

    def _lag_ms(self) -> int:
        """Drawn for each write when the portal is moody, so that writes arrive out of order."""
        steady = self.index_lag // timedelta(milliseconds=1)
        return steady if self.temper.lag is None else steady + self.temper.lag.draw(self.dice)

    def _tell(
        self, name: str, record: Record, at: int, source: Source, *, properties: Mapping[str, str] = _NOTHING,
        **more: Any,
    ) -> None:  # fmt: skip
        for listener in self.listeners:
            listener(Happening(name, record.kind, record.id, at, source, properties, **more))

    def _tell_link(
        self, source: Record, target: Record, at: int, *, primary: bool = False, removed: bool = False
    ) -> None:
        """Both directions, as the vendor does."""
        for one, other in ((source, target), (target, source)):
            self._tell(
                "associationChange", one, at, CRM_UI, other=(other.kind, other.id), primary=primary, removed=removed
            )

    def _write(self, record: Record, values: Mapping[str, str], at: int, source: Source) -> None:
        before = record.values
        changes = {name: value for name, value in values.items() if name != "lifecyclestage"}
        renamed = "email" in changes
        if renamed:
            self._unname(record)
        record.write({**changes, **self._consequences(record.kind.name, record, values, at, source)}, at, source)
        if renamed:
            self._name(record)
        self._submit(record)
        if self.listeners and (moved := changed(before, record.values)):
            self._tell("propertyChange", record, at, source, properties=moved)
        if record.values.get("hs_is_closed_won") == "true" and "dealstage" in values:
            self._move_contacts(record, "customer", at)

    def _consequences(
        self, type: str, record: Record | None, values: Mapping[str, str], at: int, source: Source
    ) -> dict[str, str]:
        """Values that a write brings with it, and `lifecyclestage` itself if it may move."""
        known = record.values if record is not None else {}
        more: dict[str, str] = {}
        if "lifecyclestage" in values:
            wanted = values["lifecyclestage"]
            more |= lifecycle.lifecycle_write(self.schemas[type], known.get("lifecyclestage"), wanted, at, source)
        if type == "deals" and values.get("dealstage") not in (None, "", known.get("dealstage")):
            stages = {stage: float(probability) for stage, _, probability in catalog.DEAL_STAGES}
            probability = stages.get(values["dealstage"], 0.5)
            more |= lifecycle.deal_write(values, probability, at, known_stages=frozenset(stages))
        return more

    def calculate(self, record: Record, values: Mapping[str, str], at: int, source: Source) -> None:
        """Write values that follow from others, never dated before the newest version of any of them."""
        newest = [versions[0].at for name in values if (versions := record.history(name))]
        self._write(record, values, max([at, *newest]), source)

    def _move_contacts(self, deal: Record, stage: str, at: int) -> None:
        for contact, _ in self.live_links(deal, "contacts"):
            record = self._records["contacts"][contact]
            self.calculate(record, {"lifecyclestage": stage}, at, lifecycle.PIPELINE_SETTINGS)

    def _roll_up(self, record: Record, other: Record, at: int) -> None:
        """What linking `other` does to a contact's calculated properties."""
        if record.kind.name != "contacts":
            return
        if other.kind.name in ENGAGEMENTS:
            self.calculate(record, lifecycle.activity_roll_up(record, other), at, lifecycle.CALCULATED)
        elif other.kind.name == "deals":
            number = str(len(record.linked("deals")))
            self.calculate(record, {"num_associated_deals": number}, at, lifecycle.CALCULATED)
            self._move_contacts(other, "opportunity", at)

    def _becomes_primary(self, source: Record, target: Record, types: Sequence[int]) -> bool:
        pair = (source.kind.name, target.kind.name)
        if pair not in PRIMARY_TYPES:
            return False
        if PRIMARY_TYPES[pair] in types:
            return True
        person, company = (source, target) if pair[1] == "companies" else (target, source)
        label = PRIMARY_TYPES[person.kind.name, "companies"]
        holders = [other for (kind, other), held in person.links.items() if kind == "companies" and label in held]
        return not holders or holders == [company.id]

    def _demote(self, record: Record) -> None:
        """Take the "Primary" label off the record's company."""
        pair, back = (record.kind.name, "companies"), ("companies", record.kind.name)
        for company in record.linked("companies"):
            record.links["companies", company] = _PLAIN[pair]
            self._records["companies"][company].links[record.kind.name, record.id] = _PLAIN[back]

    def _relink(self, old: Record, new: Record) -> None:
        """Move the links of a merged record to the survivor."""
        for (kind, other), types in old.links.items():
            linked = self._records[kind].get(other)
            if linked is None:
                continue
            new.links[linked.key] = types
            linked.links[new.key] = linked.links.pop(old.key)
