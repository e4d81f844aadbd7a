"""GET query, queryAll and the following pages."""

from __future__ import annotations

import re

from sandbox.salesforce.execution import run
from sandbox.salesforce.faults import malformed_query
from sandbox.salesforce.router import Call, Reply, Route, route


def routes() -> list[Route]:
    return [
        route("query", get=answer),
        route("queryAll", get=answer),
        route("(?:query|queryAll)/{}", get=_more),
    ]


def answer(call: Call) -> Reply:
    """The first page of a query or queryAll."""
    text = call.params.get("q")
    if not text:
        raise malformed_query("SOQL statement cannot be blank. A valid statement must be provided.")
    resource = "queryAll" if call.path.strip("/").lower() == "queryall" else "query"
    result = run(call.service.org, text, all_rows=resource == "queryAll")
    page = call.service.cursors.first(result, base=call.base, resource=resource, asked=_asked(call))
    return Reply(body=page)


def _asked(call: Call) -> int | None:
    """The page size that the client would like, which is a hint only."""
    found = re.search(r"batchSize\s*=\s*(\d+)", call.headers.get("sforce-query-options", ""), re.IGNORECASE)
    return int(found[1]) if found else None


def _more(call: Call) -> Reply:
    return Reply(body=call.service.cursors.more(call.args[0], base=call.base))
