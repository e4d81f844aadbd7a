"""Writes: what did not land and why, what to do about it, and stopping all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from worker.console.desk import Desk, Publishing, Viewing
from worker.console.going import back
from worker.console.overview import written
from worker.settings import ConfigurationError
from worker.store import brakes, entries, ledger
from worker.store.entries import UNPROVED, Entry, Filter
from worker.store.ledger import State

pages, api = APIRouter(), APIRouter(tags=["writes"])

PAGE = 50
SHOWN_DAYS = 30
CAN_ACT = (State.INTENDED, State.REFUSED, State.DRIFTED, State.PARKED)
"""States of rows that a person can try again or dismiss."""

Source = Annotated[str | None, Query(max_length=100)]
StateQuery = Annotated[State | None, Query()]
Code = Annotated[str | None, Query(max_length=100)]
Record = Annotated[str | None, Query(max_length=300, description="SOURCE/OBJECT/ID, or the id alone.")]
After = Annotated[int | None, Query(ge=1, description="`next` of the page before.")]
Ids = Annotated[list[int], Form()]


@pages.get("/writes")
def page(
    desk: Viewing, source: Source = None, state: StateQuery = None, code: Code = None, record: Record = None,
    dismissed: bool = False, done: int | None = None,
) -> Response:  # fmt: skip
    which = _which(source, state, code, record, dismissed)
    with desk.engine.connect() as connection:
        found = entries.find(connection, which, desk.now(), PAGE)
    return desk.render(
        "writes.html", source=source, state=state, code=code, record=record, dismissed=dismissed, entries=found,
        after=_next(found), later=False, sources=desk.process.sources, states=list(State), done=done,
        can_act=CAN_ACT, **_figures(desk),
    )  # fmt: skip


@pages.get("/writes/list")
def more(
    desk: Viewing, source: Source = None, state: StateQuery = None, code: Code = None, record: Record = None,
    dismissed: bool = False, after: After = None,
) -> Response:  # fmt: skip
    with desk.engine.connect() as connection:
        found = entries.find(connection, _which(source, state, code, record, dismissed), desk.now(), PAGE, after)
    return desk.render(
        "writes_list.html", source=source, state=state, code=code, record=record, dismissed=dismissed, entries=found,
        after=_next(found), later=after is not None, can_act=CAN_ACT,
    )  # fmt: skip


@pages.get("/writes/figures")
def figures(desk: Viewing) -> Response:
    return desk.render("writes_figures.html", **_figures(desk))


@pages.get("/writes/{row}")
def one(desk: Viewing, row: int) -> Response:
    """One write with all that is known of it."""
    with desk.engine.connect() as connection:
        found = entries.find(connection, Filter(ids=[row], dismissed=True), desk.now(), 1)
        if not found:
            raise ConfigurationError(f"the ledger has no row {row}; it may have been erased with its person")
        past = [entry for entry in entries.past(connection, found[0]) if entry.id != row]
    return desk.render("writes_one.html", entry=found[0], past=past, can_act=CAN_ACT)


@pages.post("/writes/retry")
def retry(desk: Publishing, ids: Ids) -> Response:
    return back(desk, f"/writes?done={_retry(desk, ids)}")


@pages.post("/writes/dismiss")
def dismiss(desk: Publishing, ids: Ids, reason: Annotated[str, Form(max_length=500)]) -> Response:
    return back(desk, f"/writes?done={_dismiss(desk, ids, reason)}")


@pages.post("/writes/pause")
def pause(
    desk: Publishing, reason: Annotated[str, Form(max_length=500)], source: Annotated[str, Form()] = brakes.ALL
) -> Response:
    _pause(desk, source, reason)
    return back(desk, "/writes")


@pages.post("/writes/resume")
def resume(desk: Publishing, source: Annotated[str, Form()] = brakes.ALL) -> Response:
    _resume(desk, source)
    return back(desk, "/writes")


# --- the same for programs


@api.get("/writes", summary="Rows of the ledger, the newest first; without a filter those that have not landed")
def listed(
    desk: Viewing, source: Source = None, state: StateQuery = None, code: Code = None, record: Record = None,
    dismissed: bool = False, after: After = None,
) -> dict[str, Any]:  # fmt: skip
    with desk.engine.connect() as connection:
        found = entries.find(connection, _which(source, state, code, record, dismissed), desk.now(), PAGE, after)
    return {"rows": [_plain(entry) for entry in found], "next": _next(found)}


@api.post("/writes/retry", summary="Write failed or waiting rows now")
def retried(desk: Publishing, ids: list[int]) -> dict[str, int]:
    return {"rows": _retry(desk, ids)}


@api.post("/writes/dismiss", summary="Try rows no more and tell of them no more; the reason is kept")
def dismissed(desk: Publishing, ids: list[int], reason: str) -> dict[str, int]:
    return {"rows": _dismiss(desk, ids, reason)}


@api.get("/pauses", summary="Which writing is stopped, by whom, since when and why")
def pauses(desk: Viewing) -> list[dict[str, Any]]:
    with desk.engine.connect() as connection:
        return [asdict(each) for each in brakes.pauses(connection)]


@api.put("/pauses", summary="Stop writing to a source at once; without one, to all", status_code=204)
def paused(desk: Publishing, reason: str, source: str = brakes.ALL) -> None:
    _pause(desk, source, reason)


@api.delete("/pauses", summary="Write again to a source; without one, to all", status_code=204)
def resumed(desk: Publishing, source: str = brakes.ALL) -> None:
    _resume(desk, source)


# --- what they do


def _which(source: str | None, state: State | None, code: str | None, record: str | None, dismissed: bool) -> Filter:
    states = (state,) if state else () if record or dismissed else UNPROVED
    return Filter(
        sources=[source] if source else (), states=states, codes=[code] if code else (),
        record=record.strip() if record and record.strip() else None, dismissed=dismissed,
    )  # fmt: skip


def _next(found: Sequence[Entry]) -> int | None:
    return found[-1].id if len(found) == PAGE else None


def _retry(desk: Desk, ids: Sequence[int]) -> int:
    with desk.engine.begin() as connection:
        done = entries.retry(connection, Filter(ids=_some(ids), dismissed=True), desk.now())
        desk.note(connection, "writes.retry", "ledger", rows=list(ids)[:100], done=done)
    return done


def _dismiss(desk: Desk, ids: Sequence[int], reason: str) -> int:
    which = Filter(ids=_some(ids), dismissed=True)
    try:
        with desk.engine.begin() as connection:
            done = entries.dismiss(connection, which, reason, desk.who.name, desk.now())
            # Why is kept with the rows and goes with them: it may name the person who is written about.
            desk.note(connection, "writes.dismiss", "ledger", rows=list(ids)[:100], done=done)
    except ValueError as problem:
        raise ConfigurationError(str(problem)) from None
    return done


def _some(ids: Sequence[int]) -> Sequence[int]:
    """Nothing at all would be everything."""
    if not ids:
        raise ConfigurationError("choose at least one row")
    return ids


def _pause(desk: Desk, source: str, reason: str) -> None:
    if not reason.strip():
        raise ConfigurationError("say why writing stops; whoever comes next wants to know")
    with desk.engine.begin() as connection:
        if brakes.pause(connection, _known(desk, source), reason.strip(), desk.who.name, desk.now()):
            desk.note(connection, "writes.pause", source or "all", reason=reason.strip())


def _resume(desk: Desk, source: str) -> None:
    with desk.engine.begin() as connection:
        if brakes.resume(connection, _known(desk, source)):
            desk.note(connection, "writes.resume", source or "all")


def _known(desk: Desk, source: str) -> str:
    if source not in (brakes.ALL, *desk.process.sources):
        raise ConfigurationError(f"no source is named {source!r}; there are: {', '.join(desk.process.sources)}")
    return source


def _figures(desk: Desk) -> dict[str, Any]:
    engine = desk.engine

    def by_reason() -> list[dict[str, Any]]:
        with engine.connect() as connection:
            return ledger.reasons(connection)

    reasons = desk.console.figures.get(("write-reasons",), by_reason, timedelta(seconds=15))
    with engine.connect() as connection:
        pauses = brakes.pauses(connection)
    return {"days": written(desk, SHOWN_DAYS), "reasons": reasons.value if reasons else None, "pauses": pauses}


def _plain(entry: Entry) -> dict[str, Any]:
    return asdict(entry) | {"ref": None, "record": str(entry.ref)}
