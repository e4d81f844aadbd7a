"""The sandbox as a child process, and clients on it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce  # type: ignore[attr-defined]

from sandbox.__main__ import main

START_WITHIN = 60.0
STOP_WITHIN = 30.0


class Rehosted(HTTPAdapter):
    """Sends what is meant for Salesforce to the sandbox: the one thing that differs from the real service."""

    def __init__(self, url: str, ca: str) -> None:
        super().__init__()
        self._to = urlsplit(url)
        self._ca = ca

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["verify"] = self._ca  # REQUESTS_CA_BUNDLE would win over the session's own
        parts = urlsplit(str(request.url))
        request.url = urlunsplit(parts._replace(scheme=self._to.scheme, netloc=self._to.netloc))
        return super().send(request, *args, **kwargs)


class Sandbox:
    """A running sandbox."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.address: dict[str, Any] = json.loads((directory / "sandbox.json").read_text())

    @property
    def ca(self) -> str:
        return str(self.address["ca"])

    def call(self, crm: str, method: str, path: str, body: Any = None) -> requests.Response:
        """One request, on a connection of its own."""
        url = self.address[crm]["url"] + path
        with requests.Session() as session:
            return session.request(method, url, json=body, verify=self.ca, timeout=20)

    @contextmanager
    def salesforce(self) -> Iterator[Any]:
        """simple-salesforce (its attributes are untyped), logged in with client credentials.

        Unlike a JWT, these do not depend on the time of this machine.
        """
        account = self.address["salesforce"]
        with requests.Session() as session:
            session.mount("https://", Rehosted(account["url"], self.ca))
            yield Salesforce(
                consumer_key=account["consumer_key"],
                consumer_secret=account["consumer_secret"],
                domain="practice.my",
                version=account["api_version"],
                session=session,
            )

    def stop(self) -> tuple[int, str]:
        """Exit status after SIGTERM, and what was said on stderr."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=STOP_WITHIN)
        return self.process.returncode, errors


@contextmanager
def running(directory: Path, *arguments: str) -> Iterator[Sandbox]:
    """A sandbox that is ready; killed at the end if it has not been stopped."""
    process = launch(directory, *arguments)
    watchdog = threading.Timer(START_WITHIN, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise AssertionError(f"the sandbox did not start: {process.communicate()[1]}")
        watchdog.cancel()
        yield Sandbox(process, directory)
    finally:
        watchdog.cancel()
        if process.poll() is None:
            process.kill()
        process.communicate()


def launch(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """`python -m sandbox` with a small world."""
    command = [sys.executable, "-m", "sandbox", "--directory", str(directory), "--people", "60", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def refusal(directory: Path, *arguments: str) -> tuple[int, list[str]]:
    """Exit status and lines on stderr of a sandbox that must not start: in this process, as it holds nothing then."""
    with redirect_stderr(StringIO()) as errors:
        try:
            status = main(["--directory", str(directory), "--people", "60", *arguments])
        except SystemExit as end:  # of what is no option
            status = int(end.code or 0)
    return status, errors.getvalue().splitlines()
