"""The practice world in memory: made anew, or as a snapshot has it."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sandbox.accounts import PORTAL_ID
from sandbox.clock import Clock
from sandbox.companion import Companion
from sandbox.companions import KINDS
from sandbox.hubspot.portal import Portal
from sandbox.newcomer import strip
from sandbox.profiles import CALM
from sandbox.salesforce.org import Org
from sandbox.world.history import make_world
from sandbox.world.seeding import seed


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
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stores:
    """`beside` the CRMs are other accounts, by name."""

    clock: Clock
    org: Org
    portal: Portal
    beside: Mapping[str, Companion]

    @classmethod
    def empty(cls, clock: Clock, options: Options) -> Self:
        beside = {name: KINDS[name](clock, options.seed) for name in options.beside}
        org, portal = Org(clock, seed=options.seed), Portal(clock, seed=options.seed, portal_id=PORTAL_ID)
        return cls(clock, org, portal, beside)

    def dump(self) -> dict[str, Any]:
        """Of all of them, at one instant."""
        beside = {name: companion.dump() for name, companion in self.beside.items()}
        return {"salesforce": self.org.dump(), "hubspot": self.portal.dump(), "clock": self.clock.dump(), **beside}

    def load(self, state: Mapping[str, Any]) -> None:
        self.org.load(state["salesforce"])
        self.portal.load(state["hubspot"])
        for name, companion in self.beside.items():
            companion.load(state[name])

    def fill(self, options: Options) -> None:
        """With a new world."""
        world = make_world(options.seed, options.people, self.clock.now())
        beside = self.beside.values()
        linked = seed(world, self.org, self.portal, lambda *told: any(each.takes(*told) for each in beside))
        for companion in beside:
            companion.populate(world, linked)
            if not options.bare:
                companion.furnish()
        if options.bare:
            strip(self.org, self.portal)


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


def opened(options: Options, state: dict[str, Any] | None, directory: Path) -> Stores:
    """The world of the snapshot, or a new one. Raises `CannotStart`."""
    if state is None:
        stores = Stores.empty(Clock(options.now), options)
        with _without_collector():
            stores.fill(options)
    else:
        asked = (options.seed, options.people, sorted(options.beside))
        held = (state["seed"], state["people"], sorted(state.get("with", ())))
        if asked != held:
            words = [f"seed {seed}, {people} people, with {', '.join(beside) or 'no others'}"
                     for seed, people, beside in (held, asked)]  # fmt: skip
            raise CannotStart(
                f"{directory} holds a world of {words[0]}; not of {words[1]}: give the same --seed, --people and "
                "--with, or another --directory"
            )
        stores = Stores.empty(Clock.load(state["clock"]), options)
        with _without_collector():
            stores.load(state)
    stores.org.visibility = stores.portal.index_lag = options.visibility
    return stores
