"""What administrators add and integrations trip over: validation rules, flows, assignment rules, row locks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.salesforce.table import Row

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """Refuses a save when `violated(row)` holds, with the administrator's own message, shown at `field` if given."""

    object: str
    message: str
    violated: Callable[[Row], bool]
    field: str | None = None


class FlowFailure(Exception):
    """A flow or trigger that fails the save of a record; the text is what the API shows."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Runs after an API save of `object` as `run(org, before, after)`; may change records or raise FlowFailure."""

    object: str
    run: Callable[[Org, Row | None, Row], None]


class Automation:
    """The org's rules. All empty at first."""

    def __init__(self) -> None:
        self.validation_rules: list[ValidationRule] = []
        self.flows: list[Flow] = []
        self.lead_assignment: list[str] = []
        """Owners that the active lead assignment rule hands leads to, in turn; empty for no active rule."""
        self.most_at_once: dict[str, int] = {}
        """By object, how many rows its trigger can take in one transaction before it runs into a limit of Apex."""
        self.heavy: set[str] = set()
        """Ids of rows that take a trigger all of that limit by themselves."""
        self._assigned = 0
        self._locks: dict[str, int] = {}

    def lock(self, id: str, *, attempts: int = 1) -> None:
        """Let the next `attempts` API writes to a record fail for want of its lock."""
        self._locks[id] = attempts

    def is_locked(self, id: str) -> bool:
        """Whether this attempt meets a lock; uses up one of them."""
        left = self._locks.get(id, 0)
        if left:
            self._locks[id] = left - 1
        return left > 0

    def overruns(self, object: str, rows: Collection[str]) -> bool:
        """Whether the trigger of the object fails for all of these rows."""
        return len(rows) > self.most_at_once.get(object, len(rows)) or not self.heavy.isdisjoint(rows)

    def violation(self, object: str, row: Row) -> ValidationRule | None:
        return next((rule for rule in self.validation_rules if rule.object == object and rule.violated(row)), None)

    def next_lead_owner(self) -> str | None:
        """The next owner in turn, or None without an active rule."""
        if not self.lead_assignment:
            return None
        owner = self.lead_assignment[self._assigned % len(self.lead_assignment)]
        self._assigned += 1
        return owner
