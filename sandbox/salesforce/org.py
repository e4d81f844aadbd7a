"""The org: every record of the practice Salesforce, in memory, with the vendor's stamps, visibility and side effects.

Methods here are the truth of the practice world and check only that fields exist and hold their type. What the API
refuses (field security, restricted picklists, validation rules, locks) is decided in `dml`, before it calls these.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sandbox.salesforce import baseline, effects, ids, lifecycle, state
from sandbox.salesforce.access import Access
from sandbox.salesforce.automation import Automation
from sandbox.salesforce.behaviour import Behaviour
from sandbox.salesforce.commits import Commits
from sandbox.salesforce.derived import derive
from sandbox.salesforce.layouts import Layouts
from sandbox.salesforce.lifecycle import Converted
from sandbox.salesforce.objects import standard_objects
from sandbox.salesforce.schema import Field, FieldType, SObject
from sandbox.salesforce.table import Row, Table
from sandbox.salesforce.values import stamp, stored

__all__ = ["Converted", "HasNow", "Org"]

ARCHIVE_AFTER = timedelta(days=365)
"""Closed tasks and events older than this are hidden from `query` (the vendor's default archiving)."""


class HasNow(Protocol):
    """The clock: `now()` is an aware instant."""

    def now(self) -> datetime: ...


class Org:
    """All records and settings of one practice org.

    `visibility`: how long after its stamp a row's new version becomes visible to queries, as commits and the index do
    in a real org. `get`, `rows` and writes always see the truth. Every `at` defaults to the clock's now and is cut to
    whole seconds; every `by` defaults to the administrator. Unknown objects and fields raise KeyError, unreadable
    values ValueError, missing records LookupError.
    """

    def __init__(self, clock: HasNow, *, seed: int = 7, visibility: timedelta = timedelta(0)) -> None:
        self.clock = clock
        self.seed = seed
        self.pod = ids.base62(1 + seed % 3843, 2)
        self.schema: dict[str, SObject] = standard_objects()
        self.tables: dict[str, Table] = {name: Table() for name in self.schema}
        self.behaviour = Behaviour()
        self.commits = Commits(clock, self.tables, visibility, self._straggling)
        self.sequences: dict[str, int] = {}
        self.access = Access(self)
        self.automation = Automation()
        self.contact_mapping = dict(lifecycle.CONTACT_MAPPING)
        self.writes: list[dict[str, Any]] = []
        self.schema_changes: dict[str, datetime] = {}
        self.removed_fields: dict[tuple[str, str], Field] = {}
        self.undrifted: tuple[timedelta, dict[tuple[str, str], Field]] | None = None
        """Under the profile `hostile`: visibility and fields as they were before."""
        # Whether children re-parented by a merge or conversion get a new SystemModstamp is not documented;
        # without one (the default) a reader that trusts stamps alone misses the move.
        self.reparenting_restamps = False
        self.archive_after: timedelta | None = ARCHIVE_AFTER
        self._archived_on: date | None = None
        self._dice = random.Random(seed)
        self._names = {name.lower(): name for name in self.schema}
        self._kinds = {sobject.prefix: name for name, sobject in reversed(self.schema.items())}
        self.admin, self.integration_user, self.id = baseline.found(self)
        self.layouts = Layouts(self)
        self._field_ids: dict[tuple[str, str], str] = {}

    @property
    def visibility(self) -> timedelta:
        return self.commits.visibility

    @visibility.setter
    def visibility(self, delay: timedelta) -> None:
        self.commits.visibility = delay

    # -- reading the truth -------------------------------------------------------------------------------------------

    def sobject(self, name: str) -> SObject | None:
        """The definition of an object, whatever the case of its name."""
        return self.schema.get(self._names.get(name.lower(), ""))

    def kind(self, id: str) -> str | None:
        """The object that an id belongs to, by its prefix."""
        return self._kinds.get(id[:3])

    def current(self, object: str, id: str) -> Row | None:
        """The present version of a record, deleted or not, without its nulls; not to be changed."""
        return self.tables[object].current.get(id)

    def get(self, object: str, id: str) -> dict[str, Any] | None:
        """A copy of a record with every field, nulls included, deleted or not; None if there is none."""
        row = self.tables[object].current.get(ids.normalise(id) or id)
        return None if row is None else {**dict.fromkeys(self.schema[object].fields), **row}

    def rows(self, object: str) -> Iterator[dict[str, Any]]:
        """Copies of all records, deleted ones included, in the order they were made."""
        blank = dict.fromkeys(self.schema[object].fields)
        for row in list(self.tables[object].current.values()):
            yield {**blank, **row}

    def table(self, object: str) -> Table:
        """What queries see of an object right now: matured versions only, archiving up to date."""
        self.commits.mature()
        self._archive()
        return self.tables[object]

    def zone(self) -> ZoneInfo:
        """The org's time zone; date-only facts are days in it."""
        return _zone((self.current("Organization", self.id) or {}).get("TimeZoneSidKey", "UTC"))

    def local_day(self, at: datetime) -> date:
        return at.astimezone(self.zone()).date()

    # -- writing -----------------------------------------------------------------------------------------------------

    def insert(
        self, object: str, fields: Mapping[str, Any], *, at: datetime | None = None, by: str | None = None
    ) -> str:
        """Make a record; returns its 18-character id."""
        sobject, at, by = self.schema[object], self._instant(at), by or self.admin
        row: dict[str, Any] = {
            field.name: field.default for field in sobject.fields.values() if field.default is not None
        }
        if "OwnerId" in sobject.fields:
            row["OwnerId"] = by
        row["Id"] = id = self.mint(sobject.prefix)
        row["CreatedById"] = row["LastModifiedById"] = by
        row["CreatedDate"] = row["LastModifiedDate"] = row["SystemModstamp"] = stamp(at)
        for name in row.keys() - sobject.fields.keys():
            del row[name]
        _apply(row, self.stored(object, fields))
        derive(self, object, row, None, at)
        with self.commits.transaction():
            self.commits.write(object, id, row, at)
            effects.saved(self, object, None, row, at=at, by=by)
        return id

    def update(
        self, object: str, id: str, fields: Mapping[str, Any], *, at: datetime | None = None, by: str | None = None
    ) -> None:
        """Change fields. Always moves LastModifiedDate/ById and SystemModstamp, even if every value is as it was."""
        self.revise(object, id, self.stored(object, fields), at=self._instant(at), by=by or self.admin)

    def revise(
        self, object: str, id: str, changes: Row, *, at: datetime, by: str, restamp: bool = True, modified: bool = True
    ) -> None:
        """`update` for values in stored form. Without `modified` only SystemModstamp moves, without `restamp` none."""
        before = self.tables[object].current.get(id)
        if before is None:
            raise LookupError(f"{object} {id} does not exist")
        sobject = self.schema[object]
        row = dict(before)
        _apply(row, changes)
        if restamp:
            now = stamp(at)
            if "SystemModstamp" in sobject.fields:
                row["SystemModstamp"] = max(now, before["SystemModstamp"])
            if modified and "LastModifiedDate" in sobject.fields:
                row["LastModifiedDate"] = max(now, before["LastModifiedDate"])
                row["LastModifiedById"] = by
        derive(self, object, row, before, at)
        with self.commits.transaction():
            self.commits.write(object, id, row, at)
            effects.saved(self, object, before, row, at=at, by=by)

    def delete(
        self, object: str, id: str, *, at: datetime | None = None, by: str | None = None, purge: bool = False
    ) -> None:
        """Move a record to the recycle bin with its children; `purge` removes it, so that only getDeleted knows it."""
        lifecycle.delete(self, object, id, at=self._instant(at), by=by or self.admin, purge=purge)

    def undelete(self, object: str, id: str, *, at: datetime | None = None, by: str | None = None) -> None:
        """Take a record out of the recycle bin, with a new stamp."""
        self.revise(object, id, {"IsDeleted": False}, at=self._instant(at), by=by or self.admin)

    def merge(
        self, object: str, winner: str, losers: Sequence[str], *, at: datetime | None = None, by: str | None = None
    ) -> None:
        """Merge Leads, Contacts or Accounts: losers are deleted with MasterRecordId, their children move over."""
        lifecycle.merge(self, object, winner, losers, at=self._instant(at), by=by or self.admin)

    def convert(
        self,
        lead: str,
        *,
        account: str | None = None,
        contact: str | None = None,
        opportunity: str | None = None,
        at: datetime | None = None,
        by: str | None = None,
    ) -> Converted:
        """Convert a lead into the given (or new) account and contact and, if named, a new opportunity."""
        request = lifecycle.Conversion(account, contact, opportunity)
        return lifecycle.convert(self, lead, request, at=self._instant(at), by=by or self.admin)

    @contextmanager
    def transaction(self, *, commits_at: datetime | None = None) -> Iterator[None]:
        """All or nothing: an exception inside undoes every write. Rows keep the stamp of their write, but queries see
        them only from `commits_at` on, as with a long-running batch job."""
        logged = len(self.writes)
        try:
            with self.commits.transaction(commits_at=commits_at):
                yield
        except BaseException:
            del self.writes[logged:]
            raise

    def add_field(self, object: str, field: Field, *, granted: bool = True) -> None:
        """Add a field, or change the one of that name. If not `granted`, it is hidden until a permission set does."""
        if not granted:
            self.access.ungranted.add(f"{object}.{field.name}")
        self.schema[object].put(field)
        self.schema_changes[object] = self.clock.now()

    def drop_field(self, object: str, name: str) -> None:
        """Remove a field; from now on it is an unknown column."""
        self.schema[object].drop(name)
        self.schema_changes[object] = self.clock.now()

    def field_id(self, object: str, name: str) -> str:
        """What the set-up calls a custom field by; given when it is first asked for."""
        if (object, name) not in self._field_ids:
            self._field_ids[object, name] = self.mint("00N")
        return self._field_ids[object, name]

    def field_named(self, id: str) -> tuple[str, str] | None:
        """The object and the field behind an id."""
        known = (place for place, held in self._field_ids.items() if held == id)
        return next((place for place in known if place[1] in self.schema[place[0]].fields), None)

    def log_write(self, object: str, id: str, before: Row, after: Row) -> None:
        """Note a write that came in over the API: the fields it named, before and after."""
        entry = {"n": len(self.writes) + 1, "at": self.clock.now().isoformat(), "object": object, "id": id}
        self.writes.append({**entry, "before": before, "after": after, "changed": before != after})

    # -- state -------------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Everything that survives a restart, in types that JSON has. Shares rows with the org: serialise at once."""
        return state.dump(self)

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Become the org that `dump` described."""
        state.load(self, dumped)

    # -- what the parts of the org share -----------------------------------------------------------------------------

    def mint(self, prefix: str) -> str:
        """A new id of a kind."""
        counter = self.sequences[prefix] = self.sequences.get(prefix, 0) + 1
        return ids.mint(prefix, self.pod, counter)

    def stored(self, object: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """`fields` with names in the schema's case and values in stored form (None for null)."""
        sobject = self.schema[object]
        values: dict[str, Any] = {}
        for name, value in fields.items():
            field = sobject.field(name)
            if field is None:
                raise KeyError(f"{object} has no field {name}")
            try:
                values[field.name] = stored(field, value)
            except ValueError as problem:
                raise ValueError(f"{object}.{field.name} ({field.type}): {problem}") from None
            if values[field.name] is None and field.type is FieldType.BOOLEAN:
                values[field.name] = False
        return values

    def is_archivable(self, object: str, row: Row) -> bool:
        """Whether an activity is old enough to be archived: a closed task or an event of a year ago."""
        if self.archive_after is None or (object == "Task" and not row.get("IsClosed")):
            return False
        day = row.get("ActivityDate") or row.get("CreatedDate", "9999")[:10]
        return bool(day <= (self.clock.now() - self.archive_after).date().isoformat())

    def _archive(self) -> None:
        """Once a day, archive what has become old enough. No application changes, so no stamp moves."""
        now = self.clock.now()
        if self._archived_on == now.date():
            return
        self._archived_on = now.date()
        for object in ("Task", "Event"):
            for id, row in list(self.tables[object].current.items()):
                if not row.get("IsArchived") and self.is_archivable(object, row):
                    self.commits.write(object, id, {**row, "IsArchived": True}, now)

    def _straggling(self) -> timedelta:
        """By how much the transaction that commits now is late."""
        if not self.behaviour.stragglers or self._dice.random() >= self.behaviour.stragglers:
            return timedelta(0)
        return timedelta(seconds=self._dice.uniform(0, self.behaviour.straggle_seconds))

    def _instant(self, at: datetime | None) -> datetime:
        at = at or self.clock.now()
        if at.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return at.astimezone(UTC).replace(microsecond=0)


def _apply(row: dict[str, Any], changes: Row) -> None:
    for name, value in changes.items():
        if value is None:
            row.pop(name, None)
        else:
            row[name] = value


@lru_cache(maxsize=8)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
