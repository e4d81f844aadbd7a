"""Both CRMs do to the product everything that CRMs are known to do, all at once, while their world goes on changing.

Afterwards, with the clock held: nothing is missing, nothing is there twice, every write landed or says why it did not,
and no quota was exceeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import Engine, NullPool, create_engine, text

from connectors.records import ScoreField
from connectors.salesforce.settings import CONTRACT
from tests.chaos.conftest import Practice, Product, until
from tests.chaos.oracle import (
    NEUTRAL,
    assert_nothing_to_write,
    assert_same_facts,
    facts,
    numbers,
    read_from_nothing,
)
from tests.chaos.primary import ENGAGEMENTS, HUBSPOT, SALESFORCE, WHO, Primary, same

CRMS = ("salesforce", "hubspot")
SEED = 3
TIGHT: Mapping[str, Mapping[str, Any]] = {
    "salesforce": {"bulk_from": 40, "bulk_page_size": 30, "page_size": 60},
    "hubspot": {"page_size": 40},
}
"""So small a world still takes bulk jobs and many pages."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("practice", [("--live", "--live-rate", "150")], ids=["live"], indirect=True)
def test_after_a_hostile_day_nothing_is_missing_and_nothing_is_there_twice(
    practice: Practice, product: Product, engine: Engine, empty_database_url: str
) -> None:
    for source in product.config["sources"]:
        source |= TIGHT[source["kind"]]
    product.configure()
    for command in (("migrate",), ("policy", "set", *NEUTRAL)):
        assert (run := product.run(*command)).code == 0, run.err
    for crm in CRMS:
        practice.post(crm, "profile", {"name": "hostile", "seed": SEED})
    began = datetime.now(UTC)
    product.start("beat")
    for queues in ("plan,sync", "plan,sync", "compute"):
        product.start("worker", "--queues", queues, "--concurrency", "1" if queues == "compute" else "2")

    unread = "SELECT count(*) FROM stream WHERE role = 'pull' AND complete_at IS NULL"
    until(lambda: numbers(engine, "SELECT count(*) FROM stream") > 0, 90, "the streams are known")
    until(lambda: numbers(engine, unread) == 0, 300, "everything was read once")
    _disturb(practice, _alone(engine))
    lately = "SELECT count(*) FROM activity WHERE occurred_at > :began"
    until(lambda: numbers(engine, lately, began=began) > 30, 180, "the changing world is followed")
    landed = "SELECT count(*) FROM ledger WHERE state IN ('accepted', 'verified')"
    until(lambda: numbers(engine, landed) > 100, 180, "writes land")

    spoilt = {crm: sum(rule["applied"] for rule in practice.get(crm, "faults")) for crm in CRMS}
    assert min(spoilt.values()) > 5, spoilt
    usage = practice.get("hubspot", "usage")
    for crm in CRMS:
        practice.post(crm, "profile", {"name": "calm"})
    practice.restart()
    for process in list(product.running):
        product.kill(process)
    held = (datetime.now(UTC) + timedelta(hours=25)).isoformat()
    run = product.run("sync", "--once", LEADGAUGE_CLOCK=held)
    assert run.code in (0, 1), run.said

    primary = Primary(practice.told)
    _assert_every_row_is_known_once(engine, primary)
    explained = _assert_every_write_landed_or_says_why(engine, primary)
    used, allowed = primary.calls_left()
    assert used < allowed / 4
    assert usage["refused"] == 0, "HubSpot had to refuse calls over its limits"
    primary.close()
    read_from_nothing(product, empty_database_url, held)
    assert_same_facts(facts(engine), facts(create_engine(empty_database_url, poolclass=NullPool)))
    assert_nothing_to_write(empty_database_url, explained)


def _alone(engine: Engine) -> list[str]:
    """Contacts of the portal whose person has no other record: of others we would know more after a merge than who
    never saw the two apart."""
    with engine.connect() as connection:
        query = """SELECT min(s.key) FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
                   GROUP BY s.person_id HAVING count(*) = 1 AND min(s.object) = 'contacts' ORDER BY 1 LIMIT 4"""
        return list(connection.execute(text(query)).scalars())


def _disturb(practice: Practice, contacts: list[str]) -> None:
    """What people do to records while we sync: archive, erase and merge some, delete others."""
    hubspot, salesforce = practice.told["hubspot"], practice.told["salesforce"]
    with requests.Session() as http:
        http.trust_env, http.verify = False, practice.told["ca"]
        form = {"client_id": salesforce["consumer_key"], "client_secret": salesforce["consumer_secret"]}
        form["grant_type"] = "client_credentials"

        def org(method: str, path: str) -> requests.Response:
            granted = http.post(f"{salesforce['url']}/services/oauth2/token", data=form, timeout=10).json()
            url = f"{granted['instance_url']}/services/data/v62.0/{path}"  # every login finds it elsewhere
            headers = {"Authorization": f"Bearer {granted['access_token']}"}
            return http.request(method, url, headers=headers, timeout=10)

        def portal(method: str, path: str, body: Any = None) -> requests.Response:
            headers = {"Authorization": f"Bearer {hubspot['token']}"}
            url = f"{hubspot['url']}/crm/v3/objects/contacts{path}"
            return http.request(method, url, json=body, headers=headers, timeout=10)

        leads = _insisting(lambda: org("GET", "query?q=SELECT+Id+FROM+Lead+WHERE+IsConverted=false+LIMIT+2"))
        for row in leads.json()["records"]:
            _insisting(lambda id=row["Id"]: org("DELETE", f"sobjects/Lead/{id}"), 204, 404)  # type: ignore[misc]
        archived, erased, kept, merged = contacts
        _insisting(lambda: portal("DELETE", f"/{archived}"), 204)
        _insisting(lambda: portal("POST", "/gdpr-delete", {"objectId": erased}), 204, 404)
        # Whose answer was lost, finds it merged already.
        merge = {"primaryObjectId": kept, "objectIdToMerge": merged}
        _insisting(lambda: portal("POST", "/merge", merge), 200, 400)


def _insisting(call: Callable[[], requests.Response], *well: int) -> requests.Response:
    """The first answer with one of these statuses (200 where none is given), however often it takes."""
    for _ in range(50):
        with suppress(requests.RequestException, KeyError):
            answer = call()
            if answer.status_code in (well or (200,)) and (answer.status_code == 204 or answer.json() is not None):
                return answer
    raise AssertionError("a hostile CRM that never does what it is asked proves nothing")


def _assert_every_row_is_known_once(engine: Engine, primary: Primary) -> None:
    with engine.connect() as connection:

        def known(query: str, object: str) -> list[str]:
            return sorted(connection.execute(text(query), {"object": object}).scalars())

        for object in (*SALESFORCE[:3], *HUBSPOT[:2]):
            query = """SELECT s.key FROM subject s JOIN record r ON r.subject_id = s.id
                       WHERE s.object = :object AND r.deleted_at IS NULL"""
            assert known(query, object) == sorted(primary.rows(object)), object
        for object in (SALESFORCE[3], HUBSPOT[2]):
            query = "SELECT key FROM outcome WHERE object = :object AND deleted_at IS NULL"
            assert known(query, object) == sorted(primary.rows(object)), object
        for object in (*WHO, *ENGAGEMENTS):
            query = """SELECT DISTINCT split_part(a.key, '#', 1) FROM activity a JOIN subject s ON s.id = a.subject_id
                       WHERE a.object = :object AND a.retracted_at IS NULL AND EXISTS (
                           SELECT FROM subject o JOIN record r ON r.subject_id = o.id AND r.deleted_at IS NULL
                           WHERE o.person_id = s.person_id)"""
            assert known(query, object) == sorted(primary.taken_part(object)), object


def _assert_every_write_landed_or_says_why(engine: Engine, primary: Primary) -> set[tuple[str, str, str]]:
    """The CRM's own fields hold the newest ledger row that was not superseded. Returns the records whose row says why
    they do not."""
    names = {
        "Lead": CONTRACT,
        "Contact": CONTRACT,
        "contacts": {field: f"lead_gauge_{field.value}" for field in ScoreField},
    }
    with engine.connect() as connection:
        newest = connection.execute(
            text("""
            SELECT DISTINCT ON (l.subject_id) s.source, s.object, s.key, l.state, l.values, l.code, l.answer
            FROM ledger l JOIN subject s ON s.id = l.subject_id
            JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL AND r.state = 'open'
            WHERE l.state <> 'superseded' ORDER BY l.subject_id, l.id DESC
            """)
        ).all()
    assert len(newest) > 100
    wrong = []
    for object, fields in names.items():
        held = primary.rows(object, tuple(fields.values()))
        for row in newest:
            if row.object == object and row.state == "verified":
                differing = [
                    name
                    for name, value in row.values.items()
                    if not same(value, held[row.key].get(fields[ScoreField(name)]))
                ]
                wrong += [(object, row.key, differing)] if differing else []
    assert wrong == []
    failed = [row for row in newest if row.state != "verified"]
    assert [(row.key, row.state) for row in failed if not (row.code and row.answer)] == []
    assert len(failed) < len(newest) / 4, Counter((row.state, row.code) for row in failed)
    return {(row.source, row.object, row.key) for row in failed}
