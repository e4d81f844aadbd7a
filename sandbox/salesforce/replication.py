"""GET updated and deleted: which records changed in a span of time, and how far that answer can be trusted."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta

from sandbox.salesforce.faults import ApiError
from sandbox.salesforce.router import Call, Reply, Route, route
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.values import Unreadable, instant, stamp

LOOK_BACK = {"updated": timedelta(days=30), "deleted": timedelta(days=15)}
MOST_IDS = 600_000


def routes() -> list[Route]:
    return [route("sobjects/{}/updated", get=_updated), route("sobjects/{}/deleted", get=_deleted)]


def _span(call: Call, kind: str) -> tuple[SObject, datetime, datetime]:
    """Object, start and end, both cut to the minute. Raises ApiError (INVALID_REPLICATION_DATE)."""
    sobject = call.sobject(call.args[0])
    if not sobject.replicateable:
        raise ApiError(400, "INVALID_TYPE", f"object type is not replicateable: {sobject.name}")
    start, end = (_minute(call, name) for name in ("start", "end"))
    now = call.service.org.clock.now()
    if start > now or end > now + timedelta(minutes=1):
        raise _refused("the date specified is in the future")
    if start < now - LOOK_BACK[kind] - timedelta(minutes=1):
        raise _refused(f"startDate before org replication enabled date or more than {LOOK_BACK[kind].days} days ago")
    if end - start < timedelta(minutes=1):
        raise _refused("endDate must be at least one minute greater than startDate")
    return sobject, start, end


def _minute(call: Call, name: str) -> datetime:
    text = call.params.get(name)
    if not text:
        raise ApiError(400, "MISSING_ARGUMENT", f"The {name} parameter is required")
    try:
        # A plus sign that was not encoded arrives as a blank.
        return instant(text.replace(" ", "+")).astimezone(UTC).replace(second=0, microsecond=0)
    except Unreadable:
        raise _refused(f"the {name} date is not an ISO 8601 instant") from None


def _refused(message: str) -> ApiError:
    return ApiError(400, "INVALID_REPLICATION_DATE", message)


def _covered(call: Call, end: datetime) -> str:
    """The start of the longest-running transaction, or the end asked for: the next start that loses nothing."""
    org = call.service.org
    in_flight = org.commits.oldest_in_flight()
    covered = min(end, org.clock.now(), in_flight or end)
    return stamp(covered.replace(second=0))


def _updated(call: Call) -> Reply:
    sobject, start, end = _span(call, "updated")
    table = call.service.org.table(sobject.name)
    field = "SystemModstamp" if "SystemModstamp" in sobject.fields else "CreatedDate"
    found = table.between(field, (stamp(start), ""), (stamp(end), ""))
    shares = call.service.org.access.shares
    ids = [id for id in found if not (row := table.visible[id]).get("IsDeleted") and shares(sobject, row)]
    if len(ids) > MOST_IDS:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", f"more than {MOST_IDS} ids in the span")
    return Reply(body={"ids": ids, "latestDateCovered": _covered(call, end)})


def _deleted(call: Call) -> Reply:
    org = call.service.org
    sobject, start, end = _span(call, "deleted")
    table = org.table(sobject.name)
    log = sorted(org.commits.deletions.get(sobject.name, []))
    inside = log[bisect_left(log, (stamp(start), "")) : bisect_left(log, (stamp(end), ""))]
    gone = {id: at for at, id in inside if (row := table.visible.get(id)) is None or row.get("IsDeleted")}
    earliest = org.clock.now() - LOOK_BACK["deleted"]
    return Reply(
        body={
            "deletedRecords": [{"id": id, "deletedDate": at} for id, at in gone.items()],
            "earliestDateAvailable": stamp(earliest.replace(second=0)),
            "latestDateCovered": _covered(call, end),
        }
    )
