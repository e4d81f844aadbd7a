from __future__ import annotations

from typing import Any

import pytest

from connectors.port import Problem
from connectors.salesforce.check import Check
from tests.unit.connectors.salesforce_stub import Asked, Reply, Stub, described, described_field

ROWS = {"records": [{"Id": "1", "TimeZoneSidKey": "UTC"}], "done": True, "totalSize": 1}
BUCKETS = [{"value": value, "active": True} for value in ("hot", "warm", "nurture", "cold", "unscored")]


def examine(stub: Stub, *fields: dict[str, Any], limits: Reply | None = None, **settings: Any) -> list[Problem]:
    """The problems of an org whose Lead has `fields` and whose other objects are left out."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/services/data/":
            return Reply(200, [{"version": "62.0"}])
        if asked.path.endswith("/limits"):
            return limits or Reply(403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}])
        if asked.path.endswith("/describe"):
            return Reply(200, described(asked.path.split("/")[-2], *fields))
        return Reply(200, ROWS, {"Sforce-Limit-Info": "api-usage=900/1000"})

    stub.answer = answer
    others = {"contacts", "accounts", "opportunities", "tasks", "events", "email_messages", "campaign_members", "purges"}
    names = dict.fromkeys(("probability", "bucket", "action", "grade", "stage", "mql_date", "reasons", "bant", "status",
                           "version", "scored_at"))  # fmt: skip
    session = stub.session(without=others, **{"fields": {**names, "score": None, **settings.pop("fields", {})}, **settings})
    return [problem for problem in Check(stub.settings(**settings), session).problems() if "Lead" in problem.where] if (
        False
    ) else list(Check(session._settings, session).problems())
