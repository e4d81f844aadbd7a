"""Users whom somebody has asked Amplitude to forget: from the day on which it is asked, whenever Amplitude does it.

A job is scheduled within 30 days, and names users by Amplitude's own number (User Privacy API). Whose that is can be
asked as long as the job has not run; so it is looked for at once, and only once.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from connectors.amplitude.mapping import Mapper
from connectors.amplitude.session import Session
from connectors.port import Cursor, Page
from connectors.quota import Lane
from connectors.records import Deletion

log = logging.getLogger(__name__)

BEHIND, AHEAD = timedelta(days=30), timedelta(days=60)
"""Days of jobs that are looked at: those of the last weeks, should nobody have looked, and all that are to come."""


class Erasures:
    """The stream of one project. Its cursor has the numbers that were dealt with, of the jobs that there are."""

    def __init__(self, session: Session, mapper: Mapper) -> None:
        self._session, self._mapper = session, mapper

    def pull(self, cursor: Cursor | None) -> Page:
        now = self._session.now(Lane.INBOUND)
        jobs = self._session.deletions(now - BEHIND, now + AHEAD, Lane.INBOUND)
        asked = {int(each["amplitude_id"]) for job in jobs for each in job["amplitude_ids"]}
        handled = asked.intersection((cursor or {}).get("handled", ()))
        left = sorted(asked - handled)
        if not left:
            return Page({"handled": sorted(handled)}, done=True)
        gone = [Deletion(self._mapper.ref(user), now, erased=True) for user in self._users(left[0])]
        return Page({"handled": sorted({*handled, left[0]})}, done=len(left) == 1, deletions=gone)

    def _users(self, number: int) -> list[str]:
        """Whose number it is. One call in ten seconds may ask that, so a page is about one."""
        matches = self._session.search(str(number), Lane.INBOUND)
        its = [match for match in matches if match.get("amplitude_id") == number]
        if not its:
            log.warning(
                "Amplitude has erased a user before it could be asked who it was",
                extra={"action": "erasure_unknown", "source": self._session.source, "amplitude_id": number},
            )
        return [str(match["user_id"]) for match in its if match.get("user_id")]
