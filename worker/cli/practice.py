"""The practice CRMs as the demo uses them: a process of its own, spoken to over the network like any other CRM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from worker.embedded import EmbeddedError

READY_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Act:
    """Something a prospect just did. `hidden`: how long the CRM itself takes to show it."""

    kind: str
    at: datetime
    hidden: timedelta


class Practice:
    """The process behind `python -m sandbox`, and where it listens."""

    def __init__(self, directory: Path, people: int, seed: int, *, live: bool) -> None:
        self._directory = directory
        self._arguments = ["--directory", str(directory), "--people", str(people), "--seed", str(seed)]
        self._arguments += ["--live"] if live else []
        self._process: subprocess.Popen[bytes] | None = None
        self._told: dict[str, Any] = {}

    def start(self) -> None:
        """Start them and wait until they answer. Raises `EmbeddedError` with what they said if they do not."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._end_leftover()
        log = self._directory / "practice.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "sandbox", *self._arguments]
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        deadline = time.monotonic() + READY_WITHIN
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise EmbeddedError(f"the practice CRMs did not start: {''.join(said) or 'no word from them'}")
            time.sleep(0.1)

    @property
    def _address_file(self) -> Path:
        return self._directory / "sandbox.json"

    def _ready(self) -> bool:
        assert self._process is not None
        try:
            told = json.loads(self._address_file.read_text("utf-8"))
        except (OSError, ValueError):
            return False
        self._told = told if told.get("pid") == self._process.pid else {}
        return bool(self._told)

    def _end_leftover(self) -> None:
        """A demo that was killed leaves them behind, holding their ports."""
        try:
            told = json.loads(self._address_file.read_text("utf-8"))
            requests.get(f"{told['hubspot']['url']}/sandbox/health", verify=told["ca"], timeout=2).raise_for_status()
            os.kill(told["pid"], signal.SIGTERM)
        except (OSError, ValueError, KeyError):  # requests' errors are OSErrors
            return
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                os.kill(told["pid"], 0)
            except OSError:
                return
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()

    @property
    def authority(self) -> str:
        return str(self._told["ca"])

    def url(self, source: str) -> str:
        return f"{self._told[source]['url']}/sandbox/"

    def page(self, source: str, object: str, key: str) -> str:
        return f"{self.url(source)}record/{object}/{key}"

    def sources(self) -> list[dict[str, Any]]:
        """The `sources` of a configuration that talks to them, secrets in files of their own."""
        salesforce, hubspot = self._told["salesforce"], self._told["hubspot"]
        token = self._directory / "hubspot.token"
        token.touch(mode=0o600)
        token.write_text(hubspot["token"], "utf-8")
        return [
            {
                "kind": "salesforce",
                "name": "salesforce",
                "login_url": salesforce["login_url"],
                "ca_bundle": self._told["ca"],
                "api_version": salesforce["api_version"],
                "settle": 5,
                "time_zone": "Europe/Berlin",
                # Fields of the practice org that only its admin knows the meaning of.
                "attributes": {
                    "budget": "Budget__c",
                    "timeline": "Timeline__c",
                    "need": "Need__c",
                    "authority": "Authority__c",
                },
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
                "ca_bundle": self._told["ca"],
                "salesforce": "salesforce",
                "timings": {"every": 10, "settle": 5},
                "auth": {"type": "token", "token": {"file": str(token)}},
            },
        ]

    def act(self, source: str, email: str, now: Callable[[], datetime]) -> Act:
        """Let a prospect do something in that CRM."""
        kind = "content_download"
        response = requests.post(
            f"{self.url(source)}activity", json={"email": email, "kind": kind}, verify=self.authority, timeout=10
        )
        response.raise_for_status()
        return Act(kind, now(), timedelta(seconds=float(self._told.get("visibility", 0))))
