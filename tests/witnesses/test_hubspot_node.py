"""@hubspot/api-client, unmodified but for the address, does its everyday calls on the practice portal."""

from __future__ import annotations

from pathlib import Path

from tests.contract.sandbox_hubspot import conftest as portal
from tests.contract.sandbox_hubspot.practice import Live
from tests.witnesses.node import needs_node, run

certificates, stage, serve, live = portal.certificates, portal.stage, portal.serve, portal.live


@needs_node
def test_the_vendors_node_client_reads_writes_and_is_refused(live: Live) -> None:
    ids = [live.contact(f"p{number}@acme.test") for number in range(5)]
    company = live.portal.create("companies", {"name": "Acme"})
    given = {"url": live.url, "token": live.token, "contacts": ids, "company": company}
    seen = run("hubspot.cjs", given, ca=Path(live.ca))
    assert (seen["page"]["ids"], seen["page"]["after"]) == (ids[:2], ids[2])
    assert {"email": "p0@acme.test", "jobtitle": None}.items() <= seen["page"]["first"].items()
    assert seen["createdAtIsADate"]
    assert seen["all"] == ids
    assert seen["read"] == {"sameId": True, "jobtitle": "CEO"}
    assert seen["history"] == [["CEO", "INTEGRATION"]]
    assert (seen["conflict"]["code"], seen["conflict"]["category"]) == (409, "CONFLICT")
    assert (seen["gone"]["code"], seen["propertyGone"]["code"]) == (404, 404)
    assert seen["search"] == {"total": 4, "ids": ids[1:]}
    assert seen["batchRead"] == [f"p{number}@acme.test" for number in range(5)]
    assert seen["batchReadInPart"] == {"found": 1, "missing": ["999999"]}
    assert seen["batchUpdate"] == {"status": "COMPLETE", "scores": ["87"] * 5}
    assert (seen["batchRefused"]["code"], seen["batchRefused"]["category"]) == (400, "VALIDATION_ERROR")
    assert seen["linked"] == [[company, [1, 279]]]
    assert seen["batchLinked"] == [[ids[0], [company]]]
    assert seen["property"] == {"type": "enumeration", "options": ["a"]}
    assert seen["properties"]
    records = [live.portal.get("contacts", id_) for id_ in ids]
    assert {record.read("lead_gauge_score") for record in records if record is not None} == {"87"}
