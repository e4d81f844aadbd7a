"""Reading to the end in the foreground: from where it stood, beside workers, and not beyond what a person must mend."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from connectors.errors import AuthFailed
from tests.integration.setup.bench import HUBSPOT, Bench
from worker.bootstrap import Process
from worker.settings import ConfigurationError
from worker.setup.backfill import Backfill, begin
from worker.store import streams

CONTACTS = ("hs", "contacts")


@pytest.fixture
def process(well: Bench) -> Iterator[Process]:
    made = well.process()
    assert made.registered
    with made.engine.begin() as connection:
        connection.execute(text("UPDATE stream SET cursor = NULL, complete_at = NULL, due_at = now(), problem = NULL"))
    yield made
    made.close()


def read(work: Backfill) -> None:
    while work.left and work.step():
        work.look()


def test_every_stream_is_read_once_and_then_there_is_nothing_left(process: Process) -> None:
    work = begin(process, ["hs"], [], again=False)
    read(work)
    assert (work.left, work.problems) == ([], {})
    assert work.seen[CONTACTS] > 2, "two contacts, and what their properties held before"
    assert begin(process, ["hs"], [], again=False).left == []


def test_once_more_from_the_beginning_while_scores_go_on(process: Process) -> None:
    read(begin(process, ["hs"], ["contacts"], again=False))
    work = begin(process, ["hs"], ["contacts"], again=True)
    assert work.left == [CONTACTS]
    with process.engine.connect() as connection:
        standing = {its.name: its.complete_at for its in streams.status(connection) if its.source == "hs"}
    assert standing["contacts"] is not None, "whoever scores does not wait for it"
    read(work)
    assert (work.left, work.seen[CONTACTS] > 0) == ([], True)


def test_a_stream_that_is_none_is_refused(process: Process) -> None:
    with pytest.raises(ConfigurationError, match=r"no stream is called nope; there are .*contacts"):
        begin(process, ["hs"], ["nope"], again=False)


def test_what_a_worker_reads_is_left_to_it(process: Process) -> None:
    with process.engine.begin() as connection:
        lease = streams.take(connection, *CONTACTS, "worker", process.now(), timedelta(minutes=5), force=True)
    assert lease is not None
    assert begin(process, ["hs"], ["contacts"], again=True).held == [CONTACTS]
    work = begin(process, ["hs"], ["contacts"], again=False)
    assert not work.step(), "there is nothing to do but to wait"
    due = work.next_due()
    assert due is not None
    assert due > process.now() + timedelta(minutes=4)
    with process.engine.begin() as connection:
        streams.release(connection, lease, process.now(), process.now(), complete_at=process.now())
    work.look()
    assert work.left == [], "it is seen that the worker read it"


def test_a_source_that_a_person_must_mend_stops_no_other(well: Bench, process: Process) -> None:
    well.patch.setenv(HUBSPOT, "pat-revoked")
    work = begin(process, ["sf", "hs"], ["contacts", "tasks"], again=False)
    read(work)
    assert work.left == []
    assert work.problems.keys() == {"hs"}
    assert isinstance(work.problems["hs"], AuthFailed)
    assert work.seen[("sf", "contacts")] == 1
