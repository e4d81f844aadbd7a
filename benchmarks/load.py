"""An hour in which 50,000 leads change, half in Salesforce and half in HubSpot, both at their vendors' real limits.

The product's own plan, pulls, scoring, writes and proofs run in one process, on a clock of their own (`_stepped`); its
settings are the shipped ones. Latency is from the edit of a lead to its write verified, without the time that the CRM
itself takes to show the edit.

The fewest calls possible follow docs/connectors.md ("Calls per cycle"): one for each look that was made, with the pages
and hydrations of the rows that changed since the last, our own writes that come back included; the writes in full
batches; and of the people who changed a second pass, since a CRM shows rows late: each of them found once more when it
has settled, every five minutes in full pages. Whatever else losing nothing costs is not among them: overlaps, the
hourly reads of what is quiet, `getUpdated`, sweeps, descriptions, the day's calls.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from benchmarks._both import VISIBLE_AFTER
from benchmarks._stepped import CRMS, Practice, Running, Stepped, measured
from benchmarks.figure import Figure, peak_mib
from worker.settings import load
from worker.sync.pull import COMPLETE_EVERY

CHANGES = int(os.environ.get("LEADGAUGE_BENCH_CHANGES", "50000"))
PEOPLE = int(CHANGES * 0.6)
"""In each CRM."""
SETTLED = timedelta(minutes=30)
"""How long the product runs after its first load: what that wrote comes back, and is looked at a second time."""
SPAN = timedelta(minutes=float(os.environ.get("LEADGAUGE_BENCH_MINUTES", "60")))
GOAL = "queue drained; p95 under 120 s; at most 1.1 times the fewest calls; no 429 in 99.9 %"
MOST_SECONDS, MOST_CALLS, MOST_REFUSED = 120, 1.1, 0.001
ROWS = {"salesforce": (2000, (), 200), "hubspot": (200, (100, 1000), 100)}
"""Rows of a page, of each call that hydrates them (themselves, their links), and of a write."""
WHO = {("salesforce", "leads"), ("hubspot", "contacts")}


def run() -> Figure:
    """`ours` is the 95th percentile from change to verified in seconds, the baseline what is allowed."""
    found = measured("benchmarks.load", PEOPLE, {"changes": CHANGES})
    calls = sum(found["calls"][crm] for crm in CRMS)
    fewest = sum(found["fewest"].values())
    refused = found["calls"]["refused"] / calls
    return Figure(
        name="load",
        ours=found["p95"],
        baseline=MOST_SECONDS,
        unit="s",
        goal=GOAL,
        met=(
            found["left"] == 0 and found["p95"] <= MOST_SECONDS and calls <= MOST_CALLS * fewest
            and refused <= MOST_REFUSED
        ),
        peak_mib=found["peak_mib"],
        note=(
            f"{CHANGES:,} leads changed in {SPAN.total_seconds() / 60:.0f} min, {found['written']:,} of them worth a"
            f" write, {found['left']} left; "
            f"median {found['median']:.0f} s, beside {VISIBLE_AFTER.total_seconds():.0f} s until a CRM shows an edit; "
            + ", ".join(f"{crm} {found['calls'][crm]:,} calls, fewest {found['fewest'][crm]:,.0f}" for crm in CRMS)
            + f" (together {calls / fewest:.3f}); {found['calls']['refused']} answered 429; "
            f"{found['worked']:.0f} s of work"
        ),
    )  # fmt: skip


def measure(options: dict[str, Any]) -> None:
    """The measured process: load, settle, then the hour and its end."""
    process, practice = Stepped(load()), Practice(options["told"])
    process.migrate()
    assert process.registered
    running = Running(process, process.settings.plan_every)
    _settle(running)
    before, began = practice.calls(), process.now()
    running.looks.clear()
    planned = practice.change(began, SPAN.total_seconds(), options["changes"])
    worked = 0.0
    while process.now() < began + SPAN:
        running.leap_to_plan()
        since = process.now()
        running.turn()
        worked += (process.now() - since).total_seconds()
    after, looks = practice.calls(), dict(running.looks)
    for _ in range(60):  # ten minutes for the last of them
        if not _left(process):
            break
        running.leap_to_plan()
        running.turn()
    changed = {(crm, id): at for crm, id, at in planned}
    taken = sorted(_latencies(process, changed, began))
    written = {crm: _written(process, crm, began) for crm in CRMS}
    told = {
        "p95": taken[math.ceil(0.95 * len(taken)) - 1],
        "median": taken[len(taken) // 2],
        "written": len(taken),
        "left": _left(process),
        "calls": {name: after[name] - before[name] for name in after},
        "fewest": {crm: _fewest(looks, crm, options["changes"] // 2, written[crm]) for crm in CRMS},
        "worked": worked,
        "peak_mib": peak_mib(),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    process.close()


def _settle(running: Running) -> None:
    """Everything read, scored, written and proved, its echoes read as well, and nothing due but the next polls."""
    ended = None
    for _ in range(5000):
        running.leap_to_plan()
        running.turn()
        if ended is None and not _left(running.process):
            ended = running.process.now()
        if ended is not None and running.process.now() >= ended + SETTLED:
            return
    raise AssertionError("the first load does not end")


def _number(process: Stepped, query: str, **parameters: object) -> int:
    with process.engine.connect() as connection:
        return int(connection.execute(text(query), parameters).scalar_one())


def _left(process: Stepped) -> int:
    """People to score and writes to prove."""
    return _number(
        process,
        """SELECT (SELECT count(*) FROM person WHERE dirty_at IS NOT NULL OR scored_at IS NULL)
                + (SELECT count(*) FROM ledger WHERE state NOT IN ('verified', 'superseded'))
                + (SELECT count(*) FROM stream WHERE role = 'pull' AND complete_at IS NULL)""",
    )


def _latencies(process: Stepped, changed: dict[tuple[str, str], Any], began: Any) -> list[float]:
    """Seconds from when an edit showed to when the write that it caused was verified."""
    with process.engine.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT s.source, s.key, min(l.closed_at) AS closed_at FROM ledger l JOIN subject s ON s.id = l.subject_id
            WHERE l.state = 'verified' AND l.intended_at >= :began GROUP BY 1, 2
            """),
            {"began": began},
        ).all()
    return [
        (row.closed_at - changed[row.source, row.key] - VISIBLE_AFTER).total_seconds()
        for row in rows
        if (row.source, row.key) in changed
    ]


def _written(process: Stepped, source: str, began: Any) -> int:
    query = "SELECT count(*) FROM ledger WHERE source = :source AND intended_at >= :began AND state = 'verified'"
    return _number(process, query, source=source, began=began)


def _fewest(looks: Mapping[tuple[str, str], int], source: str, changed: int, written: int) -> int:
    """See the docstring of the module."""
    page, hydrations, push = ROWS[source]
    calls = math.ceil(written / push)
    for (crm, stream), made in looks.items():
        if crm != source:
            continue
        calls += made
        if (crm, stream) in WHO:
            rows = (changed + written) / made
            calls += made * (math.ceil(rows / page) - 1 + sum(math.ceil(rows / size) for size in hydrations))
            passes = SPAN / COMPLETE_EVERY
            calls += math.ceil(passes * math.ceil(changed / passes / page))
    return calls


if __name__ == "__main__":
    measure(json.loads(sys.argv[1]))
