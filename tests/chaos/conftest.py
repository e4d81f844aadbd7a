"""The whole product as processes: practice CRMs, workers and beat, that a test may kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from sqlalchemy import Engine, create_engine

from tests.integration.cli import forks
from tests.integration.cli.forks import Ended

PYTHON = sys.executable


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition, looking ten times a second. `seconds` is what a machine with much else to do may take."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)


UNLIMITED = {
    "salesforce": {"calls_per_second": 500},
    "hubspot": {"calls_per_10_seconds": 5000, "searches_per_second": 500},
}


class Practice:
    """The practice CRMs and their control routes."""

    def __init__(self, directory: Path, people: int, seed: int, *options: str) -> None:
        self._directory = directory
        self._command = ["--directory", str(directory), "--people", str(people), "--seed", str(seed)]
        self._log = (directory.parent / "practice.log").open("wb")
        self._start(*options)

    def _start(self, *options: str) -> None:
        command = [PYTHON, "-m", "sandbox", *self._command, *options]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        file = self._directory / "sandbox.json"
        until(lambda: file.exists() or self.process.poll() is not None, 60, "practice CRMs ready")
        self.told: dict[str, Any] = json.loads(file.read_text("utf-8"))

    def restart(self, *options: str) -> None:
        """Stop, and start again with the same world on the same ports, and these options."""
        before = {crm: self.url(crm) for crm in ("salesforce", "hubspot")}
        self.process.terminate()
        self.process.wait(20)
        self._start(*options)
        assert {crm: self.url(crm) for crm in before} == before, "another process took a port"

    def url(self, crm: str) -> str:
        return f"{self.told[crm]['url']}/sandbox"

    def get(self, crm: str, path: str) -> Any:
        response = requests.get(f"{self.url(crm)}/{path}", verify=self.told["ca"], timeout=10)
        response.raise_for_status()
        return response.json()

    def post(self, crm: str, path: str, body: Any) -> None:
        response = requests.post(f"{self.url(crm)}/{path}", json=body, verify=self.told["ca"], timeout=10)
        assert response.ok, response.text

    def clear_faults(self, crm: str) -> None:
        requests.delete(f"{self.url(crm)}/faults", verify=self.told["ca"], timeout=10).raise_for_status()

    def sources(self) -> list[dict[str, Any]]:
        salesforce, hubspot = self.told["salesforce"], self.told["hubspot"]
        return [
            {
                "kind": "salesforce",
                "name": "salesforce",
                "login_url": salesforce["login_url"],
                "ca_bundle": self.told["ca"],
                "settle": 1,
                "auth": {
                    "type": "jwt_bearer",
                    "consumer_key": salesforce["consumer_key"],
                    "username": salesforce["username"],
                    "private_key": {"file": salesforce["private_key_file"]},
                },
            },
            {
                "kind": "hubspot",
                "name": "hubspot",
                "host": hubspot["url"],
                "ca_bundle": self.told["ca"],
                "salesforce": "salesforce",
                "timings": {"every": 3, "settle": 1},
                "auth": {"type": "token", "token": {"env": "PRACTICE_TOKEN"}},
            },
        ]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


class Product:
    """Processes of the product on one database, one Redis and the practice CRMs."""

    def __init__(self, home: Path, practice: Practice, database_url: str, redis_url: str, broker_url: str) -> None:
        home.mkdir(exist_ok=True)
        self.config: dict[str, Any] = {
            "home": str(home),
            "sources": practice.sources(),
            "plan_every": 1,
            "verify_after": 1,
            "lease": 12,
            "partitions": 4,
        }
        self.configure()
        self.environment = {
            **os.environ,
            "LEADGAUGE_CONFIG": str(home / "leadgauge.yaml"),
            "LEADGAUGE_DATABASE_URL": database_url,
            "LEADGAUGE_REDIS_URL": redis_url,
            "LEADGAUGE_BROKER_URL": broker_url,
            "PRACTICE_TOKEN": practice.told["hubspot"]["token"],
        }
        self.log = (home.parent / "product.log").open("ab")
        self.running: list[subprocess.Popen[bytes]] = []

    def hurry(self, hurried: bool = True) -> None:
        """At the pace of CRMs without limits, which they are while they are calm; or else at the usual one."""
        for source in self.config["sources"]:
            for name, rate in UNLIMITED[source["kind"]].items():
                source.pop(name, None)
                if hurried:
                    source[name] = rate
        self.configure()

    def configure(self) -> None:
        """Write `config` down: for processes that start from now on."""
        (Path(self.config["home"]) / "leadgauge.yaml").write_text(yaml.safe_dump(self.config), "utf-8")

    def run(self, *arguments: str, **environment: str) -> Ended:
        """A command to its end."""
        return forks.run(arguments, self.environment | environment, Path.cwd(), within=280)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [PYTHON, "-m", "worker", *arguments],
            env=self.environment | environment,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL a worker with all its children, as a machine that loses power does."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def stop(self) -> None:
        for process in self.running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.running.clear()
        self.log.close()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The database of the product, for the eyes of the test."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def practice(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Practice]:
    """With further options of `python -m sandbox` where a test names some."""
    (tmp_path / "practice").mkdir()
    practice = Practice(tmp_path / "practice", 80, 11, *getattr(request, "param", ()))
    yield practice
    practice.stop()


@pytest.fixture
def product(
    tmp_path: Path, practice: Practice, database_url: str, redis_url: str, broker_url: str
) -> Iterator[Product]:
    product = Product(tmp_path / "home", practice, database_url, redis_url, broker_url)
    yield product
    product.stop()
