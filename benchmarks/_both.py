"""Two practice CRMs at their vendors' real limits, in a process.

`python -m benchmarks._both DIRECTORY PEOPLE TIME WORLD`: TIME is the file that they have their time from (`_time`). The
WORLD `even` has people alone, who came at even distances; `demo` is the practice world with all that people did.

Writes DIRECTORY/both.json (addresses, CA, credentials) once they answer, and serves until it is terminated. Beside what
the practice CRMs offer, POST /bench/changes plans edits by users: at even distances in a stretch of practice time, each
of another person, half of them in each CRM. They cost no API calls.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import socket
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks._time import Shared
from sandbox.clock import Clock
from sandbox.hubspot.app import build_app as build_hubspot
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import ALL_SCOPES, HubspotServer
from sandbox.profiles import Bites
from sandbox.salesforce.app import build_app as build_salesforce
from sandbox.salesforce.org import Org
from sandbox.salesforce.settings import SalesforceServer
from sandbox.server import make_server
from sandbox.tls import certificates
from sandbox.world.history import make_world
from sandbox.world.seeding import seed

KEY, SECRET, TOKEN = "benchmark", "benchmark", "pat-na1-benchmark"
DAYS, SEED = 300, 7
TITLES = ("Analyst", "Buyer", "Engineering Manager", "Head of IT")
SALESFORCE_DAY, HUBSPOT_DAY = 100_000, 650_000
"""Calls a day of an Enterprise org without extra users, and of a HubSpot Professional account."""
LIMITS: dict[str, Any] = {"rate_10s": 190, "search_per_second": 5, "daily": HUBSPOT_DAY}
"""Of a private app of HubSpot Professional; those of the demo's world are off."""
DEMO = "demo"
VISIBLE_AFTER = timedelta(seconds=5)
"""How long a change takes to show in queries and searches."""


class World:
    """Both CRMs, and the edits that are planned."""

    def __init__(self, people: int, time: Shared, world: str) -> None:
        self.clock = Clock(wall=time.now)
        self.org, self.portal = Org(self.clock), Portal(self.clock)
        self.ids: dict[str, list[str]] = {"salesforce": [], "hubspot": []}
        self._planned: list[tuple[datetime, str, str, str]] = []
        if world == DEMO:
            seed(make_world(SEED, people, self.clock.now()), self.org, self.portal)
        else:
            self._fill(people)
        self.org.visibility = self.portal.index_lag = VISIBLE_AFTER

    def _fill(self, people: int) -> None:
        since = self.clock.now() - timedelta(days=DAYS)
        for n in range(people):
            at, title = since + timedelta(seconds=86400 * DAYS * n / people), TITLES[n % len(TITLES)]
            address, company = f"person{n}@company{n // 10}", f"Company {n // 10}"
            self.ids["salesforce"].append(
                self.org.insert(
                    "Lead",
                    {"FirstName": f"First{n}", "LastName": f"Last{n}", "Email": f"{address}.example", "Title": title,
                     "Company": company, "Industry": "Software", "NumberOfEmployees": 10 + n % 5000,
                     "Country": "Germany", "LeadSource": "Web"},
                    at=at,
                )
            )  # fmt: skip
            self.ids["hubspot"].append(
                self.portal.create(
                    "contacts",
                    {"firstname": f"First{n}", "lastname": f"Last{n}", "email": f"{address}.test", "jobtitle": title,
                     "country": "Germany"},
                    at=at,
                )
            )  # fmt: skip

    def plan(self, begin: datetime, span: timedelta, changes: int) -> list[tuple[str, str, datetime]]:
        """Edits of that many people, half in each CRM, evenly spread; whose they are and when."""
        dice = random.Random(7)
        chosen = {crm: dice.sample(ids, changes // 2) for crm, ids in self.ids.items()}
        planned = []
        for n in range(changes):
            crm = ("salesforce", "hubspot")[n % 2]
            planned.append((begin + span * (n / changes), crm, chosen[crm][n // 2], ("CEO", "VP Sales")[n // 2 % 2]))
        self._planned = planned[::-1]
        return [(crm, id, at) for at, crm, id, _ in planned]

    def catch_up(self) -> None:
        """Make the edits whose time has come, each dated when it was due."""
        now = self.clock.now()
        while self._planned and self._planned[-1][0] <= now:
            at, crm, id, title = self._planned.pop()
            if crm == "salesforce":
                self.org.update("Lead", id, {"Title": title}, at=at)
            else:
                self.portal.update("contacts", id, {"jobtitle": title}, at=at)


class Behind:
    """An app that no request finds behind the clock."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app, self._world = app, world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._world.catch_up()
        await self._app(scope, receive, send)


def _listener() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


def _with_bench(app: ASGIApp, world: World) -> ASGIApp:
    async def changes(request: Request) -> Response:
        order: dict[str, Any] = orjson.loads(await request.body())
        span = timedelta(seconds=order["seconds"])
        planned = world.plan(datetime.fromisoformat(order["begin"]), span, order["changes"])
        return JSONResponse([(crm, id, at.isoformat()) for crm, id, at in planned])

    return Behind(Starlette(routes=[Route("/bench/changes", changes, methods=["POST"]), Mount("/", app=app)]), world)


async def _serve(servers: Iterable[tuple[Any, socket.socket]]) -> None:
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in servers))


def main(directory: Path, people: int, time: Path, named: str) -> None:
    trust = certificates(directory)
    gc.disable()  # rows that live to the end
    world = World(people, Shared(time), named)
    listeners = {crm: _listener() for crm in world.ids}
    urls = {crm: f"https://localhost:{listener.getsockname()[1]}" for crm, listener in listeners.items()}
    org = SalesforceServer(
        base_url=urls["salesforce"], consumer_key=KEY, consumer_secret=SECRET, daily_calls=SALESFORCE_DAY
    )
    portal = HubspotServer(base_url=urls["hubspot"], tokens={TOKEN: ALL_SCOPES}, **({} if named == DEMO else LIMITS))
    apps = {"salesforce": build_salesforce(world.org, org), "hubspot": build_hubspot(world.portal, portal)}
    calm = Bites((), lambda on: None)
    servers = [
        (make_server(crm, _with_bench(app, world), world.clock, trust.server_context(), calm), listeners[crm])
        for crm, app in apps.items()
    ]
    told = {"urls": urls, "ca": str(trust.ca), "key": KEY, "secret": SECRET, "token": TOKEN}
    (directory / "both.json.part").write_text(json.dumps(told))
    (directory / "both.json.part").rename(directory / "both.json")
    asyncio.run(_serve(servers))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
