from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import Transient
from connectors.port import Tier
from connectors.quota import Lane
from connectors.salesforce.bulk import BulkQueries, JobLost, rows_of
from connectors.salesforce.describe import Field, description
from connectors.salesforce.facts import Assembly
from connectors.salesforce.pull import Reader
from tests.unit.connectors.salesforce_stub import Asked, Reply, Stub, described, described_field

FIELDS = description(
    described(
        "Lead",
        described_field("Id", "id"),
        described_field("Title"),
        described_field("AnnualRevenue", "currency"),
        described_field("NumberOfEmployees", "int"),
        described_field("IsConverted", "boolean"),
        described_field("SystemModstamp", "datetime"),
        described_field("Address", "address"),
    )
).fields

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def chunks(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@given(rows=st.lists(st.tuples(texts, texts), max_size=12), size=st.integers(1, 40))
def test_any_text_comes_through_however_the_stream_is_cut(rows: list[tuple[str, str]], size: int) -> None:
    content = io.StringIO(newline="")
    writer = csv.writer(content, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("Title", "Other"), *rows])
    read = list(rows_of(chunks(content.getvalue().encode(), size), FIELDS))
    assert read == [{"Title": title or None, "Other": other or None} for title, other in rows]


CELLS: list[tuple[str, str, Any]] = [
    ("AnnualRevenue", "12500000.0", 12_500_000.0),
    ("AnnualRevenue", "1.25E7", 12_500_000.0),
    ("NumberOfEmployees", "0.0", 0),
    ("NumberOfEmployees", "many", "many"),
    ("IsConverted", "true", True),
    ("IsConverted", "false", False),
    ("SystemModstamp", "2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.000+0000"),
    ("Title", "null", "null"),
    ("Title", "N/A", "N/A"),
    ("Title", "nu\0ll", "null"),
    ("Title", "", None),
    ("NumberOfEmployees", "", None),
    ("Title", "x" * 200_000, "x" * 200_000),
]


@pytest.mark.parametrize(("name", "cell", "value"), CELLS, ids=[f"{name}-{cell[:12]!r}" for name, cell, _ in CELLS])
def test_a_cell_is_what_it_is_in_json(name: str, cell: str, value: Any) -> None:
    (row,) = rows_of([f'"{name}"\n"{cell}"\n'.encode()], FIELDS)
    assert row == {name: value}
    assert type(row[name]) is type(value)


def test_parents_are_nested_and_null_where_there_is_none() -> None:
    content = b'"Campaign.Name","Campaign.Type","Id"\n"Expo","","1"\n"","",""\n"","Fair","2"\n'
    assert [row.get("Campaign") for row in rows_of([content], {})] == [{"Name": "Expo"}, None, {"Type": "Fair"}]


@pytest.mark.parametrize("content", [b"", b'"Id"\n'], ids=["empty", "header only"])
def test_an_answer_without_rows_has_none(content: bytes) -> None:
    assert list(rows_of([content], FIELDS)) == []


def test_a_row_that_is_cut_off_is_not_taken_for_one() -> None:
    for content in (b'"Id","Title"\n"1"\n', b'"Id","Title"\n"1","half'):
        with pytest.raises(csv.Error):
            list(rows_of([content], FIELDS))


def piece(stub: Stub, content: bytes, **headers: str) -> Any:
    stub.answer = lambda asked: Reply(200, content, {"Content-Type": "text/csv", **headers})
    return BulkQueries(stub.session(), Lane.BACKFILL).piece("750", "abc", 10, FIELDS)


def test_without_a_locator_header_the_answer_ends(stub: Stub) -> None:
    assert piece(stub, b'"Id"\n"1"\n').locator is None
    assert piece(stub, b'"Id"\n"1"\n', **{"Sforce-Locator": "null"}).locator is None
    assert piece(stub, b'"Id"\n"1"\n', **{"Sforce-Locator": "def"}).locator == "def"
    assert stub.calls()[0].params == {"maxRecords": "10", "locator": "abc"}


def test_an_answer_of_another_length_than_announced_is_not_believed(stub: Stub) -> None:
    with pytest.raises(JobLost, match="announced"):
        piece(stub, b'"Id"\n"1"\n', **{"Sforce-NumberOfRecords": "2"})
    assert len(stub.calls()) > 1


def test_a_page_of_html_is_not_the_end(stub: Stub) -> None:
    with pytest.raises(Transient, match="else than CSV"):
        piece(stub, b"<html>Login | Salesforce</html>", **{"Content-Type": "text/html;charset=UTF-8"})


def test_a_locator_that_leads_to_itself_does_not_loop(stub: Stub) -> None:
    """The job is given up twice; then ordinary queries read the stream."""
    asked: list[str] = []

    def answer(one: Asked) -> Reply:
        asked.append(f"{one.method} {one.path.rpartition('/')[2]}")
        if one.path.endswith("/describe"):
            return Reply(200, described("Lead", *map(as_described, FIELDS.values()), replicateable=False))
        if one.path.endswith("/results"):
            return Reply(200, b'"Id"\n', {"Sforce-Locator": "loop", "Content-Type": "text/csv"})
        if "jobs/query" in one.path:
            return Reply(200, {"id": "750", "state": "JobComplete"})
        return Reply(200, {"records": [], "done": True, "totalSize": 1})

    stub.answer = answer
    settings, session = stub.settings(bulk_from=1), stub.session(bulk_from=1)
    reader = Reader(settings, session, Assembly(settings, session))
    page = reader.pull("leads", None, Tier.COMPLETE)
    while not page.done:
        page = reader.pull("leads", page.cursor, Tier.COMPLETE)
    assert asked.count("POST query") == 2
    queries = [one.body.decode() for one in stub.calls("jobs/query")]
    assert not any("Address" in query or "ORDER BY" in query for query in queries)


def as_described(field: Field) -> dict[str, Any]:
    return described_field(field.name, field.type)
