"""Settings of one practice Amplitude server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class AmplitudeServer:
    """How one server answers; limits are the vendor's unless a test makes them smaller.

    One server plays all three hosts of a region. `eu`: without the User Profile API. `profiles_per_minute` None: no
    limit. `export_bytes`, `export_hours`: more than that is a 400, or a 504.
    """

    api_key: str = field(default="a" * 32, repr=False)
    secret_key: str = field(default="b" * 32, repr=False)
    app_id: int = 153_957
    eu: bool = False
    batch_bytes: int = 20 * 2**20
    batch_events: int = 2_000
    http_bytes: int = 2**20
    batch_rate: int = 1_000
    http_rate: int = 30
    daily_events: int = 500_000
    updates_per_hour: int = 1_800
    profiles_per_minute: int | None = None
    export_latency: timedelta = timedelta(hours=2)
    export_bytes: int = 4 * 2**30
    export_hours: int = 365 * 24
    cohort_ids: int = 100_000
