"""The one error of the embedded servers."""

from __future__ import annotations

INSTEAD = "or set LEADGAUGE_DATABASE_URL and LEADGAUGE_REDIS_URL to servers of your own"


class EmbeddedError(Exception):
    """The embedded servers cannot be used: the message says what is wrong, where, and what to do about it."""
