"""A look at everything that a person may have to put right, before any work is done."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from connectors.amplitude.cohorts import Cohorts
from connectors.amplitude.faults import failure, key_refused
from connectors.amplitude.session import BATCH, Session
from connectors.amplitude.settings import AmplitudeSettings
from connectors.errors import AuthFailed, CrmError, Misconfigured, QuotaExhausted, Transient
from connectors.port import BUCKETS, Problem
from connectors.quota import Lane
from connectors.understood import ODD

PROBE = "leadgauge-check"
"""A user whom no project has."""
_LANE = Lane.INBOUND


class Checker:
    """Asks for the cohorts, for a user who is not there, and uploads nothing; writes nothing."""

    def __init__(self, settings: AmplitudeSettings, session: Session, cohorts: Cohorts) -> None:
        self._settings, self._session, self._cohorts = settings, session, cohorts

    def check(self, buckets: Collection[str] = BUCKETS) -> list[Problem]:
        """All problems; none raised. What stops everything is reported alone."""
        try:
            self._session.keys()
            self._uploads()
            return [*self._cohort_problems(buckets), *self._deletions(), *self._profiles(), *self._unused()]
        except CrmError as problem:
            return [self._whole(problem)]
        except ODD:
            what = "an answer is not of the expected shape"
            return [Problem("protocol", self._session.source, what, "check that the hosts are Amplitude's")]

    def _whole(self, problem: CrmError) -> Problem:
        code, fix = "protocol", "check that the hosts are Amplitude's, and report it if so"
        match problem:
            case AuthFailed():
                code, fix = "auth", "then run the check again"
            case QuotaExhausted():
                code, fix = "quota", "wait, and run the check again"
            case Misconfigured():
                code, fix = "misconfigured", "do what the message says, then run the check again"
            case Transient():
                code, fix = "unreachable", "status.amplitude.com tells of outages; try again then"
        return Problem(code, self._session.source, problem.message, fix)

    def _uploads(self) -> None:
        """An upload without events: the key is looked at, and nothing can be written by it."""
        answer = self._session.batch([], _LANE)
        if key_refused(answer):
            raise failure(self._session.source, BATCH, answer)

    def _cohort_problems(self, buckets: Collection[str]) -> Iterator[Problem]:
        where = f"{self._session.source}/cohorts"
        try:
            there = self._cohorts.ids(_LANE, fresh=True)
        except Misconfigured as problem:  # events and scores need no cohorts
            fix = "mend it, or leave `cohorts` out"
            yield Problem("cohorts_denied", where, problem.message, fix, fatal=bool(self._settings.cohorts))
            return
        for bucket, name in self._settings.cohorts.items():
            if name not in there:
                fix = "make it (`leadgauge provision`), or take it out of `cohorts`"
                yield Problem("cohort_missing", where, f"there is no cohort {name!r} that is published", fix)
            if bucket not in buckets:
                fix = f"name one of {', '.join(buckets)} under `cohorts`"
                yield Problem("bucket_unknown", where, f"no bucket is called {bucket}", fix, fatal=False)

    def _deletions(self) -> Iterator[Problem]:
        if "erasures" in self._settings.without:
            return
        try:
            now = self._session.now(_LANE)
            self._session.deletions(now, now, _LANE)
        except Misconfigured as problem:
            fix = "mend it, or leave it out (without: [erasures]): then users who are erased there stay here"
            yield Problem("object_missing", f"{self._session.source}/erasures", problem.message, fix)

    def _profiles(self) -> Iterator[Problem]:
        if self._settings.provable:
            try:
                self._session.profile(PROBE, _LANE)
            except (AuthFailed, Misconfigured) as problem:
                fix = "mend it, or say `profile_api: false`: then what is written cannot be proved"
                yield Problem("profile_denied", f"{self._session.source}/users", problem.message, fix)

    def _unused(self) -> Iterator[Problem]:
        if not self._settings.events:
            what = "no event means anything: users are read, and nothing of what they do"
            fix = "say what events mean under `events`"
            yield Problem("events_ignored", f"{self._session.source}/events", what, fix, fatal=False)
