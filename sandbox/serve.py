"""The process: two TLS servers in one event loop, their snapshot, and the file that tells others where they are."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from sandbox.clock import Clock
from sandbox.hubspot import hostile as hubspot_hostile
from sandbox.hubspot.app import build_app as build_hubspot
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import ALL_SCOPES, HubspotServer
from sandbox.newcomer import hand_out, strip
from sandbox.profiles import CALM, Bites
from sandbox.salesforce import hostile as salesforce_hostile
from sandbox.salesforce.app import build_app as build_salesforce
from sandbox.salesforce.org import Org
from sandbox.salesforce.settings import SalesforceServer
from sandbox.server import make_server
from sandbox.snapshot import Snapshot, Unreadable
from sandbox.tls import certificates, signing_key, write_private
from sandbox.world.history import make_world
from sandbox.world.live import Live
from sandbox.world.seeding import seed

API_VERSION = "62.0"
PORTAL_ID = 9001
SAVE_EVERY = 10.0
SAVE_SHARE = 0.05
"""At most this share of the time goes into snapshots, however large the world is."""


class CannotStart(Exception):
    """Says in one line what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for. `people` is about the number of records in each CRM, port 0 any free one."""

    directory: Path
    people: int = 2000
    seed: int = 7
    now: datetime | None = None
    live: bool = False
    live_rate: float = 30.0
    salesforce_port: int = 0
    hubspot_port: int = 0
    visibility: timedelta = timedelta(0)
    profile: str = CALM
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Stores:
    """The practice world in memory."""

    clock: Clock
    org: Org
    portal: Portal


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then save and return. Raises `CannotStart`."""
    with _owned(options.directory) as directory:
        snapshot = Snapshot(directory / "snapshot.json")
        try:
            state = snapshot.load()
        except Unreadable as problem:
            raise CannotStart(str(problem)) from None
        known_ports = state["ports"] if state else {}
        with (
            _listener("Salesforce", options.salesforce_port, known_ports.get("salesforce")) as salesforce,
            _listener("HubSpot", options.hubspot_port, known_ports.get("hubspot")) as hubspot,
        ):
            stores = _stores(options, state, directory)
            asyncio.run(_serve(options, stores, snapshot, salesforce, hubspot))


@contextlib.contextmanager
def _owned(directory: Path) -> Iterator[Path]:
    """The directory, made if need be and locked against a second sandbox."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise CannotStart(f"cannot write to {directory}: {problem.strerror}; give another --directory") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise CannotStart(f"another sandbox is running in {directory}; stop it or give another --directory") from None
    address = directory / "sandbox.json"
    address.unlink(missing_ok=True)
    try:
        yield directory.resolve()
    finally:
        address.unlink(missing_ok=True)
        os.close(lock)


def _listener(crm: str, port: int, known: int | None) -> socket.socket:
    """A bound socket on loopback; for port 0 the one of last time, if it is still free."""
    for wanted in (port,) if port or known is None else (known, 0):
        # With the protocol named, asyncio turns Nagle's algorithm off; else every answer takes 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
            listener.listen(512)
        except OSError as problem:
            listener.close()
            failure = problem
        else:
            return listener
    option = f"--{crm.lower()}-port"
    raise CannotStart(f"port {port} for {crm} cannot be used: {failure.strerror}; give another {option}, or 0")


def _stores(options: Options, state: dict[str, Any] | None, directory: Path) -> Stores:
    """The world of the snapshot, or a new one."""
    if state is None:
        clock = Clock(options.now)
        stores = Stores(clock, Org(clock, seed=options.seed), Portal(clock, seed=options.seed, portal_id=PORTAL_ID))
        print(f"sandbox: making a world of about {options.people:,} people per CRM", file=sys.stderr, flush=True)
        with _without_collector():
            seed(make_world(options.seed, options.people, clock.now()), stores.org, stores.portal)
        if options.bare:
            strip(stores.org, stores.portal)
    else:
        asked, held = (options.seed, options.people), (state["seed"], state["people"])
        if asked != held:
            raise CannotStart(
                f"{directory} holds a world of seed {held[0]} and {held[1]} people, not of seed {asked[0]} and "
                f"{asked[1]}; give the same --seed and --people, or another --directory"
            )
        clock = Clock.load(state["clock"])
        stores = Stores(clock, Org(clock, seed=options.seed), Portal(clock, seed=options.seed, portal_id=PORTAL_ID))
        with _without_collector():
            stores.org.load(state["salesforce"])
            stores.portal.load(state["hubspot"])
    stores.org.visibility = stores.portal.index_lag = options.visibility
    return stores


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of records and no garbage among them: collecting here takes a third of the time and frees nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


async def _serve(
    options: Options, stores: Stores, snapshot: Snapshot, salesforce: socket.socket, hubspot: socket.socket
) -> None:
    directory, clock = snapshot.path.parent, stores.clock
    ports = {"salesforce": salesforce.getsockname()[1], "hubspot": hubspot.getsockname()[1]}
    tls = certificates(directory)
    accounts = _accounts(directory, ports)
    context = tls.server_context()
    apps = {
        "salesforce": build_salesforce(stores.org, accounts.salesforce),
        "hubspot": build_hubspot(stores.portal, accounts.hubspot),
    }
    bites = {
        "salesforce": Bites(salesforce_hostile.RULES, partial(salesforce_hostile.bite, stores.org)),
        "hubspot": Bites(hubspot_hostile.RULES, partial(hubspot_hostile.bite, stores.portal)),
    }
    listeners = {"salesforce": salesforce, "hubspot": hubspot}
    under: dict[str, Any] = {"profile": options.profile, "seed": options.seed}
    servers = [
        (make_server(crm, app, clock, context, bites[crm], **under), listeners[crm]) for crm, app in apps.items()
    ]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def save() -> None:
        dumped = {"salesforce": stores.org.dump(), "hubspot": stores.portal.dump(), "clock": clock.dump()}
        snapshot.save({"seed": options.seed, "people": options.people, "ports": ports, **dumped})

    save()
    serving = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in servers]
    while not all(server.started for server, _ in servers):
        await asyncio.sleep(0.01)
    address = {"pid": os.getpid(), "now": clock.now().isoformat(), "ca": str(tls.ca), **accounts.address}
    hand_out(directory, tls.ca, address)
    write_private(directory / "sandbox.json", orjson.dumps(address, option=orjson.OPT_INDENT_2))
    shown = ", ".join(f"{crm} https://localhost:{port}/sandbox/" for crm, port in ports.items())
    print(f"sandbox: ready, {shown}", flush=True)
    background = [asyncio.create_task(_save_regularly(save))]
    if options.live:
        live = Live(stores.org, stores.portal, clock, seed=options.seed, people=options.people, rate=options.live_rate)
        background.append(asyncio.create_task(live.run()))
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *background, *serving], return_when=asyncio.FIRST_COMPLETED)
    for task in (stopped, *background):
        task.cancel()
    for server, _ in servers:
        server.should_exit = True
    await asyncio.gather(*serving)
    save()
    for task in done:
        task.result()


async def _save_regularly(save: Callable[[], None]) -> None:
    pause = SAVE_EVERY
    while True:
        await asyncio.sleep(pause)
        began = time.monotonic()
        save()
        pause = max(SAVE_EVERY, (time.monotonic() - began) / SAVE_SHARE)


@dataclass(frozen=True, slots=True)
class Accounts:
    """How to log in: the servers' side of it, and the clients' (`address`, for sandbox.json)."""

    salesforce: SalesforceServer
    hubspot: HubspotServer
    address: Mapping[str, Any] = field(repr=False)


def _accounts(directory: Path, ports: Mapping[str, int]) -> Accounts:
    """Accounts on these ports, with keys that are made on first use and kept in `directory`."""
    path, private_key = directory / "credentials.json", directory / "salesforce.key"
    if not path.exists():
        made = {
            "consumer_key": f"3MVG9{secrets.token_urlsafe(48)}",
            "consumer_secret": secrets.token_hex(32).upper(),
            "token": f"pat-na1-{secrets.token_hex(16)}",
        }
        write_private(path, orjson.dumps(made))
    keys: dict[str, str] = orjson.loads(path.read_bytes())
    urls = {crm: f"https://localhost:{port}" for crm, port in ports.items()}
    salesforce = SalesforceServer(
        base_url=urls["salesforce"],
        other_url=f"https://127.0.0.1:{ports['salesforce']}",
        consumer_key=keys["consumer_key"],
        consumer_secret=keys["consumer_secret"],
        jwt_public_key_pem=signing_key(private_key),
    )
    hubspot = HubspotServer(base_url=urls["hubspot"], tokens={keys["token"]: ALL_SCOPES})
    address = {
        "salesforce": {
            "url": urls["salesforce"],
            "login_url": urls["salesforce"],
            "consumer_key": keys["consumer_key"],
            "consumer_secret": keys["consumer_secret"],
            "username": salesforce.username,
            "private_key_file": str(private_key),
            "api_version": API_VERSION,
        },
        "hubspot": {"url": urls["hubspot"], "token": keys["token"], "portal_id": PORTAL_ID},
    }
    return Accounts(salesforce, hubspot, address)
