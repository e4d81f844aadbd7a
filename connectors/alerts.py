"""Tasks for the owners of hot leads: how a person configures them, and what a CRM that can make them promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from connectors.records import Alert, AlertResult


class AlertSettings(BaseModel):
    """A task for the owner of whoever enters `entering`, a stage or a bucket, once for each time.

    `a_day`: no more than so many in 24 hours; whoever comes after them gets none, and `explain` says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    entering: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "mql"
    subject: Annotated[str, Field(min_length=1, max_length=120)] = "New hot lead"
    due_days: Annotated[int, Field(ge=0, le=90)] = 1
    a_day: Annotated[int, Field(ge=1, le=10_000)] = 200


@runtime_checkable
class Alerting(Protocol):
    """A `Crm` that can give people tasks, or run leads through a campaign that tells them."""

    def alert(self, alerts: Sequence[Alert]) -> Sequence[AlertResult]:
        """Make a task for the owner of each record, one result an alert and in their order, at most `ALERTS` of them.

        One that was `tried` is looked for first, deleted and done ones included, by its record and its mark, and made
        only where there is none. A record without an owner who is a person is `REFUSED` and says so. No attempt is
        repeated within the call: what nobody can tell is `UNRESOLVED`, and what is `RETRY` was not made.
        """


ALERTS = 100
"""Alerts that a call may carry."""
