"""The first load of a large org: 200,000 people and 2,000,000 activities, from a practice org in its own process.

The baseline is a bare simple-salesforce client that downloads the same rows to disk, and one COPY plus one upsert of
each object into tables with the keys and indexes of ours. Ours is the product's own read of all streams: identity,
history and dirty marks included. Killed at a random moment, it goes on where it was.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml
from simple_salesforce.api import Salesforce
from sqlalchemy import text

from benchmarks.figure import Figure, peak_mib
from worker import embedded
from worker.store.database import connect, libpq
from worker.store.migrate import upgrade

PEOPLE, ACTIVITIES = 200_000, 2_000_000
GOAL = "at most 3 times bare download + COPY + upsert; served at 20,000 rows/s or more; 500 MiB; resumes"
MOST, ROWS_A_SECOND, MIB = 3.0, 20_000, 500
REREAD = 10_000
"""Rows that a load may read twice after it was killed: the page that it had not stored."""

QUERIES = {
    "Lead": "SELECT Id, Email, FirstName, LastName, Company, Title, Industry, NumberOfEmployees, Country, LeadSource, "
    "CreatedDate, SystemModstamp FROM Lead",
    "Task": "SELECT Id, WhoId, Subject, TaskSubtype, Status, CreatedDate, SystemModstamp FROM Task",
}
UPSERTS = {
    "Lead": """
        WITH loaded AS (
            INSERT INTO subject (source, object, key) SELECT 'bare', 'Lead', id FROM staging
            ON CONFLICT (source, object, key) DO UPDATE SET key = excluded.key RETURNING id, key
        )
        INSERT INTO record (subject_id, kind, email, name, attributes, created_at, modified_at, observed_at,
                            since)
        SELECT l.id, 'person', s.email, s.firstname || ' ' || s.lastname,
               jsonb_build_object('company', s.company, 'title', s.title, 'industry', s.industry,
                                  'employees', s.numberofemployees, 'country', s.country, 'lead_source', s.leadsource),
               s.createddate::timestamptz, s.systemmodstamp::timestamptz, s.systemmodstamp::timestamptz,
               s.systemmodstamp::timestamptz
        FROM staging s JOIN loaded l ON l.key = s.id
        ON CONFLICT (subject_id) DO UPDATE SET attributes = excluded.attributes, modified_at = excluded.modified_at
        """,
    "Task": """
        INSERT INTO activity (subject_id, source, object, key, kind, detail, occurred_at, known_at, observed_at)
        SELECT l.id, 'bare', 'Task', s.id, 'sales_call', s.subject, s.createddate::timestamptz,
               s.systemmodstamp::timestamptz, s.systemmodstamp::timestamptz
        FROM staging s JOIN subject l ON (l.source, l.object, l.key) = ('bare', 'Lead', s.whoid)
        ON CONFLICT (source, object, key, subject_id) WHERE retracted_at IS NULL
        DO UPDATE SET kind = excluded.kind, detail = excluded.detail, occurred_at = excluded.occurred_at
        """,
}


def run() -> Figure:
    """Serve, download bare, load bare; then ours; then ours killed and resumed."""
    home = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        with served(home / "org", PEOPLE, ACTIVITIES) as told:
            download = _download(told, home)
            copied = _load(home)
            ours = _pull(told, home, "whole")
            resumed = _killed_and_resumed(told, home, ours["seconds"])
    finally:
        embedded.remove(home / "servers")
        shutil.rmtree(home, ignore_errors=True)
    rows = PEOPLE + ACTIVITIES
    bare = download + copied
    met = (
        ours["seconds"] <= MOST * bare
        and rows / download >= ROWS_A_SECOND
        and ours["peak_mib"] <= MIB
        and resumed["before"] + resumed["again"] <= rows + REREAD
    )
    return Figure(
        name="backfill",
        ours=ours["seconds"],
        baseline=bare,
        unit="s",
        goal=GOAL,
        met=met,
        peak_mib=ours["peak_mib"],
        note=(
            f"{rows:,} rows; download {download:.0f} s at {rows / download:,.0f} rows/s, load {copied:.0f} s; "
            f"ours {rows / ours['seconds']:,.0f} rows/s; killed after {resumed['before']:,} rows, "
            f"read {resumed['again']:,} more ({resumed['before'] + resumed['again'] - rows:,} twice)"
        ),
    )


@contextmanager
def served(directory: Path, people: int, activities: int) -> Iterator[dict[str, str]]:
    """A practice org of this size in a process of its own: its address, CA and credentials."""
    directory.mkdir()
    command = [sys.executable, "-m", "benchmarks._org", str(directory), str(people), str(activities)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (directory / "org.json").exists():
            assert server.poll() is None, "the practice org did not start"
            time.sleep(0.2)
        yield json.loads((directory / "org.json").read_text())
    finally:
        server.kill()
        server.wait()


def _download(told: dict[str, str], home: Path) -> float:
    """Every row to disk by the bare client's Bulk API, as its documentation shows."""
    session = requests.Session()
    session.verify, session.trust_env = told["ca"], False
    form = {"grant_type": "client_credentials", "client_id": told["key"], "client_secret": told["secret"]}
    token = session.post(f"{told['url']}/services/oauth2/token", data=form, timeout=30).json()["access_token"]
    host = told["url"].removeprefix("https://")
    client = Salesforce(instance=host, session_id=token, session=session, version="62.0")
    began = time.perf_counter()
    for object, query in QUERIES.items():
        getattr(client.bulk2, object).download(query, str(_made(home / object)), max_records=50_000)
    return time.perf_counter() - began


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _load(home: Path) -> float:
    """One COPY and one upsert for each object, into an empty database of our schema."""
    engine = connect(database(home, "bare"))
    upgrade(engine)
    with psycopg.connect(libpq(engine)) as connection:
        began = time.perf_counter()
        for object, statement in UPSERTS.items():
            files = sorted((home / object).iterdir())
            columns = next(csv.reader(files[0].open(newline="")))
            connection.execute(f"CREATE TEMP TABLE staging ({', '.join(f'{c} text' for c in columns)})")
            with connection.cursor().copy("COPY staging FROM STDIN (FORMAT csv)") as copy:
                for file in files:
                    with file.open("rb") as lines:
                        lines.readline()
                        while block := lines.read(1 << 20):
                            copy.write(block)
            connection.execute(statement)
            connection.execute("DROP TABLE staging")
        connection.commit()
        seconds = time.perf_counter() - began
    engine.dispose()
    return seconds


def database(home: Path, name: str) -> str:
    """The address of a new, empty database."""
    addresses = embedded.start(home / "servers")
    with psycopg.connect(addresses.libpq_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return addresses.database_url.replace("/leadgauge?", f"/{name}?", 1)


def _pull(told: dict[str, str], home: Path, name: str) -> dict[str, Any]:
    """The product's own first load, in a process whose memory is its own."""
    process = _start(told, home, name, database(home, name))
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return dict(json.loads(said.splitlines()[-1]))


def source(told: dict[str, str]) -> dict[str, Any]:
    """The practice org as the configuration names it, without limits."""
    return {
        "kind": "salesforce",
        "name": "large",
        "login_url": told["url"],
        "ca_bundle": told["ca"],
        "settle": 0,
        "calls_per_second": 1000,
        "daily_calls": 10**9,
        "auth": {
            "type": "client_credentials",
            "consumer_key": told["key"],
            "consumer_secret": {"env": "BENCH_SECRET"},
        },
    }


def _start(told: dict[str, str], home: Path, name: str, url: str) -> subprocess.Popen[str]:
    addresses = embedded.start(home / "servers")
    config = home / f"{name}.yaml"
    config.write_text(yaml.safe_dump({"home": str(home / "servers"), "sources": [source(told)]}))
    environment = os.environ | {
        "LEADGAUGE_CONFIG": str(config),
        "LEADGAUGE_DATABASE_URL": url,
        "LEADGAUGE_REDIS_URL": addresses.redis_url,
        "BENCH_SECRET": told["secret"],
    }
    command = [sys.executable, "-m", "benchmarks.backfill"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _killed_and_resumed(told: dict[str, str], home: Path, seconds: float) -> dict[str, int]:
    """Kill the load at a random moment; what is read again when it goes on."""
    url = database(home, "killed")
    process = _start(told, home, "killed", url)
    time.sleep(seconds * random.uniform(0.4, 0.7))
    process.kill()
    process.communicate()
    engine = connect(url)
    with engine.begin() as connection:
        counts = (text(f"SELECT count(*) FROM {table}") for table in ("record", "activity"))
        before = sum(int(connection.execute(count).scalar_one()) for count in counts)
        connection.execute(text("UPDATE stream SET lease_until = NULL"))  # the dead owner's would end by itself
    again = _start(told, home, "killed", url)
    said, _ = again.communicate()
    assert again.returncode == 0, said
    with engine.connect() as connection:
        activities = int(connection.execute(text("SELECT count(*) FROM activity")).scalar_one())
    assert activities == ACTIVITIES, f"{activities} activities after the resumption"
    engine.dispose()
    return {"before": before, "again": int(json.loads(said.splitlines()[-1])["seen"])}


def pull_everything() -> None:
    """The measured process: every stream to its end, then what it took."""
    from worker.bootstrap import Process
    from worker.settings import load
    from worker.sync.pull import pull

    process = Process(load())
    process.migrate()
    assert process.registered
    crm = process.crm("large")
    began = time.perf_counter()
    seen = 0
    for stream in crm.streams:
        done = False
        while not done:
            pulled = pull(process.holder, crm, stream, force=True)
            assert pulled is not None
            assert pulled.problem is None, str(pulled.problem)
            seen += pulled.seen
            done = pulled.drained
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began, "seen": seen, "peak_mib": peak_mib()}) + "\n")
    process.close()


if __name__ == "__main__":
    pull_everything()
