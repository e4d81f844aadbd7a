"""The one table of paths: each area of the API under its old and its dated prefix."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """v1-v4 paths, or the date-based ones."""

    LEGACY = "legacy"
    DATED = "dated"


_DATES = ("2026-03", "2026-09")


def _dated(pattern: str) -> tuple[tuple[Family, str], ...]:
    return tuple((Family.DATED, pattern.format(date)) for date in _DATES)


PREFIXES: dict[str, tuple[tuple[Family, str], ...]] = {
    "objects": ((Family.LEGACY, "/crm/v3/objects"), *_dated("/crm/objects/{}")),
    "object_associations": ((Family.LEGACY, "/crm/v4/objects"), *_dated("/crm/objects/{}")),
    "associations": ((Family.LEGACY, "/crm/v4/associations"), *_dated("/crm/associations/{}")),
    "properties": ((Family.LEGACY, "/crm/v3/properties"), *_dated("/crm/properties/{}")),
    "pipelines": ((Family.LEGACY, "/crm/v3/pipelines"), *_dated("/crm/pipelines/{}")),
    "owners": ((Family.LEGACY, "/crm/v3/owners"), *_dated("/crm/owners/{}")),
    "account": ((Family.LEGACY, "/account-info/v3"), *_dated("/account-info/{}")),
    "oauth": ((Family.LEGACY, "/oauth/v1"), (Family.LEGACY, "/oauth/v3"), *_dated("/oauth/{}")),
    # These have no dated path.
    "private_apps": ((Family.LEGACY, "/oauth/v2/private-apps"),),
    "forms": ((Family.LEGACY, "/marketing/v3/forms"),),
    "submissions": ((Family.LEGACY, "/form-integrations/v1/submissions/forms"),),
    "email_events": ((Family.LEGACY, "/email/public/v1/events"),),
}
"""Area -> (family, prefix); the map is that of the vendor's versioning guide."""
