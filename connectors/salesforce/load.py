"""The first load of a large stream, by a bulk query: one job, whose id and place are in the cursor."""

from __future__ import annotations

import logging
from dataclasses import replace

from connectors.errors import Misconfigured, ProtocolViolation
from connectors.port import Page
from connectors.quota import Lane
from connectors.salesforce import history
from connectors.salesforce.bulk import FIRST_PAUSES, LATER_PAUSES, NOT_IN_BULK, BulkQueries, JobLost
from connectors.salesforce.facts import Assembly, Facts
from connectors.salesforce.history import Disordered, stamp_of
from connectors.salesforce.horizon import Horizon
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.values import soql_instant
from connectors.salesforce.windows import Job, Place

log = logging.getLogger(__name__)

IN_BULK = frozenset({"Lead", "Contact", "Account", "Task", "Event", "CampaignMember", *history.PARENTS})
"""What a first load may take in bulk. E-mails and deals need rows of other objects by id for each page anyway."""
JOBS_LOST = 2
"""After so many jobs that failed or lapsed a load goes on by ordinary queries."""


class FirstLoad:
    """Loads streams of one org from the beginning of time."""

    def __init__(self, settings: SalesforceSettings, session: Session, assembly: Assembly, horizon: Horizon) -> None:
        self._source = settings.name
        self._threshold = settings.bulk_from
        self._size = settings.bulk_page_size
        self._session = session
        self._assembly = assembly
        self._horizon = horizon
        self._bulk = BulkQueries(session, Lane.BACKFILL)

    def begin(self, object: str, place: Place) -> Page | None:
        """A page without facts, whose cursor holds a new job. None: ordinary queries are to be used, because there is
        little to read or bulk queries are refused.

        Nothing waits here, so that the job's id is stored as soon as there is one.
        """
        if object not in IN_BULK or place.lost >= JOBS_LOST:
            return None
        described = self._session.describe(object, lane=Lane.BACKFILL)
        if self._session.count(object, up_to=self._threshold, lane=Lane.BACKFILL) < self._threshold:
            return None
        coverage = self._horizon.coverage(object, place.coverage, Lane.BACKFILL)
        until = self._horizon.end(coverage)
        columns = [
            name
            for name in self._assembly.columns(described)
            if name not in described.fields or described.fields[name].type not in NOT_IN_BULK
        ]
        soql = f"SELECT {', '.join(columns)} FROM {object} WHERE {stamp_of(object)} < {soql_instant(until)}"
        # An order keeps Salesforce from splitting a query by primary key, so only a history, which needs one, has it.
        if object in history.PARENTS:
            soql += f" ORDER BY {history.order(object)}"
        try:
            job = Job(self._bulk.start(soql))
        except (Misconfigured, ProtocolViolation) as refusal:
            self._note("bulk_refused", object, refusal)
            return None
        return Facts().page(replace(place, until=until, coverage=coverage, job=job), done=False, backfill=True)

    def go_on(self, object: str, place: Place, job: Job) -> Page:
        """The next piece of the job, or a page without facts while the job runs. A job that has failed, lapsed or
        answers nonsense is given up, and the window begun again."""
        try:
            pauses = LATER_PAUSES if job.looks else FIRST_PAUSES
            if job.locator is None and not self._bulk.finished(job.id, pauses):
                waiting = replace(place, job=replace(job, looks=job.looks + 1))
                return Facts().page(waiting, done=False, backfill=True)
            fields = self._session.describe(object, lane=Lane.BACKFILL).fields
            piece = self._bulk.piece(job.id, job.locator, self._size, fields)
            facts, carry = self._assembly.piece(object, piece.rows, job.carry)
        except (JobLost, Disordered, Misconfigured, ProtocolViolation) as lost:
            self._note("bulk_lost", object, lost)
            return Facts().page(Place(lost=place.lost + 1), done=False, backfill=True)
        if piece.locator is None:
            # The job is left to lapse: until the cursor is stored the last piece may be asked for again.
            return facts.page(Place(since=place.until, coverage=place.coverage), done=True, backfill=True)
        return facts.page(replace(place, job=Job(job.id, piece.locator, carry=carry)), done=False, backfill=True)

    def _note(self, action: str, object: str, why: Exception) -> None:
        extra = {"action": action, "crm": self._source, "object": object, "why": str(why)}
        log.warning("a bulk query came to nothing; the stream is read otherwise", extra=extra)
