"""How far what an org shows is complete: behind everything that is still in flight."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from connectors.errors import Misconfigured, ProtocolViolation
from connectors.quota import Lane
from connectors.salesforce.session import Session
from connectors.salesforce.values import instant
from connectors.salesforce.windows import Coverage

log = logging.getLogger(__name__)

REPLICATION_SPAN = timedelta(minutes=3)
"""What `getUpdated` is asked for. It wants more than a minute; we want its latestDateCovered, not its ids."""
BLIND_LAG = timedelta(minutes=10)
"""How far to stay behind where Salesforce cannot say what is in flight: Apex may run for ten minutes."""


class Horizon:
    """Asks one org. `settle`: how late a row may become visible even so."""

    def __init__(self, session: Session, settle: timedelta) -> None:
        self._session = session
        self._settle = settle

    def coverage(self, object: str, known: Coverage | None, lane: Lane) -> Coverage:
        """What is in flight, asked anew only where `known` is old. What is read after it misses nothing before it."""
        now = self._session.now().replace(microsecond=0)
        if known is not None and not known.stale(now):
            return known
        if self._session.describe(object, lane=lane).replicateable:
            try:
                answer = self._session.changed(object, "updated", now - REPLICATION_SPAN, now, lane=lane)
                return Coverage(now, instant(answer["latestDateCovered"]))
            except (ProtocolViolation, Misconfigured, KeyError):  # too many ids, or a right that is missing
                log.info("in-flight changes unknown", extra={"action": "coverage_unknown", "object": object})
        return Coverage(now, now - BLIND_LAG)

    def end(self, coverage: Coverage) -> datetime:
        """Where a window that is read now may end."""
        return min(self._session.now() - self._settle, coverage.until).replace(microsecond=0)
