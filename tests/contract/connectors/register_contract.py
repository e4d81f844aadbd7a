"""Reading by reference, which every CRM connector keeps: the census of an object and the rows of given ids."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from connectors.port import Page, Tier
from connectors.quota import Lane
from connectors.records import AccountRecord, LeadRecord, RecordRef
from tests.contract.connectors.crm_practice import (
    NOW_ON,
    Learning,
    Practice,
    deletions,
    drain,
    refs,
    roll,
)

HOUR = timedelta(hours=1)


class RegisterContract:
    """A part of `CrmContract`."""

    @pytest.fixture
    def practice(self) -> Practice:
        raise LookupError("a subclass provides the practice CRM")

    def test_a_census_names_every_row_once_whatever_the_cursors_have_seen(self, practice: Practice) -> None:
        made = practice.populate()
        more = practice.add_people(25)
        practice.clock.advance(NOW_ON)
        crm = practice.open(page_size=7)
        found = [ref for object in crm.objects for ref in roll(crm, object)]
        assert sorted(found) == sorted({*made.people, *made.accounts, *more})

    def test_a_census_leaves_out_what_is_gone(self, practice: Practice) -> None:
        gone, winner, loser, stays = practice.add_people(4)
        practice.delete(gone)
        winner = practice.merge(winner, loser)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        assert set(roll(crm, stays.object)) == {winner, stays}

    def test_rows_fetched_are_the_rows_pulled(self, practice: Practice) -> None:
        made = practice.populate()
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        pages = [
            page for stream in crm.streams if stream.tiers == frozenset(Tier) for page in drain(crm, stream.name, None)
        ]
        fetched = [
            crm.fetch([ref for ref in (*made.people, *made.accounts) if ref.object == object]) for object in crm.objects
        ]
        assert all(page.done for page in fetched)
        assert by_ref(fetched) == by_ref(pages)

    def test_a_window_brings_what_was_changed_in_it_and_ends(self, practice: Practice) -> None:
        practice.add_people(1)
        practice.clock.advance(HOUR)
        since = practice.clock.now()
        practice.clock.advance(HOUR)
        inside = practice.add_people(5)
        practice.clock.advance(HOUR)
        until = practice.clock.now()
        practice.clock.advance(HOUR)
        practice.add_people(1)
        practice.clock.advance(NOW_ON)
        gate = Learning()
        crm = practice.open(gate=gate, page_size=2)
        cursor = crm.window(practice.people_stream, since, until)
        if cursor is None:
            pytest.skip("it is read as a whole")
        crm.census(crm.objects[0], None)
        gate.entered.clear()
        pages = drain(crm, practice.people_stream, cursor)
        assert sorted(refs(pages)) == sorted(inside)
        assert not any(page.backfill for page in pages)
        assert set(gate.entered) == {Lane.REFRESH}

    def test_rows_that_are_gone_are_fetched_as_deletions(self, practice: Practice) -> None:
        gone, first, second, third, stays = practice.add_people(5)
        practice.delete(gone)
        last = practice.merge(practice.merge(second, third), first)
        practice.clock.advance(NOW_ON)
        page = practice.open().fetch([gone, third, stays])
        assert refs([page]) == [stays]
        found = deletions([page])
        assert {ref: removal.merged_into for ref, removal in found.items()} == {gone: None, third: last}
        assert len(practice.open().fetch([])) == 0

    def test_an_erasure_is_told_from_a_deletion(self, practice: Practice) -> None:
        erased, deleted, stays = made = practice.add_people(3)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        cursors = {stream.name: drain(crm, stream.name, None)[-1].cursor for stream in crm.streams}
        practice.erase(erased)
        practice.delete(deleted)
        practice.clock.advance(NOW_ON)
        crm = practice.open()
        pages = [page for name, cursor in cursors.items() for page in drain(crm, name, cursor)]
        pages.append(crm.fetch(sorted({*made} - set(roll(crm, stays.object)))))  # as whoever compares finds them
        told = [gone for page in pages for gone in page.deletions]
        assert {gone.ref for gone in told if gone.erased} == {erased}
        assert {gone.ref for gone in told} == {erased, deleted}
        anew = [page for stream in crm.streams for page in drain(practice.open(), stream.name, None)]
        assert set(refs(anew)) == {stays}

    def test_a_census_and_a_fetch_are_refreshes(self, practice: Practice) -> None:
        (ref,) = practice.add_people(1)
        practice.clock.advance(NOW_ON)
        gate = Learning()
        crm = practice.open(gate=gate)
        roll(crm, ref.object)
        crm.fetch([ref])
        assert set(gate.entered) == {Lane.REFRESH}


def by_ref(pages: Sequence[Page]) -> dict[RecordRef, LeadRecord | AccountRecord]:
    records = [record for page in pages for part in (page.leads, page.accounts) for record in part]
    return {record.ref: record for record in records}
