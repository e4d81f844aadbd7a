"""Smart campaigns and static lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Campaign:
    """A smart campaign. `requestable`: it has the trigger Campaign is Requested with the source Web Service API.

    `rule`: `once` runs a lead through the flow the first time only, `any` each time. `runs` are the leads that went
    through the flow, with the tokens of the call; `scheduled` when batches are due. `sets` is its flow: fields it sets.
    """

    id: int
    name: str
    made: datetime
    type: str = "trigger"
    active: bool = True
    requestable: bool = True
    rule: str = "any"
    program: str = "Operational"
    sets: Mapping[str, object] = field(default_factory=dict)
    runs: list[tuple[int, datetime, Mapping[str, str]]] = field(default_factory=list)
    scheduled: list[datetime] = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.type == "batch":
            return "Never Run"
        return "Active" if self.active else "Inactive"


@dataclass(slots=True)
class StaticList:
    """Leads that somebody put together."""

    id: int
    name: str
    made: datetime
    members: set[int] = field(default_factory=set)
