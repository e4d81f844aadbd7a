"""The `leadgauge` command as a person runs it: a process with an environment and a configuration of its own."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import NullPool, create_engine, text

from tests.integration.cli import forks
from tests.integration.cli.forks import Ended
from tests.integration.sandbox.sandbox_process import Sandbox

Config = dict[str, Any]
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}")
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR")


def salesforce(sandbox: Sandbox, name: str = "salesforce", **changes: Any) -> Config:
    """A source that talks to the practice Salesforce, its secret in the environment."""
    told = sandbox.address["salesforce"]
    auth = {
        "type": "client_credentials",
        "consumer_key": told["consumer_key"],
        "consumer_secret": {"env": f"SECRET_{name.upper()}"},
    }
    return {
        "kind": "salesforce",
        "name": name,
        "login_url": told["login_url"],
        "ca_bundle": sandbox.ca,
        "settle": 0,
        "time_zone": "Europe/Berlin",
        "calls_per_second": 200,
        "auth": auth,
    } | changes


def hubspot(sandbox: Sandbox, name: str = "hubspot", **changes: Any) -> Config:
    """A source that talks to the practice HubSpot, its token in the environment."""
    return {
        "kind": "hubspot",
        "name": name,
        "host": sandbox.address["hubspot"]["url"],
        "ca_bundle": sandbox.ca,
        "timings": {"settle": 0},
        "calls_per_10_seconds": 2000,
        "searches_per_second": 100,
        "auth": {"type": "token", "token": {"env": f"SECRET_{name.upper()}"}},
    } | changes


def secrets(sandbox: Sandbox, suffix: str = "") -> dict[str, str]:
    """What the variables hold that `salesforce` and `hubspot` name."""
    return {
        f"SECRET_SALESFORCE{suffix}": sandbox.address["salesforce"]["consumer_secret"],
        f"SECRET_HUBSPOT{suffix}": sandbox.address["hubspot"]["token"],
    }


@dataclass(slots=True)
class Product:
    """A place to run the command in: `directory` holds its configuration and is where it runs."""

    directory: Path
    environment: dict[str, str]
    config: Config = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)

    def run(self, *arguments: str, config: Config | bytes | None = None, **environment: str) -> Ended:
        """A command to its end. Whatever happens, it shows no stack trace, no secret and nobody's address."""
        held = self.config if config is None else config
        body = held if isinstance(held, bytes) else yaml.safe_dump(held).encode()
        (self.directory / "configured.yaml").write_bytes(body)
        ended = forks.run(arguments, self._environment() | environment, self.directory, within=110)
        assert "Traceback" not in ended.said, ended.said
        assert not any(secret in ended.said for secret in self.hidden), "a secret was shown"
        assert not _ADDRESS.search(ended.said), "an address was shown"
        return ended

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name in _INHERITED}
        return inherited | {"LEADGAUGE_CONFIG": str(self.directory / "configured.yaml")} | self.environment

    def state(self) -> Any:
        """All that must not be lost: how far was read, who is known, how they stand, what was written, who decides."""
        engine = create_engine(
            self.environment["LEADGAUGE_DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool
        )
        with engine.connect() as connection:
            return connection.execute(
                text("""
                SELECT (SELECT jsonb_object_agg(source || '/' || name, cursor) FROM stream),
                       (SELECT array_agg(id ORDER BY id) FROM person),
                       (SELECT jsonb_object_agg(person_id, score) FROM score),
                       (SELECT jsonb_object_agg(id, state) FROM ledger),
                       (SELECT array_agg(revision ORDER BY revision) FROM policy),
                       (SELECT array_agg(revision ORDER BY revision) FROM rules)
                """)
            ).one()
