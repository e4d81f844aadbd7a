"""Tables of several files, companies, and people who asked to be forgotten."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import Misconfigured
from connectors.files.crm import FilesCrm
from connectors.files.settings import FilesSettings
from connectors.port import Cursor, Page, Tier
from connectors.records import Deletion, FieldWrite, RecordRef, ScoreField

MARCH = datetime(2026, 3, 2, tzinfo=UTC)


def write(path: Path, *rows: str) -> None:
    path.write_text("\n".join(rows) + "\n")
    os.utime(path, (MARCH.timestamp(),) * 2)


def opened(folder: Path, mapping: str = "leads: {file: 'leads-*.csv'}", page_size: int = 5000) -> FilesCrm:
    write(folder / "mapping.yaml", mapping)
    given = {"kind": "files", "name": "export", "directory": folder, "page_size": page_size}
    return FilesCrm(FilesSettings.model_validate(given))


def drain(crm: FilesCrm, stream: str, cursor: Cursor | None = None) -> list[Page]:
    pages: list[Page] = []
    while not pages or not pages[-1].done:
        pages.append(crm.pull(stream, pages[-1].cursor if pages else cursor, Tier.COMPLETE))
        assert len(pages) < 100
    return pages


def ids(pages: Sequence[Page]) -> list[str]:
    return [lead.ref.id for page in pages for lead in page.leads]


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Two files with their columns in another order, the second with an empty one behind it."""
    write(tmp_path / "leads-1.csv", "id,created_at", "a,2026-01-01", "b,2026-01-02", "c,2026-01-03")
    write(tmp_path / "leads-2.csv", "created_at,id", "2026-01-04,d", "2026-01-05,e")
    write(tmp_path / "leads-3.csv", "id,created_at")
    return tmp_path


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 5, 100])
def test_files_of_one_pattern_are_read_as_one_whatever_the_page(several: Path, page_size: int) -> None:
    crm = opened(several, page_size=page_size)
    pages = drain(crm, "leads")
    assert ids(pages) == list("abcde")
    assert [lead.created_at.day for page in pages for lead in page.leads] == [1, 2, 3, 4, 5]
    counted: list[RecordRef] = []
    cursor: Cursor | None = None
    for _ in range(10):
        census = crm.census("leads", cursor)
        counted, cursor = [*counted, *census.refs], census.cursor
        if census.done:
            break
    assert [ref.id for ref in counted] == list("abcde")
    asked = [RecordRef("export", "leads", id) for id in "eax"]
    page = crm.fetch(asked)
    assert sorted(ids([page])) == ["a", "e"]
    assert [gone.ref.id for gone in page.deletions] == ["x"]


def test_a_further_file_brings_its_rows_alone(several: Path) -> None:
    crm = opened(several)
    cursor = drain(crm, "leads")[-1].cursor
    write(several / "leads-0.csv", "id,created_at", "z,2026-01-01")
    later = drain(crm, "leads", cursor)
    assert ids(later) == ["z"]
    (several / "leads-1.csv").unlink()
    gone = [each.ref.id for page in drain(crm, "leads", later[-1].cursor) for each in page.deletions]
    assert sorted(gone) == ["a", "b", "c"]


def test_errors_name_the_file_and_the_row_there(several: Path) -> None:
    write(several / "leads-2.csv", "created_at,id", "2026-01-04,d", "soon,e")
    with pytest.raises(Misconfigured, match=r"leads-2\.csv, row 3, column 'created_at'"):
        drain(opened(several), "leads")
    write(several / "leads-2.csv", "created_at,id", "2026-01-04,a")
    with pytest.raises(Misconfigured, match=r"rows 2 of leads-1\.csv and 2 of leads-2\.csv have the same id"):
        drain(opened(several), "leads")
    pages = drain(opened(several, "leads: {file: 'leads-*.csv', duplicates: last}"), "leads")
    assert [(lead.ref.id, lead.created_at.day) for page in pages for lead in page.leads] == [
        ("a", 4),
        ("b", 2),
        ("c", 3),
    ]
    write(several / "leads-2.csv", "made,id", "2026-01-04,d")
    with pytest.raises(Misconfigured, match=r"leads-2\.csv.* has no column 'created_at'"):
        drain(opened(several), "leads")


def test_a_pattern_that_finds_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no name matches the pattern"):
        drain(opened(tmp_path), "leads")
    assert [problem.code for problem in opened(tmp_path).check()] == ["file"]


@pytest.mark.parametrize("name", ["a" * 300 + ".csv", "a" * 300 + "*.csv"])
def test_a_name_that_is_too_long_for_a_file_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match=r"too long|no such file"):
        drain(opened(tmp_path, f"leads: {{file: '{name}'}}"), "leads")


def test_what_is_written_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "people.csv", "id,created_at", "a,2026-01-01")
    crm = opened(tmp_path, "leads: {file: '*.csv'}")
    crm.push([FieldWrite(RecordRef("export", "leads", "a"), {ScoreField.SCORE: 1})])
    assert (tmp_path / "scored.csv").exists()
    assert ids(drain(crm, "leads")) == ["a"]
    assert [problem for problem in crm.check() if problem.fatal] == []


def test_companies_come_with_their_people(tmp_path: Path) -> None:
    write(tmp_path / "leads.csv", "id,created_at,company", "a,2026-01-01,A1", "b,2026-01-02,")
    write(
        tmp_path / "accounts.csv",
        "id,created_at,name,staff,industry",
        "A1,2025-01-01,Acme,1200,",
        "A2,2025-01-01,Bolt,x,",
    )
    mapping = """
leads: {file: leads.csv, columns: {account: company}}
accounts: {file: accounts.csv, columns: {name: name}, attributes: {employees: staff, industry: industry}}
"""
    crm = opened(tmp_path, mapping)
    (page,) = drain(crm, "leads")
    one, two = page.leads
    assert (one.account, two.account) == (RecordRef("export", "accounts", "A1"), None)
    (page,) = drain(crm, "accounts")
    assert [(each.ref.id, each.name, each.attributes) for each in page.accounts] == [
        ("A1", "Acme", {"employees": 1200}), ("A2", "Bolt", {}),
    ]  # fmt: skip
    assert crm.objects == ["leads", "accounts"]
    assert [ref.id for ref in crm.census("accounts", None).refs] == ["A1", "A2"]
    assert crm.fetch([RecordRef("export", "accounts", "A1")]).accounts == [page.accounts[0]]
    with pytest.raises(Misconfigured, match="no object 'deals'; there is leads, accounts"):
        crm.census("deals", None)


def test_who_is_on_the_list_is_forgotten_for_good(tmp_path: Path) -> None:
    write(tmp_path / "leads.csv", "id,created_at", "a,2026-01-01")
    write(tmp_path / "forgotten.csv", "person,when", "b,2026-02-01T10:00:00Z", "c,")
    mapping = "{leads: {file: leads.csv}, erasures: {file: forgotten.csv, columns: {id: person, erased_at: when}}}"
    crm = opened(tmp_path, mapping)
    pages = drain(crm, "erasures")
    ref = RecordRef("export", "leads", "b")
    assert [gone for page in pages for gone in page.deletions] == [
        Deletion(ref, datetime(2026, 2, 1, 10, tzinfo=UTC), erased=True),
        Deletion(RecordRef("export", "leads", "c"), MARCH, erased=True),
    ]
    write(tmp_path / "forgotten.csv", "person,when", "c,", "d,")
    later = drain(crm, "erasures", pages[-1].cursor)
    assert [gone.ref.id for page in later for gone in page.deletions] == ["d"]
