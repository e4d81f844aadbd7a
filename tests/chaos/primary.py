"""What the practice CRMs hold, read by plain requests: no code of the product takes part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import requests

Held = dict[str, dict[str, Any]]
"""Id -> fields, a null or empty one left out."""

SALESFORCE = ("Lead", "Contact", "Account", "Opportunity")
HUBSPOT = ("contacts", "companies", "deals")
WHO = {"Task": "WhoId", "Event": "WhoId", "CampaignMember": "Id"}
"""Salesforce's activities, with the field that is empty where nobody took part. A task that stands for an e-mail is
none: the e-mail is there as such."""
ENGAGEMENTS = ("calls", "emails", "meetings", "notes", "tasks")


class Primary:
    """The primary stores of both CRMs, as their owners would export them."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._salesforce, self._hubspot = told["salesforce"], told["hubspot"]
        self._org = str(self._salesforce["url"])
        self._http = requests.Session()
        self._http.trust_env = False  # a bundle in the environment would win over ours
        self._http.verify = told["ca"]

    def rows(self, object: str, fields: tuple[str, ...] = ()) -> Held:
        """All living rows of an object of either CRM."""
        found = self._query(object, fields) if object[0].isupper() else self._list(object, fields)
        return {id: {name: value for name, value in row.items() if value not in (None, "")} for id, row in found}

    def taken_part(self, object: str) -> set[str]:
        """The ids of the activities of a kind that somebody took part in."""
        if object in WHO:
            kind = ("TaskSubtype",) if object == "Task" else ()
            rows = self.rows(object, (WHO[object], *kind))
            return {id for id, row in rows.items() if WHO[object] in row and row.get("TaskSubtype") != "Email"}
        return {id for id, row in self._list(object, (), to="contacts") if row["contacts"]}

    def calls_left(self) -> tuple[int, int]:
        """Salesforce's calls of the day: those used and those allowed."""
        token = self._token()
        calls = self._get(self._org, "/services/data/v62.0/limits", token)["DailyApiRequests"]
        return calls["Max"] - calls["Remaining"], calls["Max"]

    def close(self) -> None:
        self._http.close()

    def _query(self, object: str, fields: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
        columns = ", ".join(dict.fromkeys(("Id", *fields)))
        path: str | None = f"/services/data/v62.0/query?q=SELECT+{columns}+FROM+{object}"
        token = self._token()
        while path:
            answer = self._get(self._org, path, token)
            for row in answer["records"]:
                yield row["Id"], {name: row[name] for name in fields}
            path = answer.get("nextRecordsUrl")

    def _token(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._salesforce["consumer_key"],
            "client_secret": self._salesforce["consumer_secret"],
        }
        answer = self._http.post(f"{self._salesforce['url']}/services/oauth2/token", data=form, timeout=10)
        answer.raise_for_status()
        self._org = str(answer.json()["instance_url"])  # every login may find it elsewhere
        return str(answer.json()["access_token"])

    def _list(self, object: str, fields: tuple[str, ...], to: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        path = f"/crm/v3/objects/{object}?limit=100&properties={','.join(fields)}&associations={to}"
        after: str | None = ""
        while after is not None:
            answer = self._get(
                self._hubspot["url"], path + (f"&after={after}" if after else ""), self._hubspot["token"]
            )
            for row in answer["results"]:
                linked = {to: (row.get("associations") or {}).get(to)} if to else {}
                yield row["id"], {name: row["properties"].get(name) for name in fields} | linked
            following = (answer.get("paging") or {}).get("next")
            after = following["after"] if following else None

    def _get(self, host: str, path: str, token: str) -> Any:
        answer = self._http.get(host + path, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        answer.raise_for_status()
        return answer.json()


def same(wanted: Any, held: Any) -> bool:
    """Whether a field holds what was wanted, whichever way its CRM spells numbers and instants."""
    return _spelt(wanted) == _spelt(held)


def _spelt(value: Any) -> object:
    if value in (None, ""):
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(value).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        return value
