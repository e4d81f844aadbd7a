"""An instance looked at thoroughly: which it is, what is used of its quota."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from connectors.errors import CrmError
from connectors.examination import LOW_QUOTA, Examination
from connectors.marketo.check import Checker
from connectors.marketo.session import Session
from connectors.marketo.settings import MarketoSettings
from connectors.port import Problem, Quota
from connectors.quota import Lane
from connectors.understood import ODD

_STOPS = frozenset({"unreachable", "auth", "quota", "misconfigured", "protocol"})


class Examiner:
    """The examination of one instance. Nobody can count its leads in a few calls."""

    def __init__(self, settings: MarketoSettings, session: Session, checker: Checker) -> None:
        self._settings, self._session, self._checker = settings, session, checker

    def examine(self, buckets: Collection[str]) -> Examination:
        found = self._checker.check(buckets)
        if any(problem.code in _STOPS for problem in found):
            return Examination(problems=found)
        quota = self._session.quota
        with suppress(CrmError, *ODD):
            quota = self._session.usage(Lane.INBOUND)
        host = urlsplit(self._settings.host).hostname or ""
        return Examination(
            account=f"instance {host.partition('.')[0]}",
            identity=host,
            objects={"leads": None},
            quota=quota,
            ahead=self._session.ahead,
            problems=[*found, *spent(self._settings.name, quota)],
        )


def spent(name: str, quota: Quota | None) -> Iterator[Problem]:
    if quota is not None and quota.used >= LOW_QUOTA * quota.limit:
        what = f"{quota.used:,} of the day's {quota.limit:,} API calls are used, by all integrations"
        fix = "wait, lower other integrations' use, or say the subscription's true quota: daily_calls"
        yield Problem("quota_low", name, what, fix, fatal=False)
