"""What sharing leaves a user: `UserRecordAccess`, queried as the vendor demands by one user and up to 200 records, and
`limits/recordCount`, which tells of records whoever may see them."""

from __future__ import annotations

import re

from sandbox.salesforce import queries
from sandbox.salesforce.faults import ApiError, malformed_query
from sandbox.salesforce.router import Call, Reply, Route, route

_QUERY = re.compile(
    r"SELECT RecordId, HasEditAccess FROM UserRecordAccess WHERE UserId = '(\w+)' AND RecordId IN \(([^)]*)\)", re.I
)
MOST = 200


def routes() -> list[Route]:
    return [route("query", get=_query), route("limits/recordCount", get=_counts)]


def _counts(call: Call) -> Reply:
    org = call.service.org
    if not org.access.views_setup:
        raise ApiError(403, "INSUFFICIENT_ACCESS", "View Setup and Configuration is needed to see the record counts")
    asked = [name for name in call.params.get("sObjects", "").split(",") if name]
    known = [sobject for name in asked if (sobject := org.sobject(name)) is not None]
    counts = [
        {
            "count": sum(not row.get("IsDeleted") for row in org.tables[sobject.name].current.values()),
            "name": sobject.name,
        }
        for sobject in known
    ]
    return Reply(body={"sObjects": counts})


def _query(call: Call) -> Reply:
    text = " ".join(call.params.get("q", "").split())
    if " from userrecordaccess" not in text.lower():
        return queries.answer(call)
    found = _QUERY.fullmatch(text)
    ids = re.findall(r"\w+", found[2]) if found else []
    if found is None or not 0 < len(ids) <= MOST:
        raise malformed_query("UserRecordAccess is filtered by UserId and by 1 to 200 RecordIds")
    org = call.service.org
    records = []
    for id in ids:
        object = org.kind(id)
        row = org.current(object, id) if object else None
        if object is not None and row is not None:
            edits = found[1] == org.admin or org.access.shares(org.schema[object], row, writing=True)
            attributes = {"type": "UserRecordAccess", "url": f"{call.base}/sobjects/UserRecordAccess/{id}"}
            records.append({"attributes": attributes, "RecordId": id, "HasEditAccess": edits})
    return Reply(body={"totalSize": len(records), "done": True, "records": records})
