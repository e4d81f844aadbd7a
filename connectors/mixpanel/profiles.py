"""Profiles as people: all of them page by page, then those that were seen since; and any by id.

A profile's own stamp, `$last_seen`, moves with what the product sets; not with updates that ask to leave it alone, as
ours do and imports may, and not with a deletion. Those show in the nightly count and comparison.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.errors import Misconfigured
from connectors.mixpanel.faults import Rejected
from connectors.mixpanel.mapping import LAST_SEEN, PROFILES, ProfileMapper, is_person
from connectors.mixpanel.session import Session, held, more
from connectors.mixpanel.settings import MixpanelSettings
from connectors.mixpanel.values import stamp
from connectors.port import Census, Cursor, Page
from connectors.quota import Lane
from connectors.records import Deletion, RecordRef

LANES: Mapping[str, Lane] = {"history": Lane.BACKFILL, "forward": Lane.INBOUND, "window": Lane.REFRESH}
"""By why a stretch of time is read."""
RESTARTS = 3
"""How often a walk begins anew because Mixpanel has forgotten it."""


class Profiles:
    """Those of one project. A cursor has `read_to` alone, or the page that a walk has come to."""

    def __init__(self, settings: MixpanelSettings, session: Session, mapper: ProfileMapper) -> None:
        self._settings, self._session, self._mapper = settings, session, mapper

    def pull(self, cursor: Cursor | None) -> Page:
        """A page; rows seen shortly before `read_to` come again."""
        place: dict[str, Any] = {"why": "history"} if cursor is None else {"why": "forward", **cursor}
        body, at = self._asked(self._where(place), place.get("at"), LANES[place["why"]])
        began = place.get("began") or self._session.now().isoformat()
        leads = self._mapper.people(held(body))
        if at is not None:
            following = {**place, "began": began, "at": at}
        else:
            following = dict(cursor) if place["why"] == "window" and cursor else {"read_to": began}
        backfill = place["why"] == "history"
        fields = {PROFILES: self._mapper.fields}
        return Page(following, at is None, leads=leads, backfill=backfill, fields=fields)

    @staticmethod
    def window(since: datetime, until: datetime) -> Cursor:
        return {"why": "window", "read_to": since.isoformat(), "until": until.isoformat()}

    def size(self) -> int | None:
        body = self._session.query({"output_properties": json.dumps([LAST_SEEN])}, Lane.BACKFILL)
        return int(body["total"])

    def census(self, object: str, cursor: Cursor | None) -> Census:
        """A page of ids and stamps."""
        self._known(object)
        form = {"output_properties": json.dumps(self._mapper.stamps)}
        body, at = self._asked(form, cursor["at"] if cursor else None, Lane.REFRESH)
        rows = {id: properties for id, properties in held(body).items() if is_person(id)}
        refs, stamps = [self._mapper.ref(id) for id in rows], [self._mapper.modified(each) for each in rows.values()]
        return Census(refs, {"at": at}, at is None, stamps)

    def fetch(self, refs: Sequence[RecordRef]) -> Page:
        """Profiles by id. One that is not there is gone for good: Mixpanel keeps no bin, and does not say why."""
        if not refs:
            return Page({}, done=True)
        self._known(refs[0].object)
        found = self._session.profiles([ref.id for ref in refs], Lane.REFRESH)
        now, erased = self._session.now(), self._settings.erase_deleted
        gone = [Deletion(ref, now, erased=erased, unseen=True) for ref in refs if ref.id not in found]
        fields = {PROFILES: self._mapper.fields}
        return Page({}, done=True, leads=self._mapper.people(found), deletions=gone, fields=fields)

    def _where(self, place: Mapping[str, Any]) -> dict[str, str]:
        if place["why"] == "history":
            return {}
        since, zone = datetime.fromisoformat(place["read_to"]), self._mapper.zone
        if "until" not in place:
            return {"where": f'properties["{LAST_SEEN}"] >= "{stamp(since - self._settings.timings.overlap, zone)}"'}
        until = stamp(datetime.fromisoformat(place["until"]), zone)
        seen = f'properties["{LAST_SEEN}"]'
        return {"where": f'{seen} >= "{stamp(since, zone)}" and {seen} < "{until}"'}

    def _asked(
        self, form: Mapping[str, str], at: Mapping[str, Any] | None, lane: Lane
    ) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
        """A page of a walk, and where the next one is. A walk that Mixpanel has forgotten begins anew, which loses
        nothing. Raises `Rejected` where that happens again and again."""
        restarts = int(at["restarts"]) if at else 0
        try:
            named = {"session_id": str(at["session"]), "page": str(at["page"])} if at else {}
            body = self._session.query({**form, **named}, lane)
        except Rejected as refusal:
            if at is None or refusal.status != 400 or restarts >= RESTARTS:
                raise
            restarts += 1
            body = self._session.query(form, lane)
        if not more(body):
            return body, None
        return body, {"session": str(body["session_id"]), "page": int(body["page"]) + 1, "restarts": restarts}

    def _known(self, object: str) -> None:
        if object != PROFILES:
            raise Misconfigured(self._settings.name, f"there is no object {object!r}; there is {PROFILES}")
