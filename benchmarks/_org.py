"""A large practice org in a process of its own: `python -m benchmarks._org DIRECTORY PEOPLE ACTIVITIES`.

Writes DIRECTORY/org.json (address, CA, credentials) once it answers, and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.clock import Clock
from sandbox.profiles import Bites
from sandbox.salesforce.app import build_app
from sandbox.salesforce.org import Org
from sandbox.salesforce.settings import SalesforceServer
from sandbox.server import make_server
from sandbox.tls import certificates

KEY, SECRET = "benchmark", "benchmark"
DAYS = 400
INDUSTRIES = ("Software", "Retail", "Banking", "Health", "Energy")
TITLES = ("CEO", "VP Sales", "Head of IT", "Engineering Manager", "Analyst", "Buyer")


def fill(org: Org, people: int, activities: int, now: datetime) -> None:
    """People and activities spread evenly over the past, in the order of time, ten people a company."""
    since = now - timedelta(days=DAYS)
    leads = []
    for i in range(people):
        fields: dict[str, Any] = {
            "FirstName": f"First{i}",
            "LastName": f"Last{i}",
            "Email": f"person{i}@company{i // 10}.example",
            "Company": f"Company {i // 10}",
            "Title": TITLES[i % len(TITLES)],
            "Industry": INDUSTRIES[i % len(INDUSTRIES)],
            "NumberOfEmployees": 10 + i % 5000,
            "Country": "Germany",
            "LeadSource": "Web",
        }
        leads.append(org.insert("Lead", fields, at=since + timedelta(seconds=86400 * DAYS * i / people)))
    for i in range(activities):
        fields = {"WhoId": leads[i * 7919 % people], "Subject": f"Call {i % 50}", "TaskSubtype": "Call"}
        at = since + timedelta(seconds=86400 * DAYS * (i + 1) / (activities + 1))
        org.insert("Task", {**fields, "Status": "Completed"}, at=at)


def main(directory: Path, people: int, activities: int) -> None:
    clock = Clock()
    trust = certificates(directory)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    url = f"https://localhost:{listener.getsockname()[1]}"
    org = Org(clock)
    gc.disable()  # millions of rows that live to the end
    fill(org, people, activities, datetime.now(UTC))
    app = build_app(org, SalesforceServer(base_url=url, consumer_key=KEY, consumer_secret=SECRET, daily_calls=10**9))
    server = make_server("salesforce", app, clock, trust.server_context(), Bites((), lambda on: None))
    told = {"url": url, "ca": str(trust.ca), "key": KEY, "secret": SECRET}
    (directory / "org.json.part").write_text(json.dumps(told))
    (directory / "org.json.part").rename(directory / "org.json")
    asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
