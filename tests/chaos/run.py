"""One chaos run: the whole product as processes, both practice CRMs hostile, every fault there is, and the oracle."""

from __future__ import annotations

import random
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import psycopg
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from tests.chaos import oracle
from tests.chaos.conftest import Practice, Product
from tests.chaos.disturbances import CRMS, alone, disturb
from tests.chaos.faults import FAULTS
from tests.chaos.judge import judge
from tests.chaos.machine import Machine
from tests.chaos.proxy import proxied
from tests.chaos.running import LEASE, PEOPLE, ROLES, TEMPLATE, Run

PATIENCE = 1.0
"""Seconds that the product has between two faults to do something, at most."""
STUCK = 45.0
"""Seconds of a machine to itself in which nothing at all happened: then the product has come to rest."""
TIGHT = {
    "salesforce": {"bulk_from": 40, "bulk_page_size": 30, "page_size": 60},
    "hubspot": {"page_size": 40},
}
"""So small a world still takes bulk jobs and many pages."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `spoilt`: answers of the CRMs that the profile spoilt; `violation`: what the oracle found."""

    seed: int
    faults: dict[str, int]
    spoilt: int
    seconds: float
    violation: str | None


def execute(seed: int, machine: Machine, home: Path) -> Outcome:
    """Break everything once, and ask the oracle. Raises nothing that the product is to blame for."""
    began = time.monotonic()
    done: Counter[str] = Counter()
    spoilt, violation = 0, None
    with _prepared(seed, machine, home) as run:
        try:
            _break(run, random.Random(seed), done)
            spoilt = _calm(run)
            judge(run, home)
        except AssertionError as problem:
            violation = " ".join(str(problem).split())[:2000] or "an assertion without words"
        except Exception as problem:
            run.note(traceback.format_exc())
            violation = f"{type(problem).__name__}: {' '.join(str(problem).split())[:2000]}"
    return Outcome(seed, dict(sorted(done.items())), spoilt, round(time.monotonic() - began, 1), violation)


@contextmanager
def _prepared(seed: int, machine: Machine, home: Path) -> Iterator[Run]:
    database = f"chaos_{seed}"
    shutil.rmtree(home, ignore_errors=True)
    (home / "practice").mkdir(parents=True)
    sockets = home / "run"
    sockets.mkdir()
    run_directory = machine.place.run
    ways = {sockets / name: run_directory / name for name in (".s.PGSQL.5432", "valkey.sock")}
    machine.flush_redis()
    practice = Practice(home / "practice", PEOPLE, seed)
    addresses = machine.addresses
    here = [str(url).replace(_quoted(run_directory), _quoted(sockets)) for url in (
        machine.url(database), addresses.redis_url, addresses.broker_url
    )]  # fmt: skip
    product = Product(home / "home", practice, *here)
    product.config["lease"] = LEASE
    for source in product.config["sources"]:
        source |= TIGHT[source["kind"]]
    product.hurry()
    _make_template(machine, product)
    machine.new_database(database, TEMPLATE)
    machine.remember()
    try:
        with proxied(ways) as proxy, (home / "chaos.log").open("w") as diary:
            run = Run(machine, practice, product, proxy, database, diary)
            try:
                yield run
            finally:
                for role in list(run.processes):
                    run.end(role)
                product.stop()
    finally:
        practice.stop()
        machine.recover()
        for name in (database, f"{database}_fresh"):
            with suppress(psycopg.Error):
                machine.drop_database(name)


def _quoted(path: Path) -> str:
    return quote(str(path))


def _make_template(machine: Machine, product: Product) -> None:
    """A migrated database under the oracle's policy; once for all runs."""
    with machine.connect() as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            return
    machine.new_database(TEMPLATE)
    url = machine.url(TEMPLATE)
    for command in (("migrate",), ("policy", "set", *oracle.NEUTRAL)):
        ended = product.run(*command, LEADGAUGE_DATABASE_URL=url)
        assert ended.code == 0, ended.err


def _break(run: Run, dice: random.Random, done: Counter[str]) -> None:
    """Every fault there is as often as it wants to be, in any order, each while something is being done."""
    names = [name for name, fault in FAULTS.items() for _ in range(fault.often)]
    names = [name for name in names if run.machine.small_disk or not FAULTS[name].needs_disk]
    dice.shuffle(names)
    if dice.random() < 0.5:  # else the faults fall into the first read
        run.note("the first read, undisturbed")
        ended = run.product.run("sync", "--once")
        assert ended.code in (0, 1), ended.said
    run.product.hurry(False)
    for crm in CRMS:
        run.practice.post(crm, "profile", {"name": "hostile", "seed": dice.randrange(10**6)})
    for role in ROLES:
        run.begin(role)
    _await_first_rows(run)
    disturbed, quiet = False, create_engine(run.url, poolclass=NullPool)
    for number, name in enumerate(names):
        before = run.mark()
        run.note(f"{before}: {name}")
        FAULTS[name].does(run, dice)
        done[name] += 1
        run.tend()
        run.rest(dice.uniform(0.1, 0.9))
        patience = time.monotonic() + PATIENCE
        while run.mark() == before and time.monotonic() < patience:
            run.rest(0.1)
        with suppress(psycopg.Error, DBAPIError):
            if not disturbed and number > len(names) // 3 and len(contacts := alone(quiet, "contacts", 4)) == 4:
                run.erased = _person(quiet, contacts[1])
                disturb(run.practice, contacts, alone(quiet, "Lead", 2))
                disturbed = True
            _act(run, dice, quiet)
            with quiet.begin() as connection:  # so that there is always something to be interrupted
                connection.execute(text("SET LOCAL lock_timeout = '1s'"))  # a worker that is stopped may hold the row
                connection.execute(text("UPDATE stream SET due_at = least(due_at, now()) WHERE role = 'pull'"))
    run.catch_up()
    run.machine.recover()
    run.tend()


def _await_first_rows(run: Run) -> None:
    """A fault that hits nobody at work proves nothing."""
    waited = 0.0
    while waited < 60:
        with suppress(psycopg.Error), run.machine.connect(run.database) as connection:
            row = connection.execute("SELECT count(*) FROM record").fetchone()
            if row and row[0]:
                return
        waited += _own_time(run, 0.1)
    raise AssertionError("nothing was read in a minute")


def _own_time(run: Run, seconds: float) -> float:
    """Rest, and tell for how long it would have been on a machine that nobody else uses: others may take most of this
    one, and what does not get to run has not come to rest."""
    began = time.monotonic()
    run.rest(seconds)
    burning, burnt = time.monotonic(), time.process_time()
    while time.process_time() - burnt < 0.01:
        pass
    share = 0.01 / (time.monotonic() - burning)
    return (time.monotonic() - began) * min(1.0, share)


def _person(engine: Engine, contact: str) -> list[str]:
    """What a contact is known by, as far as nobody else is: the address, and the name."""
    with engine.connect() as connection:
        row = connection.execute(
            text("""
            SELECT r.email, CASE WHEN (SELECT count(*) FROM record o WHERE o.name = r.name) = 1 THEN r.name END
            FROM subject s JOIN record r ON r.subject_id = s.id WHERE s.object = 'contacts' AND s.key = :key
            """),
            {"key": contact},
        ).one()
    return [word for word in row if word]


def _act(run: Run, dice: random.Random, engine: Engine) -> None:
    """People go on doing things: two of each CRM."""
    with engine.connect() as connection:
        for crm in CRMS:
            emails = connection.execute(
                text("""
                SELECT min(r.email) FROM record r JOIN subject s ON s.id = r.subject_id
                WHERE s.source = :source AND r.state = 'open' AND r.deleted_at IS NULL AND r.email IS NOT NULL
                GROUP BY lower(r.email) HAVING count(*) = 1 ORDER BY 1
                """),
                {"source": crm},
            ).scalars().all()  # fmt: skip
            for email in dice.sample(emails, min(2, len(emails))):
                kind = dice.choice(("content_download", "page_view"))
                with suppress(AssertionError):  # erased or merged meanwhile
                    run.practice.post(crm, "activity", {"email": email, "kind": kind})


def _calm(run: Run) -> int:
    """The CRMs behave again, and the product does by itself what was left; returns how many answers were spoilt."""
    spoilt: int = sum(rule["applied"] for crm in CRMS for rule in run.practice.get(crm, "faults"))
    for crm in CRMS:
        run.practice.post(crm, "profile", {"name": "calm"})
    then, before, rested = datetime.now(UTC), run.mark(), 0.0
    run.note("calm")
    while left := _due(run, then):
        run.tend()
        rested += _own_time(run, 0.25)
        now = run.mark()
        if now != before:
            before, rested = now, 0.0
        assert rested < STUCK, f"the product came to rest with {len(left)} things left to do: {left[:9]}"
    return spoilt


_DUE = """
    SELECT 'stream ' || source || '/' || name FROM stream
    WHERE role = 'pull' AND least(due_at, complete_due_at) < %(then)s
    UNION ALL
    SELECT 'ledger row ' || id FROM ledger WHERE state = 'intended' AND due_at < %(then)s
      AND NOT EXISTS (SELECT FROM stream s WHERE s.source = ledger.source AND s.role = 'push' AND s.due_at > now())
    UNION ALL
    SELECT 'person ' || id FROM person WHERE dirty_at < %(then)s
      AND NOT EXISTS (SELECT FROM stream WHERE role = 'pull' AND complete_at IS NULL AND problem IS NULL)
"""


def _due(run: Run, then: datetime) -> list[str]:
    """What was to be done by then and is not."""
    try:
        with run.machine.connect(run.database) as connection:
            return [str(row[0]) for row in connection.execute(_DUE, {"then": then})]
    except psycopg.OperationalError as problem:
        return [f"PostgreSQL: {problem}"]
