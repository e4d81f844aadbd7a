"""An account looked at thoroughly: which it is, what the token may do beyond what is needed, what nobody is shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from connectors.errors import CrmError
from connectors.examination import LOW_QUOTA, Examination
from connectors.hubspot.check import SCOPES, Checker
from connectors.hubspot.objects import ObjectReader
from connectors.hubspot.paths import USAGE
from connectors.hubspot.session import Session
from connectors.hubspot.settings import HubspotSettings
from connectors.port import Problem, Quota
from connectors.quota import Lane

T = TypeVar("T")

_LANE = Lane.INBOUND
_STOPS = frozenset({"unreachable", "auth", "quota", "misconfigured", "protocol"})
ALWAYS = frozenset({"oauth", "crm.objects.contacts.write", "crm.schemas.contacts.read", "crm.objects.owners.read"})
"""Scopes that are used, or granted with every app, whatever the streams."""


class Examiner:
    """The examination of one account. `readers` are those of the objects that are read, by name."""

    def __init__(
        self, settings: HubspotSettings, session: Session, checker: Checker, readers: Mapping[str, ObjectReader],
        streams: Collection[str],
    ) -> None:  # fmt: skip
        self._settings, self._session, self._checker = settings, session, checker
        self._readers, self._streams = readers, streams

    def examine(self, buckets: Collection[str]) -> Examination:
        found = self._checker.check(buckets)
        if any(problem.code in _STOPS for problem in found):
            return Examination(problems=found)
        account = self._session.account()
        name = self._settings.name
        counts = {type: self._asked(partial(reader.total, _LANE)) for type, reader in self._readers.items()}
        quota = self._asked(self._usage) or self._session.quota
        found += [
            *spare_scopes(name, self._asked(self._session.scopes), self._streams),
            *unseen(name, counts),
            *spent(name, quota),
            *self._hidden(),
        ]
        return Examination(
            account=f"account {account.portal}, {account.zone.key}" if account else "",
            identity=str(account.portal) if account else "",
            objects=counts,
            quota=quota,
            ahead=self._session.ahead,
            problems=found,
        )

    def _usage(self) -> Quota:
        row = self._session.get(USAGE, lane=_LANE)["results"][0]
        return Quota(int(row["currentUsage"]), int(row["usageLimit"]))

    def _hidden(self) -> Iterator[Problem]:
        names = {name for name in self._settings.fields.values() if name is not None}
        rows: list[Mapping[str, Any]] = []
        with suppress(CrmError, KeyError, TypeError):
            rows = self._session.get(self._session.paths.properties("contacts"), lane=_LANE)["results"]
        yield from hidden(self._settings.name, names, rows)

    @staticmethod
    def _asked(ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except (CrmError, KeyError, IndexError, TypeError, ValueError):
            return None


def spare_scopes(name: str, held: Collection[str] | None, streams: Collection[str]) -> Iterator[Problem]:
    """Scopes that nothing uses: what a stolen token could do beyond what scores need."""
    needed = ALWAYS | {SCOPES[stream] for stream in streams if stream in SCOPES}
    if spare := sorted(set(held or ()) - needed):
        what = f"the token has scopes that scores do not need: {', '.join(spare)}"
        fix = (
            "take them away in HubSpot (Development > Keys, or the app's scopes); `provision` can have a key of its own"
        )
        yield Problem("too_many_rights", name, what, fix, fatal=False)


def unseen(name: str, counts: Mapping[str, int | None]) -> Iterator[Problem]:
    """Nobody to score: as a rule the wrong account, or a test one."""
    if counts.get("contacts") == 0:
        fix = "if there should be some, check that the token is of the right account"
        yield Problem("nothing_visible", f"{name}/contacts", "no contact is visible", fix, fatal=False)


def spent(name: str, quota: Quota | None) -> Iterator[Problem]:
    if quota is not None and quota.limit and quota.used >= LOW_QUOTA * quota.limit:
        what = f"{quota.used:,} of the day's {quota.limit:,} API calls are used"
        yield Problem("quota_low", name, what, "wait, lower other apps' use or buy calls", fatal=False)


def hidden(name: str, ours: Collection[str], rows: Collection[Mapping[str, Any]]) -> Iterator[Problem]:
    """Properties that exist and that nobody is shown."""
    unseen_ones = sorted(str(row["name"]) for row in rows if row["name"] in ours and row.get("hidden"))
    if unseen_ones:
        what = f"{', '.join(unseen_ones)} cannot be seen by people: the property is hidden"
        fix = "Settings > Properties > the property: show it; or run `leadgauge provision`, which names what is left"
        yield Problem("off_layout", f"{name}/contacts", what, fix, fatal=False)
