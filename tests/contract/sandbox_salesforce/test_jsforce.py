"""jsforce, the client that Salesforce maintains for Node.js, works on the practice org unmodified."""

from __future__ import annotations

from tests.contract.sandbox_salesforce.practice import KEY, SECRET, Practice
from tests.witnesses.node import needs_node, run


@needs_node
def test_d18_jsforce_logs_in_queries_updates_and_loads_in_bulk(practice: Practice) -> None:
    org, practice.service.instance_url = practice.org, practice.address
    leads = [
        org.insert("Lead", {"LastName": f"L{n}", "Company": "Acme", "NumberOfEmployees": n, "Description": 'a "b"\nc'})
        for n in range(450)
    ]
    lead, gone = leads[0], leads[-1]
    org.delete("Lead", gone)
    practice.org.behaviour.page_rows = 200
    out = run(
        "jsforce.cjs",
        {"url": practice.address, "key": KEY, "secret": SECRET, "lead": lead, "gone": gone},
        ca=practice.ca,
    )
    assert out["pages"] == 3
    assert [record["LastName"] for record in out["queried"]] == [f"L{n}" for n in range(449)]
    assert out["queried"][0]["Owner"]["Name"] == "Org Administrator"
    good, bad = out["updated"]
    assert (good["success"], good["id"]) == (True, lead)
    assert (bad["success"], bad["errors"][0]["statusCode"]) == (False, "ENTITY_IS_DELETED")
    by_id = {row["Id"]: row for row in out["downloaded"]}
    assert len(by_id) == len(out["downloaded"]) == 449
    assert by_id[lead]["Description"] == 'a "b"\nc'
    assert [row["sf__Id"] for row in out["loaded"]["successfulResults"]] == [lead]
    assert [row["sf__Id"] for row in out["loaded"]["failedResults"]] == [gone]
    changed = org.get("Lead", lead)
    assert changed is not None
    assert (changed["Lead_Score__c"], changed["Need__c"]) == (80, 'two\nlines, "quoted"')
    assert out["usage"]["apiUsage"]["limit"] == out["limits"]["DailyApiRequests"]["Max"] == 100_000
    assert "Lead_Score__c" in out["fields"]
