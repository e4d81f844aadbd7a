"""The process: TLS servers in one event loop, their snapshot, and the file that tells others where they are."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from sandbox.accounts import Accounts, accounts_on
from sandbox.companion import control_routes
from sandbox.hubspot import hostile as hubspot_hostile
from sandbox.hubspot.app import build_app as build_hubspot
from sandbox.newcomer import hand_out
from sandbox.profiles import Bites
from sandbox.salesforce import hostile as salesforce_hostile
from sandbox.salesforce.app import build_app as build_salesforce
from sandbox.server import Server, make_server
from sandbox.snapshot import Snapshot, Unreadable
from sandbox.stores import CannotStart, Options, Stores, opened
from sandbox.tls import Certificates, certificates, write_private
from sandbox.world.live import Live

SAVE_EVERY = 10.0
SAVE_SHARE = 0.05
"""At most this share of the time goes into snapshots, however large the world is."""


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then save and return. Raises `CannotStart`."""
    with _owned(options.directory) as directory:
        snapshot = Snapshot(directory / "snapshot.json")
        try:
            state = snapshot.load()
        except Unreadable as problem:
            raise CannotStart(str(problem)) from None
        known_ports = state["ports"] if state else {}
        asked_ports = {"Salesforce": options.salesforce_port, "HubSpot": options.hubspot_port}
        asked_ports |= {name.capitalize(): 0 for name in options.beside}
        with contextlib.ExitStack() as held:
            listeners = {
                crm.lower(): held.enter_context(_listener(crm, port, known_ports.get(crm.lower())))
                for crm, port in asked_ports.items()
            }
            if state is None:
                print(
                    f"sandbox: making a world of about {options.people:,} people per CRM", file=sys.stderr, flush=True
                )
            stores = opened(options, state, directory)
            asyncio.run(_serve(options, stores, snapshot, listeners))


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


async def _serve(options: Options, stores: Stores, snapshot: Snapshot, listeners: Mapping[str, socket.socket]) -> None:
    directory, clock = snapshot.path.parent, stores.clock
    ports = {crm: listener.getsockname()[1] for crm, listener in listeners.items()}
    tls = certificates(directory)
    accounts = accounts_on(directory, ports, stores.beside)
    servers = [(server, listeners[crm]) for crm, server in _servers(options, stores, accounts, tls).items()]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def save() -> None:
        asked = {"seed": options.seed, "people": options.people, "with": options.beside}
        snapshot.save({**asked, "ports": ports, **stores.dump()})

    save()
    serving = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in servers]
    while not all(server.started for server, _ in servers):
        await asyncio.sleep(0.01)
    address = {"pid": os.getpid(), "now": clock.now().isoformat(), "ca": str(tls.ca), **accounts.address}
    hand_out(directory, tls.ca, address, stores.beside)
    write_private(directory / "sandbox.json", orjson.dumps(address, option=orjson.OPT_INDENT_2))
    shown = ", ".join(f"{crm} https://localhost:{port}/sandbox/" for crm, port in ports.items())
    print(f"sandbox: ready, {shown}", flush=True)
    background = [asyncio.create_task(_save_regularly(save))]
    if options.live:
        live = Live(
            stores.org, stores.portal, clock, seed=options.seed, people=options.people, rate=options.live_rate,
            beside=[companion.step for companion in stores.beside.values()],
        )  # fmt: skip
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


def _servers(options: Options, stores: Stores, accounts: Accounts, tls: Certificates) -> Mapping[str, Server]:
    """One for each, yet to be started."""
    apps: dict[str, ASGIApp] = {
        "salesforce": build_salesforce(stores.org, accounts.salesforce),
        "hubspot": build_hubspot(stores.portal, accounts.hubspot),
    }
    bites = {
        "salesforce": Bites(salesforce_hostile.RULES, partial(salesforce_hostile.bite, stores.org)),
        "hubspot": Bites(hubspot_hostile.RULES, partial(hubspot_hostile.bite, stores.portal)),
    }
    for name, companion in stores.beside.items():
        pages = control_routes(f"Practice {name.capitalize()}", companion)
        apps[name] = Starlette(routes=[*pages, Mount("/", app=companion.app(accounts.keys[name]))])
        bites[name] = companion.bites
    context = tls.server_context()
    under: dict[str, Any] = {"profile": options.profile, "seed": options.seed}
    return {crm: make_server(crm, app, stores.clock, context, bites[crm], **under) for crm, app in apps.items()}


async def _save_regularly(save: Callable[[], None]) -> None:
    pause = SAVE_EVERY
    while True:
        await asyncio.sleep(pause)
        began = time.monotonic()
        save()
        pause = max(SAVE_EVERY, (time.monotonic() - began) / SAVE_SHARE)
