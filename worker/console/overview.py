"""Overview: does it run, is it right, and does anybody have to do something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from worker.bootstrap import Process
from worker.cli.status import gather
from worker.console.desk import Desk, Viewing
from worker.console.figures import Figure
from worker.store import pulse
from worker.store.ledger import OPEN
from worker.store.pulse import Day

pages, api = APIRouter(), APIRouter(tags=["overview"])

FRESH = timedelta(seconds=5)
SHOWN_DAYS = 14


@dataclass(frozen=True, slots=True)
class Pulse:
    """`days`: those that are told, today last."""

    scored_today: int
    days: Sequence[Day]


@pages.get("/")
def page(desk: Viewing) -> Response:
    return desk.render("overview.html", **_values(desk))


@pages.get("/overview/live")
def live(desk: Viewing) -> Response:
    """What of the page changes by itself."""
    return desk.render("overview_live.html", **_values(desk))


@api.get("/overview", summary="Streams, people, writes, calls of the day, models, and what needs a person")
def overview(desk: Viewing) -> dict[str, Any]:
    """`report` is what `leadgauge status --json` tells; null while it is first being made."""
    report, day = _report(desk), _pulse(desk)
    return {
        "at": report.at if report else None,
        "report": report.value if report else None,
        "today": asdict(day.value) if day else None,
    }


def _values(desk: Desk) -> dict[str, Any]:
    report, day = _report(desk), _pulse(desk)
    return {"report": report.value if report else None, "at": report.at if report else None,
            "pulse": day.value if day else None, "streams": _streams(report.value, desk.now()) if report else (),
            "writes": _writes(report.value) if report else {}}  # fmt: skip


def _report(desk: Desk) -> Figure[dict[str, Any]] | None:
    process = desk.process

    def make() -> dict[str, Any]:
        with process.engine.connect() as connection:
            return gather(process, connection)

    return desk.console.figures.get(("report",), make, FRESH)


def _pulse(desk: Desk) -> Figure[Pulse] | None:
    days = written(desk, SHOWN_DAYS)
    scored = desk.console.figures.get(("scored",), lambda: _scored(desk.process), 3 * FRESH)
    return Figure(Pulse(scored.value, days), scored.at) if scored and days else None


def _scored(process: Process) -> int:
    with process.engine.connect() as connection:
        return pulse.scored_since(connection, _today(process.now()))


def written(desk: Desk, shown: int) -> Sequence[Day] | None:
    """The writes of so many days, today last; None while they are first counted. What is over is counted hourly."""
    process, today = desk.process, _today(desk.now())

    def counted(first: datetime, until: datetime) -> Sequence[Day]:
        with process.engine.connect() as connection:
            return pulse.days(connection, process.sources, first, until)

    first, tomorrow = today - timedelta(days=shown - 1), today + timedelta(days=1)
    figures = desk.console.figures
    past = figures.get(("written", first, today), partial(counted, first, today), timedelta(hours=1))
    now = figures.get(("written", today), partial(counted, today, tomorrow), 3 * FRESH)
    return [*past.value, *now.value] if past and now else None


def _today(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _streams(report: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    """By source, the streams that lag most first, and what is wrong with any."""
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for row in report["streams"]:
        by_source.setdefault(row["source"], []).append(row)
    return [
        {
            "source": source,
            "streams": sorted(rows, key=lambda row: (row["problem"] is None, row["complete_at"] or now)),
            "behind": min((row["complete_at"] for row in rows if row["complete_at"]), default=None),
            "problem": next((row["problem"] for row in rows if row["problem"]), None),
            "quota": report["quota"].get(source),
        }
        for source, rows in by_source.items()
    ]


def _writes(report: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """By source: how many wait, are proved, and failed."""
    failed = ("refused", "drifted", "parked")
    return {
        source: {
            "open": sum(states.get(state, 0) for state in OPEN),
            "verified": states.get("verified", 0),
            "failed": sum(states.get(state, 0) for state in failed),
        }
        for source, states in report["ledger"].items()
    }
