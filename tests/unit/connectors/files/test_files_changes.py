from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import Misconfigured, Transient
from connectors.files.source import Stamp
from connectors.port import Tier
from connectors.records import LeadRecord, RecordRef
from tests.unit.connectors.files.conftest import Folder, Leads, Read

TITLES = "leads: {file: leads.csv, attributes: {title: t}}"


def held(folder: Folder, rows: dict[str, str]) -> None:
    folder.write("leads.csv", "id,created_at,t\n" + "".join(f"{id},2026-01-02,{title}\n" for id, title in rows.items()))


def ids(read: Read) -> list[str]:
    return [lead.ref.id for lead in read.leads]


def test_an_unchanged_file_is_not_read_again_and_a_touched_one_brings_nothing(folder: Folder, leads: Leads) -> None:
    folder.write("leads.csv", leads("1", "2"))
    first = folder.read()
    assert folder.read(cursor=first.cursor).cursor == first.cursor
    folder.write("leads.csv", leads("1", "2"))
    touched = folder.read(cursor=first.cursor)
    assert (touched.leads, touched.deletions) == ([], [])
    assert touched.cursor != first.cursor


def test_rows_that_vanished_are_deletions_and_one_that_returns_outlives_its_deletion(
    folder: Folder, leads: Leads
) -> None:
    folder.write("leads.csv", leads("1", "2", "3"))
    first = folder.read()
    folder.write("leads.csv", leads("1"))
    second = folder.read(cursor=first.cursor, page_size=1)
    assert (ids(second), [gone.ref.id for gone in second.deletions]) == ([], ["2", "3"])
    folder.write("leads.csv", leads("1", "2"))
    third = folder.read(cursor=second.cursor)
    assert ids(third) == ["2"]
    assert third.leads[0].modified_at > second.deletions[0].deleted_at


def test_a_changed_row_was_changed_when_its_file_was_exported(folder: Folder) -> None:
    folder.write("mapping.yaml", TITLES)
    held(folder, {"1": "a", "2": "b"})
    first = folder.read()
    held(folder, {"1": "a", "2": "c"})
    exported = datetime.fromtimestamp(os.stat(folder.directory / "leads.csv").st_mtime, UTC)
    (changed,) = folder.read(cursor=first.cursor).leads
    assert (changed.ref.id, changed.attributes["title"], changed.modified_at) == ("2", "c", exported)
    assert {lead.ref.id: lead.modified_at == exported for lead in folder.read().leads} == {"1": False, "2": True}


def test_a_mapping_that_says_something_else_makes_every_row_anew(folder: Folder) -> None:
    folder.write("mapping.yaml", "leads: {file: leads.csv}")
    held(folder, {"1": "a", "2": "b"})
    first = folder.read()
    folder.write("mapping.yaml", TITLES)
    assert [lead.attributes for lead in folder.read(cursor=first.cursor).leads] == [{"title": "a"}, {"title": "b"}]


def test_a_file_replaced_half_way_is_begun_again_and_nothing_is_missed(folder: Folder, leads: Leads) -> None:
    folder.write("leads.csv", leads(*"abcdef"))
    first = folder.read()
    folder.write("leads.csv", leads(*"abcdefgh"))
    half = folder.crm(page_size=7).pull("leads", first.cursor, Tier.COMPLETE)
    assert [lead.ref.id for lead in half.leads] == ["g"]
    folder.write("leads.csv", leads(*"Abcdefghi"))
    rest = folder.read(cursor=half.cursor, page_size=2)
    assert sorted(ids(rest)) == ["A", "g", "h", "i"], "g may have been lost with its page"
    assert [gone.ref.id for gone in rest.deletions] == ["a"]


def test_a_file_that_is_being_written_to_is_come_back_to(
    folder: Folder, leads: Leads, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("leads.csv", leads("1", "2") + "3,2026-0")
    from connectors.files.source import open_source as real

    def written_meanwhile(path: Path, table: Any) -> Any:
        source = real(path, table)
        folder.write("leads.csv", leads("1", "2", "3"))
        return source

    monkeypatch.setattr("connectors.files.parts.open_source", written_meanwhile)
    with pytest.raises(Transient) as raised:
        folder.read()
    assert raised.value.retry_after
    monkeypatch.undo()
    assert len(folder.read().leads) == 3


def test_without_its_state_a_folder_is_read_anew(folder: Folder, leads: Leads) -> None:
    folder.write("leads.csv", leads("1", "2"))
    first = folder.read()
    folder.close()
    for file in folder.directory.glob("*.state*"):
        file.unlink()
    page = folder.crm().pull("leads", first.cursor, Tier.COMPLETE)
    assert len(page.leads) == 2
    assert not page.backfill


def test_a_state_that_fell_behind_the_cursor_loses_nobody(folder: Folder, leads: Leads) -> None:
    folder.write("leads.csv", leads(*"abcdef"))
    first = folder.read(page_size=2)
    folder.write("leads.csv", leads(*"abcdefg"))
    crm = folder.crm(page_size=2)
    half = crm.pull("leads", crm.pull("leads", first.cursor, Tier.COMPLETE).cursor, Tier.COMPLETE)
    with sqlite3.connect(folder.directory / "scored.csv.state") as state:  # as after a power cut
        state.execute("UPDATE generations SET reached = 0 WHERE number = 2")
        state.execute("UPDATE rows SET seen = 1 WHERE seen = 2")
    state.close()
    rest = folder.read(cursor=half.cursor, page_size=2)
    assert (ids(rest), rest.deletions) == (["g"], [])


def test_a_damaged_state_is_told_with_its_cure(folder: Folder, leads: Leads) -> None:
    folder.write("leads.csv", leads("1"))
    folder.write("scored.csv.state", b"no database at all, but long enough to be taken for one" * 40)
    with pytest.raises(Misconfigured, match=r"scored\.csv\.state cannot be used.*delete it"):
        folder.read()


def test_a_first_load_is_history_to_its_end_and_later_reads_are_not(folder: Folder, leads: Leads) -> None:
    folder.write("leads.csv", leads("1", "2", "3"))
    crm = folder.crm(page_size=2)
    first = crm.pull("leads", None, Tier.COMPLETE)
    second = crm.pull("leads", first.cursor, Tier.COMPLETE)
    assert (first.backfill, second.backfill, second.done) == (True, True, True)
    assert not crm.pull("leads", second.cursor, Tier.COMPLETE).backfill


Version = dict[str, str]
versions = st.lists(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("xyz"), min_size=0), min_size=1, max_size=5
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=versions, size=st.integers(1, 4), stops=st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_whoever_applies_every_page_holds_what_the_file_holds(
    tmp_path_factory: pytest.TempPathFactory, versions: list[Version], size: int, stops: list[int]
) -> None:
    """Also when files are replaced half way, pages are pulled twice, or never applied and pulled again."""
    folder = Folder(tmp_path_factory.mktemp("law"))
    folder.write("mapping.yaml", TITLES)
    crm = folder.crm(page_size=size)
    known: dict[RecordRef, LeadRecord] = {}
    gone_at: dict[RecordRef, datetime] = {}
    cursor = None
    for version, stop in zip(versions, stops, strict=False):
        held(folder, version)
        pulls = 0
        while pulls < stop or version is versions[-1]:
            lost = crm.pull("leads", cursor, Tier.COMPLETE)  # its answer never arrived
            page = crm.pull("leads", cursor, Tier.COMPLETE)
            assert lost == page
            for lead in page.leads:
                before = known.get(lead.ref)
                assert before is None or lead.modified_at >= before.modified_at
                assert lead.ref not in gone_at or lead.modified_at > gone_at[lead.ref]
                known[lead.ref] = lead
            for gone in page.deletions:
                known.pop(gone.ref, None)
                gone_at[gone.ref] = gone.deleted_at
            cursor, pulls = page.cursor, pulls + 1
            if page.done:
                break
    assert {ref.id: lead.attributes["title"] for ref, lead in known.items()} == versions[-1]
    folder.close()


csv_like = st.lists(
    st.sampled_from(
        [b"id", b"created_at", b"t", b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b'"', b'""', b"1", b"2026-01-02",
         b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\0", b"\x81", b"\xc3", b"\xa4", b"\xd8\x00", b"'", b" ", b"PAR1"]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


@settings(max_examples=75, deadline=None)
@given(
    content=st.one_of(st.binary(max_size=200), csv_like, csv_like.map(lambda rest: b"id,created_at,t\n" + rest)),
    encoding=st.sampled_from(["", "encoding: cp1252", "encoding: utf-16-le", "separator: '|'", 'quote: "\'"']),
    name=st.sampled_from(["leads.csv", "leads.csv", "leads.parquet"]),
)
def test_any_bytes_are_a_result_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, encoding: str, name: str
) -> None:
    folder = Folder(tmp_path_factory.mktemp("fuzz"))
    folder.write("mapping.yaml", f"leads:\n  file: {name}\n  attributes: {{title: t}}\n  {encoding}\n")
    folder.write(name, content)
    leads: list[LeadRecord] = []
    said = f"{name}: ; "
    try:
        leads = folder.read(page_size=2).leads
    except Misconfigured as error:
        said = str(error)
    assert name in said
    assert "; " in said
    assert all(lead.created_at.utcoffset() == timedelta(0) and lead.ref.id for lead in leads)
    assert all(problem.fix for problem in folder.crm().check())
    folder.close()


def test_a_stamp_tells_versions_of_one_size_and_time_apart(tmp_path: Path) -> None:
    from connectors.files.source import stamp

    made: set[Stamp] = set()
    for content in (b"a" * 200_000, b"a" * 199_999 + b"b", b"b" + b"a" * 199_999):
        path = tmp_path / "f"
        path.write_bytes(content)
        os.utime(path, (1_772_000_000,) * 2)
        made.add(stamp(path))
    assert len(made) == 3


def test_what_another_process_holds_is_come_back_to(
    folder: Folder, leads: Leads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.files.state._WAIT", 0.01)
    folder.write("leads.csv", leads("1"))
    folder.read()
    other = sqlite3.connect(folder.directory / "scored.csv.state", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient, match="another process"):
        folder.read()
    other.execute("ROLLBACK")
    other.close()
    assert len(folder.read().leads) == 1
