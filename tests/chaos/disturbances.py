"""What people do to records of both CRMs while we sync, hostile or not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
from sqlalchemy import Engine, text

from tests.chaos.conftest import Practice

CRMS = ("salesforce", "hubspot")


def alone(engine: Engine, object: str, how_many: int) -> list[str]:
    """Open records whose person has no other: of others we would know more after a merge or a deletion than who never
    saw the two."""
    with engine.connect() as connection:
        query = """SELECT min(s.key) FROM subject s JOIN record r ON r.subject_id = s.id
                   GROUP BY s.person_id HAVING count(*) = 1 AND min(s.object) = :object AND min(r.state) = 'open'
                   AND min(r.deleted_at) IS NULL ORDER BY 1 LIMIT :n"""
        return list(connection.execute(text(query), {"object": object, "n": how_many}).scalars())


def disturb(practice: Practice, contacts: list[str], leads: list[str]) -> None:
    """What people do to records while we sync: archive, erase and merge four contacts, delete leads."""
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

        for lead in leads:
            _insisting(lambda id=lead: org("DELETE", f"sobjects/Lead/{id}"), 204, 404)  # type: ignore[misc]
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
