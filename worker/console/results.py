"""Results: what became of people by the bucket that they were in before."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from worker.console import jobs
from worker.console.desk import Desk, Viewing
from worker.console.figures import Figure
from worker.store import scores

if TYPE_CHECKING:
    from worker.training.results import Results

pages, api = APIRouter(), APIRouter(tags=["results"])

CHOICES = (7, 14, 30, 60, 90, 180)
Ago = Annotated[int | None, Query(ge=1, le=730, description="How many days ago people were in their buckets.")]


@pages.get("/results")
def page(desk: Viewing, days: Ago = None) -> Response:
    return desk.render("results.html", **_values(desk, days))


@pages.get("/results/part")
def part(desk: Viewing, days: Ago = None) -> Response:
    return desk.render("results_part.html", **_values(desk, days))


@api.get("/results", summary="Close rate, win rate, time and revenue by bucket; 202 while they are being counted")
def results(desk: Viewing, response: Response, days: Ago = None) -> dict[str, Any] | None:
    values = _values(desk, days)
    if values["results"] is None:
        response.status_code = 202
        return None
    found: Figure[Results] = values["results"]
    return {"counted_at": found.at, "days": values["days"], **asdict(found.value)}


def _values(desk: Desk, days: int | None) -> dict[str, Any]:
    """The cohort of so many days ago; left out: of the goal's horizon ago, or of the first day of scoring."""
    now = desk.now()
    with desk.engine.connect() as connection:
        first = scores.first(connection, desk.goal)
    _, goal = desk.settings.goal_named(desk.goal)
    known = (now - first).days if first else 0
    offered = [choice for choice in CHOICES if choice <= known] or ([known] if known else [])
    wanted = days or max((choice for choice in offered if choice <= goal.horizon_days), default=known or None)
    values = {"days": wanted, "choices": offered, "first": first, "horizon": goal.horizon_days, "results": None}
    return values | {"results": _counted(desk, now, wanted)} if wanted else values


def _counted(desk: Desk, now: datetime, days: int) -> Figure[Results] | None:
    at = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    make = partial(desk.console.far.ask, jobs.results, desk.goal, at)
    return desk.console.figures.get(("results", desk.goal, at), make, timedelta(hours=1))
