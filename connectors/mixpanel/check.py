"""A look at everything that a person may have to put right.

A wrong project token is accepted in silence. So the check writes a word that nobody could guess to a profile of its
own, `leadgauge-check`, looks for it through the service account, and deletes the profile again: if it is there, token,
account, project and region belong together.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from connectors.errors import AuthFailed, CrmError, Misconfigured, QuotaExhausted, Transient
from connectors.examination import Examination
from connectors.mixpanel.faults import Full, refused
from connectors.mixpanel.mapping import MARKER, ProfileMapper, is_person
from connectors.mixpanel.push import update
from connectors.mixpanel.session import SKEW, Session, held
from connectors.mixpanel.settings import MixpanelSettings
from connectors.port import Problem
from connectors.quota import Lane
from connectors.tokens import Tokens
from connectors.understood import understood

WORD = "leadgauge_word"
LOOKS = (0.0, 2.0, 5.0)
"""Seconds before each look for the word: what was just written may not show at once."""
BUCKET = "check"
PROVED_FOR = timedelta(days=1)
"""What was proved is remembered, where processes share a store: each proof is a query of the few in an hour."""


class Checker:
    """One query and an export of one event; and once a day up to three queries and two updates of the profile of its
    own."""

    def __init__(self, settings: MixpanelSettings, session: Session, mapper: ProfileMapper, tokens: Tokens) -> None:
        self._settings, self._session, self._mapper, self._tokens = settings, session, mapper, tokens

    def check(self) -> list[Problem]:
        """All problems; none raised. What stops everything is reported alone."""
        try:
            with understood(self._session.source):
                body = self._session.query({}, Lane.INBOUND, bucket=BUCKET)
                return [*self._sampled(held(body)), *self._exportable(), *self._token(), *self._clocks()]
        except CrmError as problem:
            return [self._whole(problem)]

    def examine(self) -> Examination:
        """See `connectors.examination.Examining`."""
        found = self.check()
        objects: dict[str, int | None] = {"profiles": None}
        with suppress(CrmError, KeyError, TypeError, ValueError):  # the problem is among those found
            objects["profiles"] = int(self._session.query({}, Lane.INBOUND, bucket=BUCKET)["total"])
        project, region = self._settings.project_id, self._settings.region
        return Examination(
            account=f"project {project} ({region})",
            identity=f"{region}:{project}",
            objects=objects,
            ahead=self._session.http.ahead,
            problems=found,
        )

    def _whole(self, problem: CrmError) -> Problem:
        code, fix = "protocol", "check that the hosts are Mixpanel's, and report it if so"
        match problem:
            case AuthFailed():
                code, fix = "auth", "name a service account of this project (Organization Settings > Service Accounts)"
            case QuotaExhausted() | Full():
                code, fix = "quota", "wait; who else asks this project's API? It allows 60 queries an hour to all"
            case Misconfigured():
                code, fix = "misconfigured", "do what the message says, then run the check again"
            case Transient():
                code, fix = "unreachable", "status.mixpanel.com tells of outages; try again then"
        return Problem(code, self._session.source, problem.message, fix)

    def _exportable(self) -> Iterator[Problem]:
        if "events" in self._settings.without:
            return
        today = self._session.now().astimezone(self._mapper.zone).date().isoformat()
        try:
            asked = {"from_date": today, "to_date": today, "limit": "1"}
            self._session.export(asked, lambda rows: sum(1 for _ in rows), Lane.INBOUND, bucket=BUCKET)
        except (Misconfigured, AuthFailed) as problem:
            fix = "give the service account a role that may export, or leave the stream out (without: [events])"
            yield Problem("object_missing", f"{self._session.source}/events", problem.message, fix)

    def _token(self) -> Iterator[Problem]:
        """Whether what the token writes is what the account reads."""
        word, token = uuid.uuid4().hex, self._session.token
        which = (token, self._settings.project_id, self._settings.places, self._settings.auth.user)
        proved = f"{self._session.source}/{blake2b(repr(which).encode(), digest_size=16).hexdigest()}"
        if self._tokens.get(proved):
            return
        where = f"{self._session.source}/profiles"
        wrong = refused(
            self._session.source, self._session.engage([update(token, MARKER, "$set", {WORD: word})], Lane.INBOUND), 1
        )
        if wrong is None or wrong:
            yield Problem(
                "write_denied", where, "an update was refused", "check the token, and report it if it is right"
            )
            return
        for pause in LOOKS:
            if pause:
                self._session.sleep(pause)
            found = self._session.profiles([MARKER], Lane.INBOUND, [WORD], bucket=BUCKET)
            if found.get(MARKER, {}).get(WORD) == word:
                self._session.engage([update(token, MARKER, "$delete", "") | {"$ignore_alias": True}], Lane.INBOUND)
                self._tokens.put(proved, "proved", PROVED_FOR)
                return
        what = f"what the token writes does not arrive in project {self._settings.project_id}"
        fix = "take the token from Project Settings > Access Keys of this project, and the region that it is in"
        yield Problem("token", where, what, fix)

    def _sampled(self, rows: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
        """What no profile of a page has; scores are poorer without it, not wrong."""
        people = [properties for id, properties in rows.items() if is_person(id)]
        if not people:
            return
        there = {name for properties in people for name, value in properties.items() if value not in (None, "")}
        where, mail = f"{self._session.source}/profiles", self._settings.email_property
        if mail not in there:
            what = f"none of {len(people)} profiles has {mail}: nobody is found in the other sources"
            yield Problem("email_missing", where, what, "name the property that holds it: email_property", fatal=False)
        since = self._settings.created_property
        if since not in there:
            what = f"none of {len(people)} profiles has {since}: all count as made in 1970"
            fix = "name the property that tells (created_property), or set created_within_months: null in the goals"
            yield Problem("created_missing", where, what, fix, fatal=False)
        for attribute, name in self._mapper.attributes.items():
            if name not in there:
                what = f"the attribute {attribute} is to come from {name}, which none of {len(people)} profiles has"
                fix = f"name the property that holds it, or null: attributes: {{{attribute}: null}}"
                yield Problem("attribute_missing", f"{where}.{name}", what, fix, fatal=False)

    def _clocks(self) -> Iterator[Problem]:
        if abs(self._session.http.ahead) > SKEW:
            what = (
                f"its clock differs from this machine's by {abs(self._session.http.ahead.total_seconds()):.0f} seconds"
            )
            fix = "synchronise this machine's clock (NTP)"
            yield Problem("clock_skew", self._session.source, what, fix, fatal=False)
