"""Settings of one practice Marketo server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.marketo.temper import Limits

ALL_PERMISSIONS = frozenset(
    {
        "Read-Only Lead", "Read-Write Lead", "Read-Only Activity", "Read-Write Activity", "Execute Campaign",
        "Read-Only Campaign", "Read-Only Assets", "Read-Write Schema Custom Field",
    }
)  # fmt: skip
"""What the role of an API user may hold, of the group Access API (vendor's page Custom Services)."""


@dataclass(frozen=True, slots=True)
class Service:
    """A custom service of LaunchPoint and the API-only user who owns it. It may write in these
    partitions only."""

    secret: str = field(repr=False)
    user: str = "leadgauge@acme.test"
    permissions: frozenset[str] = ALL_PERMISSIONS
    partitions: frozenset[str] = frozenset({"Default"})


CLIENT_ID = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True, slots=True)
class MarketoServer:
    """How one server answers. `services` by client id. Limits are off while None; usage is counted all the same."""

    services: Mapping[str, Service] = field(default_factory=lambda: {CLIENT_ID: Service("practice")}, repr=False)
    token_seconds: int = 3600
    limits: Limits = field(default_factory=Limits)
