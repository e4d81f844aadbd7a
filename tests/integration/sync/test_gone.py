"""A write finds its record gone: whoever was erased is erased here, and nobody is forgotten for being away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from connectors.errors import Transient
from connectors.port import Page
from connectors.records import Deletion, RecordRef
from tests.integration.sync.conftest import World
from worker.sync.apply import apply
from worker.sync.pull import pull
from worker.writeback.push import push


@dataclass
class Asked:
    """The practice org, which says this of what became of records."""

    crm: Any
    erased: bool = False
    busy: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.crm, name)

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        if self.busy:
            raise Transient("acme", "later")
        return Page({}, True, deletions=[Deletion(ref, datetime.fromisoformat("2026-03-02T12:00Z"), erased=self.erased)
                                         for ref in refs])  # fmt: skip


def forget(connection: Connection, gone: Sequence[Deletion], now: datetime) -> None:
    apply(connection, Page({}, True, deletions=gone), now)


@pytest.mark.parametrize(
    ("said", "records", "living"),
    [({"erased": True}, 0, 0), ({"erased": False}, 1, 0), ({"busy": True}, 1, 1)],
    ids=["erased", "deleted", "not to be asked now"],
)
def test_what_became_of_a_record_that_a_write_misses_is_asked(
    world: World, said: dict[str, bool], records: int, living: int
) -> None:
    (lead,) = world.org.add_people(1)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    world.intend(lead)
    world.org.delete(lead)
    assert push(world.holder(), Asked(world.crm, **said), timedelta(0), forget) is not None
    assert world.number("SELECT count(*) FROM record") == records
    assert world.number("SELECT count(*) FROM record WHERE deleted_at IS NULL") == living
    assert world.number("SELECT count(*) FROM ledger WHERE state = 'intended'") == 0, "and it is not tried again"
