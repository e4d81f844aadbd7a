from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Misconfigured
from connectors.records import EMAIL, ActivityKind, OutcomeStatus, RecordRef, RecordState
from tests.unit.connectors.files.conftest import Folder, Leads

pyarrow: Any = import_module("pyarrow")  # it ships no types
pyarrow_parquet: Any = import_module("pyarrow.parquet")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_what_an_excel_of_western_europe_writes(folder: Folder) -> None:
    folder.write(
        "mapping.yaml",
        """
time_zone: Europe/Berlin
leads:
  file: leads.csv
  encoding: cp1252
  decimal: ","
  dates: ["%d.%m.%Y %H:%M", "%d.%m.%Y"]
  nulls: [k. A.]
  columns: {id: Nr, created_at: Angelegt, modified_at: Geändert, email: E-Mail, name: Name, phone: Tel, state: Status}
  attributes: {budget: Budget, employees: Größe, opted_out: {column: Sperre, type: flag}, company: Firma,
               founded: {column: Gegründet, type: date}}
  states: {Konvertiert: converted}
""",
    )
    folder.write(
        "leads.csv",
        (
            "Nr;Angelegt;Geändert;E-Mail;Name;Tel;Status;Budget;Größe;Sperre;Firma;Gegründet;Notiz\r\n"
            '1;02.01.2026 04:04;03.01.2026;A@Acme.Test;Ä;+49;Konvertiert;1.234,50;1.200;yes;"Müller; ""Söhne""\r\nAG"'
            ";01.02.1990;x\r\n"
            "2;02.01.2026 04:04;;;;;;k. A.;;;;;\r\n"
        ).encode("cp1252"),
    )
    full, bare = folder.read().leads
    assert (full.email, full.name, full.state) == ("a@acme.test", "Ä", RecordState.CONVERTED)
    assert full.created_at == datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert full.modified_at == datetime(2026, 1, 3, 22, 59, 59, tzinfo=UTC), "a day counts from its end"
    assert full.attributes == {
        "budget": 1234.5, "employees": 1200, "opted_out": True, "company": 'Müller; "Söhne"\r\nAG',
        "founded": date(1990, 2, 1), "has_phone": True,
    }  # fmt: skip
    assert (bare.email, bare.state, bare.attributes) == (None, RecordState.OPEN, {"has_phone": False})
    assert bare.modified_at == bare.created_at


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_separators_and_marked_encodings_are_found_and_resumed_within(
    folder: Folder, separator: str, encoding: str
) -> None:
    declared = ", encoding: utf-16-le" if encoding == "utf-16-le" else ""
    folder.write("mapping.yaml", f"leads: {{file: leads.csv, attributes: {{title: Titel}}{declared}}}")
    rows = [["id", "created_at", "Titel"], *([f"{n}", "2026-01-02T03:04:05Z", f"Ä Ω ਊ {n}"] for n in range(20))]
    folder.write("leads.csv", "".join(separator.join(row) + "\n" for row in rows).encode(encoding))
    read = folder.read(page_size=3)
    assert read.pages == 7
    assert [lead.attributes["title"] for lead in read.leads] == [row[2] for row in rows[1:]]


FLAWS: list[tuple[str, str, str | bytes, list[str]]] = [
    ("a missing column", "", "id,createdat\n1,x\n", ["'created_at'", "did you mean 'createdat'", "it has: id"]),
    ("an empty file", "", "", ["is empty", "id, created_at"]),
    ("a ragged row", "", "id,created_at\n1,2026-01-01\n2\n", ["row 3", "1 cells, the header 2"]),
    ("an unclosed quote", "", 'id,created_at\n1,"2026\n2,2026\n', ["row 2", "is not CSV", "never closed"]),
    ("a date of no format", "", "id,created_at\n1,2026-01-01\n2,SECRET\n", ["row 3, column 'created_at'", "ISO"]),
    ("a date that is missing", "", "id,created_at\n1,\n", ["row 2", "column 'created_at'", "is empty"]),
    ("a year beyond", "", "id,created_at\n1,9999-12-31\n", ["row 2", "out of range"]),
    ("an id that is missing", "", "id,created_at\n1,2026-01-01\n,2026-01-01\n", ["row 3", "column 'id'", "is empty"]),
    ("an address for an id", "", "id,created_at\nSECRET@a.test,2026-01-01\n", ["row 2", "e-mail address"]),
    ("an endless id", "", f"id,created_at\n{'x' * 300},2026-01-01\n", ["row 2", "at most 255"]),
    ("an id that comes twice", "", "id,created_at\n1,2026-01-01\n2,2026-01-01\n1,2026-01-02\n",
     ["rows 2 and 4", "duplicates: last", "column 'id'"]),
    ("a column that comes twice", "", "id,created_at,id\n1,2026-01-01,2\n", ["'id' more than once"]),
    ("a NUL", "encoding: utf-16-le", "id,created_at\n1,2026-01-01\n\0,x\n".encode("utf-16-le"), ["row 3", "NUL"]),
    ("UTF-16 without a mark", "", "id,created_at\n1,2026-01-01\n".encode("utf-16-le"), ["NUL bytes", "utf-16-le"]),
    ("bytes of another encoding", "", "id,created_at\n1,2026-01-01\nMüller,SECRET\n".encode("cp1252"),
     ["row 3", "not UTF-8", "cp1252"]),
    ("bytes that cp1252 has not", "encoding: cp1252", b"id,created_at\n1\x81,2026-01-01\n", ["row 2", "not CP1252"]),
    ("half a character of UTF-16", "", b"\xff\xfei\x00d\x00,", ["not UTF-16-LE"]),
    ("a cell without end", "", "id,created_at\n" + "x" * 200_000 + ",\n", ["row 2", "field larger"]),
    ("a line without end", "", "id,created_at\n" + "x" * 1_100_000, ["row 2", "without a line break"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more", "content", "said"), FLAWS, ids=[flaw[0] for flaw in FLAWS])
def test_an_error_says_where_what_and_what_is_allowed(
    folder: Folder, name: str, more: str, content: str | bytes, said: list[str]
) -> None:
    folder.write("mapping.yaml", f"leads:\n  file: leads.csv\n  {more}")
    folder.write("leads.csv", content)
    with pytest.raises(Misconfigured) as raised:
        folder.read(page_size=2)
    message = str(raised.value)
    assert all(part in message for part in ["export: leads.csv", *said]), message
    assert "SECRET" not in message


def test_of_two_rows_with_one_id_the_later_can_be_taken(folder: Folder) -> None:
    folder.write("mapping.yaml", "leads: {file: leads.csv, duplicates: last, attributes: {title: t}}")
    folder.write("leads.csv", "id,created_at,t\n1,2026-01-01,a\n2,2026-01-01,b\n1,2026-01-01,c\n")
    assert [(lead.ref.id, lead.attributes["title"]) for lead in folder.read().leads] == [("1", "c"), ("2", "b")]


def test_an_attribute_that_cannot_be_read_is_left_out_and_told(folder: Folder) -> None:
    folder.write("mapping.yaml", "leads: {file: leads.csv, attributes: {employees: n, title: t}}")
    folder.write(
        "leads.csv", "id,created_at,n,t,x\n1,2026-01-01,7,a,\n2,2026-01-01,SECRET,b,\n3,2026-01-01,\u0663,b,\n"
    )
    assert [lead.attributes.get("employees") for lead in folder.read().leads] == [7, None, 3]
    ignored, left_out = folder.crm().check()
    assert (ignored.code, left_out.code, left_out.fatal) == ("columns_ignored", "values_left_out", False)
    assert "leads.csv, row 3, column 'n'" in left_out.what
    assert "SECRET" not in str(left_out)


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [("1,234.5", ".", 1234.5), ("1.234,5", ",", 1234.5), ("1 234", ",", 1234.0), ("-7", ".", -7.0), ("1e3", ".", 1e3),
     (".5", ".", 0.5), ("1,5", ".", None), ("1.5", ",", None), ("1.2.3", ".", None), ("nan", ".", None),
     ("1e999", ".", None), (".", ".", None), ("12,34,567", ".", None)],
)  # fmt: skip
def test_numbers_are_those_of_the_declared_notation(
    folder: Folder, text: str, decimal: str, number: float | None
) -> None:
    folder.write("mapping.yaml", f"leads: {{file: leads.csv, decimal: '{decimal}', attributes: {{budget: b}}}}")
    folder.write("leads.csv", f"id;created_at;b\n1;2026-01-01;{text}\n")
    (lead,) = folder.read().leads
    assert lead.attributes.get("budget") == number


ACTS = """
leads: {file: leads.csv}
activities:
  file: acts.csv
  columns: {email: mail, detail: page, seconds: s, amount: amount}
  types: [{pattern: ^buy, outcome: won}, {pattern: ^call, kind: inbound_call}, {pattern: noise, skip: true}]
outcomes: {file: deals.csv, columns: {id: id, created_at: began, amount: amount}, statuses: {Won!: won, Open: open}}
"""


def test_activities_and_deals(folder: Folder, leads: Leads) -> None:
    folder.write("mapping.yaml", ACTS)
    folder.write("leads.csv", leads("1"))
    folder.write(
        "acts.csv",
        "lead_id,mail,type,occurred_at,page,s,amount\n"
        "1,,Webinar_attendance,2026-01-02T03:04:05Z,Pricing,90,\n"
        "1,,call in,2026-01-02T03:04:05Z,,,\n"
        ",P@acme.test,page_view,2026-01-02T03:04:05Z,/x,,\n"
        "1,,buy,2026-01-02T03:04:05Z,,,9.5\n"
        "1,,noise,,,,\n"
        "1,,unheard of,,,,\n",
    )
    folder.write("deals.csv", "id,lead_id,outcome,occurred_at,began,amount\nD1,1,Won!,2026-02-01,2026-01-01,100\n")
    read = folder.read("activities")
    seminar, call, view = read.activities
    lead = RecordRef("export", "leads", "1")
    assert [act.kind for act in read.activities] == [
        ActivityKind.WEBINAR_ATTENDANCE, ActivityKind.INBOUND_CALL, ActivityKind.PAGE_VIEW,
    ]  # fmt: skip
    assert (seminar.people, seminar.detail, seminar.duration) == ((lead,), "Pricing", timedelta(seconds=90))
    assert (call.detail, call.occurred_at, call.recorded_at) == ("call in", AT, AT)
    assert view.people == (RecordRef("export", EMAIL, "p@acme.test"),)
    (sale,) = read.outcomes
    assert (sale.status, sale.amount, sale.closed_at, sale.people) == (OutcomeStatus.WON, 9.5, AT, (lead,))
    (deal,) = folder.read("outcomes").outcomes
    assert (deal.ref.id, deal.status, deal.stage, deal.amount) == ("D1", OutcomeStatus.WON, "Won!", 100.0)
    assert deal.created_at < deal.modified_at == deal.closed_at
    (untold,) = [problem for problem in folder.crm().check() if problem.code == "values_left_out"]
    assert "acts.csv, row 7" in untold.what
    assert "activities.types" in untold.fix


def test_an_unknown_outcome_is_an_error_that_lists_the_known_ones(folder: Folder, leads: Leads) -> None:
    folder.write("mapping.yaml", ACTS)
    folder.write("leads.csv", leads("1"))
    folder.write("acts.csv", "lead_id,mail,type,occurred_at,page,s,amount\n")
    folder.write("deals.csv", "id,lead_id,outcome,occurred_at,began,amount\nD1,1,Perhaps,2026-02-01,2026-01-01,100\n")
    with pytest.raises(Misconfigured, match=r"deals.csv, row 2, column 'outcome'.*'Won!', 'Open'"):
        folder.read("outcomes")


def test_the_same_act_twice_is_two_acts_whatever_the_order_of_the_rows(folder: Folder, leads: Leads) -> None:
    folder.write("mapping.yaml", "leads: {file: leads.csv}\nactivities: {file: acts.csv}\n")
    folder.write("leads.csv", leads("1"))
    same, other = "1,page_view,2026-01-02\n", "1,page_view,2026-01-03\n"
    folder.write("acts.csv", "lead_id,type,occurred_at\n" + same * 7 + other)
    first = folder.read("activities", page_size=3)
    assert len({act.ref for act in first.activities}) == 8
    folder.write("acts.csv", "lead_id,type,occurred_at\n" + same * 3 + other + same * 4)
    again = folder.read("activities", first.cursor, page_size=2)
    assert (again.activities, again.deletions) == ([], [])
    folder.write("acts.csv", "lead_id,type,occurred_at\n" + same * 6 + other)
    fewer = folder.read("activities", again.cursor, page_size=4)
    assert len(fewer.deletions) == 1
    assert fewer.deletions[0].ref in {act.ref for act in first.activities}


# -- Parquet ----------------------------------------------------------------------------------------------------------


def parquet(path: Path, rows: int = 12, group: int = 4, **columns: Any) -> None:
    table = {
        "id": pyarrow.array(range(rows)),
        "created_at": pyarrow.array([AT] * rows, pyarrow.timestamp("ns", "UTC")),
        **columns,
    }
    pyarrow_parquet.write_table(pyarrow.table(table), path, row_group_size=group)


def test_parquet_is_read_by_row_groups_with_its_own_types(folder: Folder) -> None:
    folder.write("mapping.yaml", "leads: {file: l.parquet, attributes: {employees: n, budget: d, vip: f, since: s}}")
    days = [date(2026, 1, 1)] * 12
    numbers: list[float | None] = [float("nan"), None, *range(10)]
    parquet(folder.directory / "l.parquet", n=numbers, d=[Decimal("1.50")] * 12,
            f=[True] * 12, s=days)  # fmt: skip
    read = folder.read(page_size=5)
    assert read.pages == 3
    assert [lead.ref.id for lead in read.leads] == [str(n) for n in range(12)]
    assert read.leads[0].attributes == {"budget": 1.5, "vip": True, "since": days[0]}
    assert read.leads[11].attributes["employees"] == 9
    assert read.leads[0].created_at == AT


def test_parquet_errors_name_the_row_too(folder: Folder) -> None:
    folder.write("mapping.yaml", "leads: {file: l.parquet}")
    late = pyarrow.array([*[0] * 11, 2**62], pyarrow.timestamp("us", "UTC"))
    parquet(folder.directory / "l.parquet", created_at=late)
    with pytest.raises(Misconfigured, match=r"l.parquet, row 12, column 'created_at'"):
        folder.read(page_size=5)
    parquet(folder.directory / "l.parquet", id=[[1]] * 12)
    with pytest.raises(Misconfigured, match=r"row 1, column 'id': is no text"):
        folder.read()
    whole = (folder.directory / "l.parquet").read_bytes()
    for content in (b"", b"PAR1", whole[:-20], whole[:40] + b"\xff" * 60 + whole[100:]):
        folder.write("l.parquet", content)
        with pytest.raises(Misconfigured, match=r"l\.parquet"):
            folder.read()
