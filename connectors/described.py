"""CRMs whose fields have to be asked for: what is kept of them may be older than what another process knows."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Described(Protocol):
    """A `Crm` that goes for a while by what the CRM once said of its objects."""

    def look_again(self, object: str) -> None:
        """Ask the CRM anew before rows of the object are read next; costs no call by itself."""
