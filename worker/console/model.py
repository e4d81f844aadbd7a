"""Model: who scores, who would like to, how they do, and who changes that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Path, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from worker.console import jobs
from worker.console.desk import Desk, Editing, Publishing, Viewing
from worker.console.figures import Figure
from worker.console.going import back
from worker.store import drifts, models, reports, training
from worker.store.models import Event, Registered
from worker.store.training import Cause, Kind
from worker.training import registry
from worker.training.promotion import Figures
from worker.training.refusal import PromotionRefused

pages, api = APIRouter(), APIRouter(tags=["models"])

Number = Annotated[int, Path(ge=1, description="A model's number in its goal.")]
Why = Annotated[str, Form(max_length=500)]
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
"""A report is one file with its own styles, and nothing in it runs."""


@dataclass(frozen=True, slots=True)
class Line:
    """A model in the list. `held_out`: None where it found no signal."""

    model: Registered
    held_out: Figures | None
    level: str | None


@pages.get("/model")
def page(desk: Viewing) -> Response:
    return desk.render("model.html", **_all(desk))


@pages.get("/model/live")
def live(desk: Viewing) -> Response:
    return desk.render("model_live.html", **_all(desk))


@pages.get("/model/{number}")
def one(desk: Viewing, number: Number) -> Response:
    with desk.engine.connect() as connection:
        model = registry.find(connection, desk.goal, number)
        checks = drifts.history(connection, desk.goal, number, 26)
        events = models.events(connection, desk.goal, number)
        reported = reports.page(connection, desk.goal, number) is not None
    told = model.manifest
    return desk.render(
        "model_one.html", model=model, told=told, figures=Figures.read(told.get("figures", {}).get("model")),
        checks=checks, events=events, reported=reported, calibration=_calibration(told), **_beside(desk, model),
    )  # fmt: skip


@pages.get("/model/{number}/compare")
def compare(desk: Viewing, number: Number) -> Response:
    with desk.engine.connect() as connection:
        model = registry.find(connection, desk.goal, number)
    return desk.render("model_compare.html", model=model, **_beside(desk, model))


@pages.get("/model/{number}/report")
def report(desk: Viewing, number: Number) -> Response:
    """The validation report as it was made."""
    with desk.engine.connect() as connection:
        page = reports.page(connection, desk.goal, number)
    if page is None:
        raise HTTPException(404)
    return HTMLResponse(page, headers={"content-security-policy": _SANDBOX})


@pages.get("/model/{number}/replay")
def replay(desk: Editing, number: Number, days: Annotated[int, Query(ge=1, le=730)] = 30) -> Response:
    make = partial(desk.console.far.ask, jobs.replayed, desk.goal, days, model=number)
    with desk.engine.connect() as connection:
        revision, _ = models.champions(connection, desk.goal)
    found = desk.console.figures.get(("replay-model", desk.goal, number, revision, days), make, timedelta(hours=1))
    return desk.render("replay.html", replayed=found, again=f"/model/{number}/replay?days={days}", days=days)


@pages.post("/model/train")
def train(desk: Editing, check: Annotated[bool, Form()] = False) -> Response:
    _ask(desk, Kind.WATCH if check else Kind.TRAIN)
    return back(desk, "/model")


@pages.post("/model/rollback")
def rollback(desk: Publishing, segment: Annotated[str, Form()] = "", reason: Why = "") -> Response:
    _rollback(desk, segment, reason)
    return back(desk, "/model")


@pages.post("/model/{number}/promote")
def promote(desk: Publishing, number: Number, reason: Why = "", force: Annotated[bool, Form()] = False) -> Response:
    _promote(desk, number, reason, force)
    return back(desk, f"/model/{number}")


@pages.post("/model/{number}/retire")
def retire(desk: Publishing, number: Number, reason: Why = "") -> Response:
    _retire(desk, number, reason)
    return back(desk, f"/model/{number}")


# --- the same for programs


@api.get("/models", summary="All models of the goal, the newest first")
def listed(desk: Viewing) -> list[dict[str, Any]]:
    with desk.engine.connect() as connection:
        lines = _lines(connection, desk.goal)
    return [_plain(line.model) | {"drift": line.level} for line in lines]


@api.get("/models/{number}", summary="A model: what it was made from, how it does, and what speaks against it")
def told(desk: Viewing, number: Number) -> dict[str, Any]:
    with desk.engine.connect() as connection:
        model = registry.find(connection, desk.goal, number)
        compared = registry.compare(connection, desk.goal, number)
        check = drifts.newest(connection, desk.goal, number)
        events = models.events(connection, desk.goal, number)
    return _plain(model) | {
        "manifest": model.manifest,
        "drift": asdict(check) if check else None,
        "champion": compared.champion.number if compared.champion else None,
        "moved": compared.moves.share,
        "objections": compared.objections,
        "events": [dict(event._mapping) for event in events],
    }


@dataclass(frozen=True, slots=True)
class Decision:
    """`force`: whatever speaks against it; needs a reason."""

    reason: str = ""
    force: bool = False


@api.post("/models/{number}/promote", summary="Let a model score from now on", status_code=204)
def promoted(desk: Publishing, number: Number, decision: Decision) -> None:
    _promote(desk, number, decision.reason, decision.force)


@api.post("/models/rollback", summary="Undo the last promotion", status_code=204)
def rolled_back(desk: Publishing, decision: Decision, segment: str = "") -> None:
    _rollback(desk, segment, decision.reason)


@api.post("/models/{number}/retire", summary="Take a challenger out of the shadow", status_code=204)
def retired(desk: Publishing, number: Number, decision: Decision) -> None:
    _retire(desk, number, decision.reason)


@api.post("/models/train", summary="Ask the trainer for a challenger", status_code=202)
def trained(desk: Editing) -> dict[str, Any]:
    return {"request": _ask(desk, Kind.TRAIN)}


# --- what they do


def _promote(desk: Desk, number: int, reason: str, force: bool) -> None:
    if force and not reason.strip():
        raise PromotionRefused("to overrule figures, say why")
    desk.console.near.ask(jobs.loaded, desk.goal, number)  # whatever cannot be loaded must not score
    now, who = desk.now(), desk.who.name
    try:
        with desk.engine.begin() as connection:
            made = registry.promote(
                connection, desk.goal, number, author=who, reason=reason.strip(), force=force, now=now
            )
            desk.note(connection, "model.promoted", f"{desk.goal}/{number}", reason=reason, overruled=made.overruled)
    except PromotionRefused as problem:
        with desk.engine.begin() as connection:
            models.record(connection, desk.goal, number, Event.REFUSED, who, str(problem), now)
            desk.note(connection, "model.refused", f"{desk.goal}/{number}", reason=str(problem))
        raise


def _rollback(desk: Desk, segment: str, reason: str) -> None:
    with desk.engine.begin() as connection:
        held = models.champions(connection, desk.goal)[1].get(segment)
        number = registry.rollback(
            connection, desk.goal, segment, author=desk.who.name, reason=reason.strip(), now=desk.now()
        )
        named = number if number is not None else held
        desk.note(connection, "model.rolled_back", f"{desk.goal}/{named}", to=number, reason=reason)


def _retire(desk: Desk, number: int, reason: str) -> None:
    with desk.engine.begin() as connection:
        registry.retire(connection, desk.goal, number, author=desk.who.name, reason=reason.strip(), now=desk.now())
        desk.note(connection, "model.retired", f"{desk.goal}/{number}", reason=reason)


def _ask(desk: Desk, kind: Kind) -> int:
    with desk.engine.begin() as connection:
        request, made = training.ask(connection, desk.goal, kind, Cause.CONSOLE, desk.who.name, desk.now())
        if made:
            desk.note(connection, f"model.{kind}", f"{desk.goal}/request {request}")
    return request


def _all(desk: Desk) -> dict[str, Any]:
    """The models, what became of them, and what the trainer does."""
    with desk.engine.connect() as connection:
        return {
            "lines": _lines(connection, desk.goal),
            "events": models.events(connection, desk.goal)[:20],
            "requests": training.history(connection, desk.goal, 5),
            "roster": models.champions(connection, desk.goal)[1],
        }


def _compared(desk: Desk, number: int) -> Figure[registry.Comparison] | None:
    """Over everybody of today: made anew every minute, and when somebody else scores."""
    engine, goal = desk.engine, desk.goal

    def make() -> registry.Comparison:
        with engine.connect() as connection:
            return registry.compare(connection, goal, number)

    with engine.connect() as connection:
        revision, _ = models.champions(connection, goal)
    return desk.console.figures.get(("compared", goal, number, revision), make, timedelta(minutes=1))


def _beside(desk: Desk, model: Registered) -> dict[str, Any]:
    """A model beside whoever scores now."""
    found = _compared(desk, model.number)
    if found is None:
        return {"compared": None, "rows": (), "moves": ()}
    compared = found.value
    moved = ((pair, people) for pair, people in compared.moves.by_bucket.items() if pair[0] != pair[1])
    moves = sorted(moved, key=lambda move: -move[1])
    return {"compared": compared, "rows": _rows(compared), "moves": moves}


def _lines(connection: Connection, goal: str) -> list[Line]:
    return [
        Line(model, Figures.read(model.manifest.get("figures", {}).get("model")), check.level if check else None)
        for model in models.listing(connection, goal)
        for check in [drifts.newest(connection, goal, model.number)]
    ]


def _calibration(told: Mapping[str, Any]) -> dict[str, list[float]] | None:
    """What was said and what came, in the order of what was said."""
    bins = sorted((told.get("validation") or {}).get("calibration") or [], key=lambda one: one["predicted"] or 0)
    if len(bins) < 2:
        return None
    return {
        "said": [one["predicted"] for one in bins],
        "came": [one["observed"] for one in bins],
        "people": [one["weight"] for one in bins],
    }


_SHOWN = (
    ("people", "{:,}"), ("conversions", "{:,}"), ("auc", "{:.3f}"), ("log_loss", "{:.4f}"), ("base_log_loss", "{:.4f}"),
    ("ece", "{:.3f}"),
)  # fmt: skip
_TITLES = {
    "people": "people", "conversions": "of them converted", "auc": "AUC", "log_loss": "log-loss",
    "base_log_loss": "log-loss of the base rate", "ece": "calibration error (ECE)",
}  # fmt: skip


def _rows(compared: registry.Comparison) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Tables of figures: the model's and whoever scores now."""
    found = []
    for title, pair in (("Held out when it was trained", compared.held_out), ("Matured since", compared.closed)):
        if any(pair):
            cells = [[form.format(getattr(its, name)) if its else "" for its in pair] for name, form in _SHOWN]
            rows = [(_TITLES[name], one, other) for (name, _), (one, other) in zip(_SHOWN, cells, strict=True)]
            found.append((title, rows))
    return found


def _plain(model: Registered) -> dict[str, Any]:
    told = asdict(model)
    del told["manifest"]
    return told | {"figures": model.manifest.get("figures")}
