"""Leads by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.marketo.session import Session, rows
from connectors.quota import Lane

LEADS_PATH = "/rest/v1/leads.json"


class LeadReader:
    """Reads `at_once` leads a call: 300 at most ("Leads", query)."""

    def __init__(self, session: Session, at_once: int) -> None:
        self._session, self.at_once = session, at_once

    def read(self, ids: Iterable[str], fields: Sequence[str], lane: Lane) -> list[Mapping[str, Any]]:
        """Those that are there, with these fields beside their ids. What is no id of Marketo's is nobody's."""
        wanted = [id for id in dict.fromkeys(ids) if id.isdecimal()]
        found: list[Mapping[str, Any]] = []
        named = ",".join(dict.fromkeys(("id", *fields)))
        for start in range(0, len(wanted), self.at_once):
            part = wanted[start : start + self.at_once]
            asked: dict[str, Any] = {"filterType": "id", "filterValues": ",".join(part), "fields": named}
            while True:
                body = self._session.get(LEADS_PATH, asked, lane=lane)
                found += rows(self._session.source, body)
                token = body.get("nextPageToken")
                if not (body.get("moreResult") and token):
                    break
                asked = {**asked, "nextPageToken": token}
        return found
