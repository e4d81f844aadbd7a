"""A practice account beside the two CRMs: what `python -m sandbox --with` needs of it, and the page that shows it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox.control import json_body, refusing
from sandbox.profiles import Bites
from sandbox.world.history import World
from sandbox.world.moments import Moment
from sandbox.world.people import Person

Keys = Mapping[str, str]
Place = Callable[[str], str]
"""Name of a secret -> where it lies, as `leadgauge init` wants to be told."""
Linked = Mapping[int, tuple[str, str]]
"""Number of a person -> object and id in Salesforce."""


class Someone(NamedTuple):
    """A person as the account shows them: `fields` are the score's, `segments` what the account counts them to."""

    id: str
    email: str
    fields: Mapping[str, Any]
    segments: Sequence[str] = ()


class Companion(Protocol):
    """One account, empty until `populate` or `load`."""

    bites: Bites

    def fresh_keys(self) -> Keys:
        """New credentials, by name."""

    def app(self, keys: Keys) -> ASGIApp:
        """The vendor's API for whoever has the credentials, and `POST /sandbox/activity`, by which somebody acts."""

    def address(self, url: str, keys: Keys) -> Mapping[str, Any]:
        """How to log in."""

    def answers(self, address: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        """The same for `leadgauge init --answers`; every secret that `place` is asked for goes into a file."""

    def takes(self, person: Person, moment: Moment) -> bool:
        """Whether `moment` is recorded here and so not in HubSpot: a touch leaves one trace."""

    def populate(self, world: World, linked: Linked) -> None:
        """Its share of the world."""

    def furnish(self) -> None:
        """What an admin makes for the scores."""

    def people(self) -> Iterable[Someone]:
        """Who is there."""

    def step(self, dice: random.Random, at: datetime) -> None:
        """One event of `--live`."""

    def dump(self) -> dict[str, Any]:
        """State for `load`."""

    def load(self, state: Mapping[str, Any]) -> None: ...


def _wire(probability: float, **effect: Any) -> Mapping[str, Any]:
    return {"path": "^/(?!sandbox)", "probability": probability, "effect": effect}


WIRE: Sequence[Mapping[str, Any]] = (
    _wire(0.02, status=503, html="<h1>503 Service Temporarily Unavailable</h1>"),
    _wire(0.01, status=502, html="<h1>502 Bad Gateway</h1>"),
    _wire(0.01, delay=1.5),
    _wire(0.01, reset_before=True),
    _wire(0.01, reset_after=True),
    _wire(0.01, cut_body=0.6),
)
"""The profile `hostile` of an account that has none of its own: what any wire does."""


def control_routes(title: str, companion: Companion) -> Sequence[Route]:
    """Pages and orders under /sandbox/ that the vendor's own app does not have."""

    async def page(request: Request) -> Response:
        return HTMLResponse(_page(title, companion.people()))

    async def people(request: Request) -> Response:
        return JSONResponse([each._asdict() for each in companion.people()])

    return [Route("/sandbox/", page, methods=["GET"]), Route("/sandbox/people", people, methods=["GET"])]


def acting(vendor: ASGIApp, act: Callable[[str, str, dict[str, Any]], None]) -> ASGIApp:
    """`vendor`, and the hands of its users: `POST /sandbox/activity` with `user`, `event` and perhaps `properties`.

    `act` raises `ValueError` for an order that makes no sense.
    """

    async def done(request: Request) -> Response:
        order = await json_body(request)
        if not isinstance(order, dict) or not {"user", "event"} <= order.keys() <= {"user", "event", "properties"}:
            raise ValueError('the body must hold "user" and "event", and may hold "properties"')
        act(str(order["user"]), str(order["event"]), dict(order.get("properties") or {}))
        return JSONResponse({"user": order["user"], "event": order["event"]})

    return Starlette(routes=[Route("/sandbox/activity", refusing(done), methods=["POST"]), Mount("/", app=vendor)])


MOST_SHOWN = 500
_TEMPLATE = (Path(__file__).with_name("companion.html")).read_text("utf-8")


def _page(title: str, people: Iterable[Someone]) -> str:
    """The highest scores first."""

    def rank(someone: Someone) -> tuple[float, str]:
        score = next((value for name, value in someone.fields.items() if name.lower().endswith("score")), None)
        return (-float(score) if isinstance(score, int | float) else 1.0, someone.id)

    listed = sorted(people, key=rank)
    rows = "\n".join(
        f"<tr><td>{escape(each.id)}</td><td>{escape(each.email)}</td>"
        f"<td>{'<br>'.join(f'{escape(name)}: {escape(str(value))}' for name, value in each.fields.items())}</td>"
        f"<td>{escape(', '.join(each.segments))}</td></tr>"
        for each in listed[:MOST_SHOWN]
    )
    shown = {"TITLE": escape(title), "COUNT": str(len(listed)), "ROWS": rows}
    text = _TEMPLATE
    for name, value in shown.items():
        text = text.replace("{" + name + "}", value)
    return text
