"""What a portal writes by itself while nobody asked it to: analytics noise and lifecycle moves."""

from __future__ import annotations

import random

from sandbox.hubspot.catalog import LIFECYCLE_STAGES
from sandbox.hubspot.marketing import ANALYTICS
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.records import Record, Source
from sandbox.hubspot.schema import TYPES

MOST_AT_ONCE = 500
MOVED_BY: Source = ("PIPELINE_SETTINGS", "LCS-set-on-Lead-association")
"""As the vendor signs a stage that it set itself (observed)."""
BATCH_JOB: Source = ("AUTOMATION_PLATFORM", "month-end")
_MOVED_TO = LIFECYCLE_STAGES[: LIFECYCLE_STAGES.index("opportunity") + 1]


class Unrest:
    """Writes at random instants of the practice clock, at the rates of the portal's temper.

    Nothing runs in the background: `catch_up` makes up for the time since it was last called, each write dated when it
    was due, at most `MOST_AT_ONCE` of them. Called before every request, no client can tell the difference.
    """

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._dice = random.Random(f"unrest {portal.seed}")
        self._rate = 0.0
        self._due = 0

    def catch_up(self) -> None:
        temper, now = self._portal.temper, self._portal.now_ms()
        if self._rate != temper.noise + temper.moves:
            self._rate = temper.noise + temper.moves
            self._due = self._after(self._portal.temper_since)
        if not self._rate or self._due > now:
            return
        ids = self._portal.ids("contacts")
        for _ in range(MOST_AT_ONCE if ids else 0):
            record = self._portal.exact("contacts", str(self._dice.choice(ids)))
            assert record is not None
            if self._dice.random() * self._rate < temper.noise:
                self._remeasure(record, self._due)
            else:
                move(self._portal, record, self._due)
            self._due = self._after(self._due)
            if self._due > now:
                return
        self._due = self._after(now)

    def _after(self, at: int) -> int:
        return at + round(60_000 * self._dice.expovariate(self._rate)) if self._rate else at

    def _remeasure(self, record: Record, at: int) -> None:
        """A calculated property that no one scores moves, and the cursor property with it."""
        average = f"{self._dice.uniform(1, 9):.4f}"
        self._portal.calculate(record, {"hs_analytics_average_page_views": average}, at, ANALYTICS)


def move(portal: Portal, record: Record, at: int) -> None:
    """The next lifecycle stage, up to opportunity, as the vendor sets it when somebody associates a lead."""
    held = record.values.get("lifecyclestage")
    place = _MOVED_TO.index(held) + 1 if held in _MOVED_TO else len(_MOVED_TO) if held else 0
    if place < len(_MOVED_TO):
        portal.calculate(record, {"lifecyclestage": _MOVED_TO[place]}, at, MOVED_BY)


def batch_job(portal: Portal, type: str, most: int = 12_000) -> int:
    """Rewrite up to `most` records as they are, all in one millisecond, as month-end jobs do; says how many.

    Raises `ValueError` for an unknown object type.
    """
    if type not in TYPES:
        raise ValueError(f"object type {type!r} is not among {', '.join(TYPES)}")
    stamp, ids = portal.now_ms(), portal.ids(type)[:most]
    for id_ in ids:
        record = portal.exact(type, str(id_))
        assert record is not None
        portal.calculate(record, {}, stamp, BATCH_JOB)
    return len(ids)
