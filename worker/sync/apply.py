"""A page of what a CRM holds becomes facts about people: one transaction, safe to repeat.

Appends only what is new, so a page that comes again (an overlap, a redelivery, a fast read before the complete one, our
own write coming back) changes nothing and makes nobody dirty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from psycopg.errors import DeadlockDetected
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from connectors.port import Page
from connectors.records import AccountRecord, Activity, ActivityKind, LeadRecord, RecordRef, ScoreField
from worker.lifecycle import fields
from worker.people import identity, inputs
from worker.store import (
    activities,
    alerts,
    colleagues,
    erasures,
    ledger,
    lineage,
    outcomes,
    people,
    readings,
    records,
    stages,
    subjects,
)
from worker.store.records import StoredRecord


@dataclass(frozen=True, slots=True)
class Applied:
    """What a page changed. `verified` counts writes of ours that it showed to have landed."""

    seen: int = 0
    dirtied: int = 0
    verified: int = 0


@dataclass(slots=True)
class Evidence:
    """What a page says about who is who. `mentioned` are subjects seen for the first time; what they are called by is
    all that is known of those without a record in the page. `known_at`: since when what a subject newly states is
    known, where that is before now."""

    mentioned: Mapping[int, frozenset[str]]
    stated: dict[int, frozenset[str]] = field(default_factory=dict)
    renamed: set[int] = field(default_factory=set)
    known_at: dict[int, datetime] = field(default_factory=dict)


ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when a subject is called what it is called: a name says nothing that was ever unknown."""


MOST_DEADLOCKS = 10
"""Before it is believed to be no chance. Each takes a second to be noticed."""


class _Scored(Exception):
    """Somebody whom a page changes was scored as of an instant at or after the page's own."""

    def __init__(self, earliest: datetime) -> None:
        self.earliest = earliest


def apply(connection: Connection, page: Page, now: datetime) -> Applied:
    """Store a page's facts as observed `now`, and as known at `now` (or, in a backfill, since the CRM recorded them).

    Clocks differ between machines, and a score may be made while a page is being stored. A score of an instant must not
    see later what it did not see then, so a page that comes too late for a score of someone it changes is stored as
    observed just after that score. Pages of two streams may hold what the other waits for: whichever PostgreSQL takes
    it from is stored again.
    """
    if not len(page):
        return Applied()
    _note_fields(connection, page, now)
    beaten = 0
    while True:
        attempt = connection.begin_nested()
        try:
            applied = _store(connection, page, now)
        except _Scored as scored:
            attempt.rollback()  # with all its locks: one that is kept would be taken before those of who is who
            now = scored.earliest
        except OperationalError as problem:
            beaten += 1
            if beaten == MOST_DEADLOCKS or not isinstance(problem.orig, DeadlockDetected):
                raise
            attempt.rollback()
        else:
            attempt.commit()
            return applied


def _note_fields(connection: Connection, page: Page, now: datetime) -> None:
    """With what the rows were read, before any of them is locked."""
    rows: list[LeadRecord | AccountRecord] = [*page.leads, *page.accounts]
    for source, object in sorted({(row.ref.source, row.ref.object) for row in rows}):
        if object in page.fields:
            readings.note(connection, source, object, page.fields[object], now)


def _store(connection: Connection, page: Page, now: datetime) -> Applied:
    page = _without_our_tasks(connection, without_erased(connection, page))
    ids, new = subjects.ensure(connection, set(_references(page)))
    evidence = Evidence(mentioned={s: identity.keys(ref, None) for ref, s in ids.items() if s in new})
    touched = _save_records(connection, page, ids, evidence, now)
    witnessed = _save_history(connection, page, ids, now)
    active, engaged = _save_activities(connection, page, ids, now)
    touched |= active
    touched |= _save_outcomes(connection, page, ids, now)
    gone = _delete(connection, page, ids, evidence, now)
    touched |= gone
    accounts = touched.intersection(ids[account.ref] for account in page.accounts) | gone
    dirty, joined = _identify(connection, evidence, now)
    # In a first read nobody has a score that a colleague's act could change, and in a later one nobody hurries.
    near = set() if page.backfill else colleagues.of_subjects(connection, engaged, now)
    also = near | dirty | {old for old, _ in joined}
    held = people.hold(connection, touched, accounts, witnessed - touched, also)
    if held.earliest is not None and now < held.earliest:
        raise _Scored(held.earliest)
    dirty |= held.changed
    people.absorb(connection, joined, now)
    colleagues.fall_due(connection, near, now)
    if erased := [deletion.ref for deletion in page.deletions if deletion.erased]:
        dirty |= erasures.erase(connection, erased, now)
    shown = {
        ids[lead.ref]: ledger.Shown(fields.plain(lead.written), lead.modified_at, lead.past)
        for lead in page.leads
        if not page.backfill or lead.written
    }
    return Applied(
        seen=len(page),
        dirtied=people.mark_dirty(connection, dirty, now),
        verified=ledger.note_shown(connection, shown, now),
    )


def without_erased(connection: Connection, page: Page) -> Page:
    """Nothing of an erased record, and no older event of an erased address, gets in again."""
    gone = erasures.erased(connection, set(_references(page)))
    if not gone:
        return page

    def allowed(activity: Activity) -> Activity | None:
        left = tuple(
            p for p in activity.people if p not in gone or (p.object == "email" and activity.occurred_at > gone[p])
        )
        return replace(activity, people=left) if left else None

    return replace(
        page,
        leads=[lead for lead in page.leads if lead.ref not in gone],
        activities=[kept for activity in page.activities if (kept := allowed(activity))],
        outcomes=[replace(o, people=tuple(p for p in o.people if p not in gone)) for o in page.outcomes],
        deletions=[deletion for deletion in page.deletions if deletion.ref not in gone],
        history=[change for change in page.history if change.ref not in gone],
    )


def _without_our_tasks(connection: Connection, page: Page) -> Page:
    """A task that Leadgauge gave somebody is no act of sales'."""
    ours = alerts.ours(connection, {each.ref for each in page.activities if each.kind is ActivityKind.TASK})
    return replace(page, activities=[each for each in page.activities if each.ref not in ours]) if ours else page


def _references(page: Page) -> Iterable[RecordRef]:
    for lead in page.leads:
        yield lead.ref
        if lead.account:
            yield lead.account
    for account in page.accounts:
        yield account.ref
    for change in page.history:
        yield change.ref
    for activity in page.activities:
        yield from activity.people
    for outcome in page.outcomes:
        yield from outcome.people
        if outcome.account:
            yield outcome.account
    for deletion in page.deletions:
        if deletion.merged_into:
            yield from (deletion.ref, deletion.merged_into)
        elif deletion.erased:
            yield deletion.ref


def _save_records(
    connection: Connection,
    page: Page,
    ids: Mapping[RecordRef, int],
    evidence: Evidence,
    now: datetime,
) -> set[int]:
    """Upsert people and accounts that are not older than what is stored; returns the subjects with changed inputs."""
    rows: list[LeadRecord | AccountRecord] = [*page.accounts, *page.leads]
    incoming = {ids[record.ref]: record for record in sorted(rows, key=lambda row: row.modified_at)}
    stored = records.load(connection, incoming)
    saved: dict[int, StoredRecord] = {}
    history: list[tuple[int, str, str | None, datetime, datetime]] = []
    touched: set[int] = set()
    restated: set[int] = set()
    shown: dict[int, tuple[str | None, datetime]] = {}
    for subject, record in incoming.items():
        old = stored.get(subject)
        if old is not None and _is_older(record.modified_at, old):
            continue
        new = as_stored(record, ids)
        if isinstance(record, LeadRecord):
            evidence.stated[subject] = identity.keys(record.ref, record.email, record.same_as)
        if old is None or old.name != new.name:
            evidence.renamed.add(subject)
        known_at = min(record.modified_at, now) if page.backfill and old is None else now
        if page.backfill and old is None:
            evidence.known_at[subject] = min(record.created_at, now)
        before = old.attributes if old is not None else {}
        differing = [
            (subject, name, value, record.modified_at, known_at)
            for name, value in inputs.changes(before, new.attributes)
        ]
        history += differing
        if old != new:
            saved[subject] = new
        if old is not None and old.written.get(ScoreField.STAGE) != new.written.get(ScoreField.STAGE):
            shown[subject] = new.written.get(ScoreField.STAGE), record.modified_at
        if old is not None and _inputs(old) != _inputs(new):
            restated.add(subject)
        if old is None or differing or subject in restated:
            touched.add(subject)
    records.set_aside(connection, restated, now)
    records.save(connection, saved, now)
    records.append_attributes(connection, history, now)
    if shown and not lineage.unproved(connection):  # after a restore it is not known which of them we wrote
        touched |= stages.note_shown(connection, shown)
    return touched


def _save_history(connection: Connection, page: Page, ids: Mapping[RecordRef, int], now: datetime) -> set[int]:
    """Append what attributes were in the past; returns whose. No score waits for it, so nobody becomes dirty."""
    records.append_history(
        connection,
        (
            (
                ids[change.ref],
                change.name,
                inputs.as_text(change.value),
                change.occurred_at,
                min(change.recorded_at, now) if page.backfill else now,
            )
            for change in page.history
        ),
        now,
    )
    return {ids[change.ref] for change in page.history}


def _is_older(modified_at: datetime, stored: StoredRecord) -> bool:
    return modified_at < stored.modified_at or (stored.deleted_at is not None and modified_at <= stored.deleted_at)


def as_stored(record: LeadRecord | AccountRecord, ids: Mapping[RecordRef, int]) -> StoredRecord:
    """A row as it is stored; `ids` has the subject of its account."""
    if isinstance(record, AccountRecord):
        attributes = inputs.texts(record.attributes)
        return StoredRecord(
            "account", "open", None, record.name, None, attributes, {}, record.created_at, record.modified_at
        )
    return StoredRecord(
        kind="person",
        state=record.state,
        email=record.email,
        name=record.name,
        account_id=ids[record.account] if record.account else None,
        attributes=inputs.of_lead(record),
        written={} if record.past else fields.plain(record.written),
        created_at=record.created_at,
        modified_at=record.modified_at,
    )


def _inputs(record: StoredRecord) -> tuple[object, ...]:
    return record.state, record.account_id, record.deleted_at


def _save_activities(
    connection: Connection, page: Page, ids: Mapping[RecordRef, int], now: datetime
) -> tuple[set[int], set[int]]:
    """Append new activities and new versions of edited ones; returns the subjects whose past or present changed, and
    those of them who did something new of their own accord."""
    incoming: dict[activities.Part, tuple[activities.Version, datetime]] = {}
    for activity in page.activities:
        known_at = min(activity.recorded_at, now) if page.backfill else now
        duration = activity.duration.total_seconds() if activity.duration is not None else None
        version = activities.Version(activity.kind, activity.detail, activity.occurred_at, duration)
        for person in activity.people:
            incoming[activity.ref, ids[person]] = (version, known_at)
    standing = activities.current(connection, {activity.ref for activity in page.activities})
    changed = incoming
    outdated: set[activities.Part] = set()
    if standing:
        changed = {part: new for part, new in incoming.items() if standing.get(part) != new[0]}
        outdated = {part for part in standing if part in changed or part not in incoming}
        activities.retract(connection, outdated, now)
        # An edit is known from now on, even in a backfill: before, the old version was what one knew.
        changed |= {part: (changed[part][0], now) for part in outdated if part in changed}
    activities.append(connection, changed, now)
    engaged = {subject for (_, subject), new in changed.items() if new[0].kind in colleagues.KINDS}
    return {subject for _, subject in (*changed, *outdated)}, engaged


def _save_outcomes(connection: Connection, page: Page, ids: Mapping[RecordRef, int], now: datetime) -> set[int]:
    if not page.outcomes:
        return set()
    newest = {outcome.ref: outcome for outcome in sorted(page.outcomes, key=lambda o: o.modified_at)}
    known_at = {o.ref: min(o.modified_at, now) if page.backfill else now for o in newest.values()}
    return outcomes.save(connection, list(newest.values()), ids, known_at)


def _delete(
    connection: Connection, page: Page, ids: Mapping[RecordRef, int], evidence: Evidence, now: datetime
) -> set[int]:
    """Records, activities or deals that are gone. What a merged record did counts for the one that it became."""
    gone = {deletion.ref: deletion for deletion in page.deletions}
    if not gone:
        return set()
    known = {**subjects.find(connection, gone.keys()), **{ref: ids[ref] for ref in gone if ref in ids}}
    binned = [known[ref] for ref, deletion in gone.items() if ref in known and deletion.binned]
    at = {known[ref]: deletion.deleted_at for ref, deletion in gone.items() if ref in known}
    new = records.mark_deleted(connection, at, binned, now)
    standing = subjects.claims(connection, known.values())
    for ref, deletion in gone.items():
        if ref in known and deletion.merged_into:
            subject = known[ref]
            before = evidence.stated.get(subject) or standing.get(subject, frozenset())
            evidence.stated[subject] = before | identity.keys(ref, None, (deletion.merged_into,))
            if page.backfill:
                evidence.known_at.setdefault(subject, min(deletion.deleted_at, now))
    lost = set(activities.current(connection, gone.keys()))
    activities.retract(connection, lost, now)
    touched = {subject for _, subject in lost} | new
    return touched | outcomes.mark_deleted(connection, {ref: d.deleted_at for ref, d in gone.items()})


def _identify(connection: Connection, evidence: Evidence, now: datetime) -> tuple[set[int], list[tuple[int, int]]]:
    """Store the evidence and recompute the persons concerned.

    Returns the persons whose facts are now others, and those that ceased to be, each with the one that it became.
    """
    standing = subjects.claims(connection, evidence.stated.keys() - evidence.mentioned.keys())
    made = {(s, key): ALWAYS for s, keys in evidence.mentioned.items() if s not in evidence.stated for key in keys}
    withdrawn: set[tuple[int, str]] = set()
    for subject, keys in evidence.stated.items():
        before = standing.get(subject, frozenset())
        made |= dict.fromkeys(((subject, key) for key in keys - before), evidence.known_at.get(subject, now))
        withdrawn |= {(subject, key) for key in before - keys}
    concerned = evidence.renamed | {subject for subject, _ in made.keys() | withdrawn}
    if not concerned:
        return set(), []
    subjects.lock_identity(connection)
    subjects.revise_claims(connection, made, withdrawn, now)
    nodes, before_person = subjects.component(connection, concerned)
    after_person = identity.resolve(nodes)
    moved = {subject: person for subject, person in after_person.items() if person != before_person[subject]}
    subjects.assign(connection, moved, now)
    alive = {person for person in after_person.values() if person is not None}
    changed = {person for subject in moved for person in (moved[subject], before_person[subject]) if person is not None}
    people.ensure(connection, changed & alive, now)
    joined = {(was, became) for s, became in moved.items() if (was := before_person[s]) and became and was not in alive}
    return changed & alive, sorted(joined)
