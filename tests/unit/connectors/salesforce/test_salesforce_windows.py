from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.salesforce.values import instant
from connectors.salesforce.windows import ASK_EVERY, Coverage, Job, Place, keyset

START = datetime(2026, 3, 1, tzinfo=UTC)
instants = st.integers(0, 10**7).map(lambda seconds: START + timedelta(seconds=seconds))
maybe = st.none() | instants
ids = st.from_regex(r"00Q[a-zA-Z0-9]{15}", fullmatch=True)
places = st.builds(
    Place,
    since=maybe,
    until=maybe,
    after=st.none() | st.tuples(instants, ids),
    coverage=st.none() | st.builds(Coverage, instants, instants),
    fast=st.booleans(),
    job=st.none() | st.builds(Job, ids, locator=st.none() | ids, looks=st.integers(0, 9)),
    lost=st.integers(0, 3),
)


@given(places)
def test_a_cursor_survives_storage(place: Place) -> None:
    assert Place.of(json.loads(json.dumps(place.cursor()))) == place


def test_no_cursor_is_the_beginning_of_time() -> None:
    assert Place.of(None) == Place()


def evaluate(soql: str, rows: list[tuple[datetime, str]]) -> list[tuple[datetime, str]]:
    """The query's meaning, read from its text: bounds, order and limit."""
    kept = sorted(rows)
    for operator, literal in re.findall(r"(?<![(\w])SystemModstamp (>=|<) (\S+?)(?= |\)|$)", soql):
        at = instant(literal.replace("Z", "+00:00"))
        kept = [row for row in kept if (row[0] >= at if operator == ">=" else row[0] < at)]
    if found := re.search(r"\(SystemModstamp > (\S+) OR Id > '(\w+)'\)", soql):
        at = instant(found[1].replace("Z", "+00:00"))
        kept = [row for row in kept if row[0] > at or row[1] > found[2]]
    assert " ORDER BY SystemModstamp, Id LIMIT " in soql
    return kept[: int(soql.rpartition(" ")[2])]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4).map(lambda s: START + timedelta(seconds=s)), ids), unique=True, max_size=40
    ),
    limit=st.integers(1, 7),
    start=st.integers(0, 4),
    length=st.integers(0, 5),
)
def test_paging_shows_every_row_of_the_window_once_however_many_share_a_stamp(
    rows: list[tuple[datetime, str]], limit: int, start: int, length: int
) -> None:
    begin, until = START + timedelta(seconds=start), START + timedelta(seconds=start + length)
    seen: list[tuple[datetime, str]] = []
    after: tuple[datetime, str] | None = None
    while True:
        page = evaluate(keyset("Lead", ["Id"], start=begin, after=after, until=until, limit=limit), rows)
        seen += page
        if len(page) < limit:
            break
        after = page[-1]
    assert seen == sorted(row for row in rows if begin <= row[0] < until)


def test_the_query_as_it_goes_out() -> None:
    after = (START, "00Q000000000001AAA")
    soql = keyset("Lead", ["Id", "Email"], start=START, after=after, until=START + timedelta(hours=1), limit=2000)
    assert soql == (
        "SELECT Id, Email FROM Lead WHERE SystemModstamp >= 2026-03-01T00:00:00Z"
        " AND (SystemModstamp > 2026-03-01T00:00:00Z OR Id > '00Q000000000001AAA')"
        " AND SystemModstamp < 2026-03-01T01:00:00Z ORDER BY SystemModstamp, Id LIMIT 2000"
    )
    first = keyset("Lead", ["Id"], start=None, after=None, until=None, limit=5)
    assert first == "SELECT Id FROM Lead ORDER BY SystemModstamp, Id LIMIT 5"


@pytest.mark.parametrize(
    ("later", "stale"),
    [(timedelta(0), False), (ASK_EVERY - timedelta(seconds=1), False), (ASK_EVERY, True),
     (timedelta(seconds=-2), False), (-ASK_EVERY, True)],
    ids=str,
)  # fmt: skip
def test_coverage_is_asked_for_again_after_five_minutes_of_the_servers_time(later: timedelta, stale: bool) -> None:
    assert Coverage(START, START).stale(START + later) is stale
