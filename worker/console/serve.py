"""Starting the console: who may reach it is settled before anybody can."""

from __future__ import annotations

import ipaddress
import signal
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from functools import partial
from types import FrameType
from urllib.parse import urlsplit

import uvicorn

from worker.bootstrap import Process
from worker.console.app import create
from worker.console.aside import Aside, child
from worker.console.desk import Console
from worker.console.gatekeeper import LOOPBACK
from worker.console.provider import Provider
from worker.console.throttle import Throttle
from worker.console.visitor import Door
from worker.settings import ConfigurationError, Settings
from worker.store import accounts


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check(process: Process, host: str) -> None:
    """Raises `ConfigurationError` where anybody who reaches the console could use it."""
    settings = process.settings
    if settings.console.oidc is not None and settings.console_url is None:
        raise ConfigurationError("`console.oidc` needs `console_url`: the provider sends people back there")
    if settings.console.oidc is not None or is_loopback(host):
        return
    with process.engine.connect() as connection:
        if not accounts.exist(connection):
            raise ConfigurationError(
                f"the console would be open to whoever reaches {host}: make an account first (`leadgauge user add NAME "
                "--role admin`), configure `console.oidc`, or listen on 127.0.0.1"
            )


def hosts(settings: Settings, host: str) -> Collection[str] | None:
    """The names that the console answers to. Where anybody may have put a proxy in front, any."""
    if settings.console_url is not None:
        return LOOPBACK | {urlsplit(settings.console_url).hostname or "", host}
    return LOOPBACK | {host} if is_loopback(host) else None


def console(process: Process, host: str, start: Callable[[Settings], Executor] = child) -> Console:
    """Everything that the pages work with. `start`: what does the computing."""
    settings = process.settings
    near = partial(child, settings, alone=True) if start is child else partial(start, settings)
    provider: Provider | None = None
    if settings.console.oidc is not None and settings.console_url is not None:
        from worker.console.oidc import OpenIdProvider

        provider = OpenIdProvider(settings.console.oidc, process.redis, f"{settings.console_url}/oidc/return")
    return Console(
        process,
        Door.of(process.engine, settings, loopback=is_loopback(host)),
        Throttle(process.redis),
        Aside(near),
        Aside(lambda: start(settings)),
        provider,
    )


def serve(process: Process, host: str, port: int) -> None:
    """Answer until a signal comes. Raises `ConfigurationError`."""
    check(process, host)
    # Uvicorn ends by giving the signal back to whoever had it before: to die of it would leave our children's locks.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _ended)
    running = console(process, host)
    running.near.warm()
    uvicorn.run(
        create(running, hosts(process.settings, host)), host=host, port=port, log_config=None, server_header=False,
        access_log=False, timeout_graceful_shutdown=5,
    )  # fmt: skip


def _ended(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
