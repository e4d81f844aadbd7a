"""Whatever somebody saves a spreadsheet as: a table, or a sentence that says what is wrong and what to do."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.features.feature import FeatureType
from worker.training.dataset import WIDEST, BadData, Dataset, dataset
from worker.training.files import BadFile, read

N = 60
Y = [n % 3 == 0 for n in range(N)]


def rows(header: str, row: str) -> str:
    """`row` with {n}, and the target at the end: a third of the rows converted."""
    return "\n".join([f"{header},y", *(f"{row.format(n=n, few=n % 4)},{int(y)}" for n, y in enumerate(Y))])


def opened(tmp_path: Path, raw: bytes | str) -> tuple[pl.DataFrame, str]:
    path = tmp_path / "leads.csv"
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return read(path)


def made(tmp_path: Path, raw: bytes | str, target: str = "y", **options: str) -> Dataset:
    return dataset(opened(tmp_path, raw)[0], target, **options)


UMLAUTS = rows("größe,straße", "{few},Müllerstraße {few}")


@pytest.mark.parametrize(
    ("raw", "how"),
    [
        (UMLAUTS.encode(), "UTF-8, separated by comma"),
        (UMLAUTS.encode("utf-8-sig"), "UTF-8, separated by comma"),
        (UMLAUTS.encode("utf-16"), "UTF-16-LE, separated by comma"),
        (UMLAUTS.encode("utf-16-be"), "UTF-16-BE, separated by comma"),
        (UMLAUTS.encode("cp1252"), "Windows-1252, separated by comma"),
        (UMLAUTS.replace(",", ";").encode("cp1252"), "Windows-1252, separated by semicolon"),
        (UMLAUTS.replace(",", "\t").encode(), "UTF-8, separated by tab"),
        (UMLAUTS.replace(",", "|").encode(), "UTF-8, separated by bar"),
        (UMLAUTS.replace("\n", "\r\n").encode(), "UTF-8, separated by comma"),
        (UMLAUTS.replace("\n", "\r").encode(), "UTF-8, separated by comma"),
    ],
)
def test_one_table_in_every_coat(tmp_path: Path, raw: bytes, how: str) -> None:
    frame, said = opened(tmp_path, raw)
    assert said.endswith(how)
    assert frame.columns == ["größe", "straße", "y"]
    assert frame.height == N
    assert frame["straße"][1] == "Müllerstraße 1"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,y\n", "has no rows"),
        (b"PK\x03\x04.....", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0....", "old Excel workbook"),
        (b"\x1f\x8b.....", "compressed with gzip; unpack it"),
        (b"ARROW1..", "Arrow or Feather"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "binary data"),
        (b"a,b,y\n" + b"1,x\0\0z,0\n" * 60, "binary data"),
        (b"PAR1 and nothing else", "not whole Parquet"),
        (b'[{"a": 1, "y": 0}]', "is JSON; save it as CSV"),
        (b'{"rows": []}', "is JSON"),
        (b"<html><table><tr><td>1</td></tr></table>", "web page"),
        (b"a,a,y\n1,2,0\n", "row 1: two columns are called 'a'"),
        (b"a,b,y\n1,2,0\n1,2\n", "row 3: has 2 cells, the header 3"),
        (b"a,b,y\n1,2,0\n\n1,2,3,4\n", "row 4: has 4 cells, the header 3"),
        (b'a,b,y\n1,"2,0\n1,2,0\n', "is one never closed?"),
        ("a,y\n1,0\n".encode("utf-16")[:-1], "not UTF-16-LE; save it as UTF-8"),
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, raw: bytes, said: str) -> None:
    with pytest.raises(BadFile, match=r"leads\.csv") as problem:
        opened(tmp_path, raw)
    assert said in str(problem.value)


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(BadFile, match="cannot be read"):
            read(path)


def test_quoted_cells_hold_separators_quotes_and_lines(tmp_path: Path) -> None:
    frame, _ = opened(tmp_path, 'a,"b ""x""",y\n"1,5","two\nlines",0\n"say ""hi""",,1\n')
    assert frame.columns == ["a", 'b "x"', "y"]
    assert frame.rows() == [("1,5", "two\nlines", "0"), ('say "hi"', None, "1")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_no_bytes_are_a_bug(tmp_path: Path, raw: bytes) -> None:
    with suppress(BadFile, BadData):
        frame, _ = opened(tmp_path, raw)
        assert len(dataset(frame, frame.columns[-1]).table) == frame.height


@pytest.mark.parametrize(
    ("cell", "kind", "first", "read_as"),
    [
        ("{n}.5", FeatureType.NUMBER, 0.5, "number"),
        ('"1.{n:03d},25 €"', FeatureType.NUMBER, 1000.25, "number"),
        ('"$1,{few}00"', FeatureType.NUMBER, 1000.0, "number"),
        ("{few}%", FeatureType.NUMBER, 0.0, "number"),
        ("{few}e3", FeatureType.NUMBER, 0.0, "number"),
        ("2026-03-{few}1", FeatureType.NUMBER, 20513.0, "date, as days since 1970"),
        ("1{few}.03.2026", FeatureType.NUMBER, 20522.0, "date, as days since 1970"),
        ("2026-03-01T0{few}:00:00+02:00", FeatureType.NUMBER, 20512 + 22 / 24, "date, as days since 1970"),
        ("plan {few}", FeatureType.CATEGORY, "plan 0", "category of 4"),
        ("😀{few}", FeatureType.CATEGORY, "😀0", "category of 4"),
    ],
)
def test_columns_are_read_as_what_they_are(
    tmp_path: Path, cell: str, kind: FeatureType, first: object, read_as: str
) -> None:
    found = made(tmp_path, rows("a", cell))
    assert found.table.features[0].type is kind
    assert found.columns[0].read_as == read_as
    value = found.table.frame["a"][0]
    assert value == (pytest.approx(first) if isinstance(first, float) else first)


def frame(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({**columns, "y": Y})


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (pl.Series([None] * N, dtype=pl.Float64), "empty in every row"),
        (pl.Series([float("nan")] * N), "empty in every row"),
        (pl.Series(["n/a", "-", ""] * 20), "empty in every row"),
        (pl.Series([5] * N), "the same in every row"),
        (pl.Series(range(N)), "an id"),
        (pl.Series([f"note {n}" for n in range(N)]), "free text or an id"),
        (pl.Series([[1]] * N), "lists and binary data"),
        (pl.Series([b"x"] * N), "lists and binary data"),
    ],
)
def test_columns_that_say_nothing_are_left_out_with_why(column: pl.Series, why: str) -> None:
    found = dataset(frame(a=column, b=pl.Series([n % 5 for n in range(N)])), "y")
    left = next(each for each in found.columns if each.name == "a")
    assert not left.used
    assert left.read_as.startswith(why)
    assert [feature.name for feature in found.table.features] == ["b"]


def test_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    day = [date(2026, 1, 1 + n % 28) for n in range(N)]
    whole = frame(
        day=pl.Series(day),
        price=pl.Series([str(n % 7) for n in range(N)]).cast(pl.Decimal(10, 2)),
        plan=pl.Series(["a", "b", "c"] * 20).cast(pl.Categorical),
        open=pl.Series([n % 2 == 0 for n in range(N)]),
        infinite=pl.Series([float("inf") if n % 9 == 0 else n % 5 for n in range(N)]),
    )
    buffer = io.BytesIO()
    whole.write_parquet(buffer)
    path = tmp_path / "leads.parquet"
    path.write_bytes(buffer.getvalue())
    found = dataset(read(path)[0], "y", time="day")
    kinds = {feature.name: feature.type for feature in found.table.features}
    assert kinds == {
        "price": FeatureType.NUMBER, "plan": FeatureType.CATEGORY, "open": FeatureType.FLAG,
        "infinite": FeatureType.NUMBER,
    }  # fmt: skip
    assert found.table.frame["infinite"].null_count() == len(range(0, N, 9))
    assert found.table.at is not None
    assert found.table.at[1] == np.datetime64("2026-01-02")


@pytest.mark.parametrize(
    ("target", "converted"),
    [
        (Y, "true"),
        ([int(y) for y in Y], "1"),
        ([float(y) for y in Y], "1.0"),
        (["yes" if y else "no" for y in Y], "yes"),
        (["Ja" if y else "Nein" for y in Y], "ja"),
        (["Closed Won" if y else "Closed Lost" for y in Y], "closed won"),
    ],
)
def test_the_value_that_means_converted_is_found_where_it_is_plain(target: list[object], converted: str) -> None:
    found = dataset(pl.DataFrame({"a": [n % 5 for n in range(N)], "y": target}), "y")
    assert found.converted == converted
    assert found.table.label.tolist() == Y


BAD: Mapping[str, tuple[dict[str, object], dict[str, object], str]] = {
    "one class": ({"y": [0] * N}, {}, "'y' is '0' in every row: there is nothing to tell apart"),
    "no target": ({"y": [None] * N}, {}, "'y' is empty in every row"),
    "another name": ({"Y": Y}, {}, "no column 'y' (did you mean 'Y'?)"),
    "three values": ({"y": list("abc") * 20}, {}, "Say --converted VALUE; it has 'a', 'b', 'c'"),
    "many values": ({"y": list(range(N))}, {}, "60 different values"),
    "another value": ({"y": Y}, {"converted": "won"}, "'y' is never 'won'"),
    "lists": ({"y": [[1]] * N}, {}, "'y' cannot be a target"),
    "few": ({"y": [n < 9 for n in range(N)]}, {}, "at least 10 of each are needed"),
    "no time": ({"y": Y, "t": ["soon"] * N}, {"time": "t"}, "'t' is no time"),
    "time of lists": ({"y": Y, "t": [[1]] * N}, {"time": "t"}, "'t' is no time"),
    "person of lists": ({"y": Y, "p": [[1]] * N}, {"person": "p"}, "cannot say whose row it is"),
    "all dropped": ({"y": Y}, {"drop": ["a"]}, "no column is left to learn from"),
    "unknown drop": ({"y": Y}, {"drop": ["b"]}, "no column 'b'"),
    "wide": ({"y": Y, **{f"c{n}": Y for n in range(WIDEST)}}, {}, "columns are more than"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_model_can_be_fitted_to_is_said(name: str) -> None:
    columns, options, said = BAD[name]
    with pytest.raises(BadData) as problem:
        dataset(pl.DataFrame({"a": [n % 5 for n in range(N)], **columns}), "y", **options)  # type: ignore[arg-type]
    assert said in str(problem.value)


@pytest.mark.parametrize(
    ("cell", "second"),
    [
        ("{day}", "2026-01-02T00:00:00"),
        ("{day}T10:00:00Z", "2026-01-02T10:00:00"),
        ("{day} 10:00:00", "2026-01-02T10:00:00"),
        ("{seconds}", "2023-11-14T22:13:21"),
        ("{seconds}000", "2023-11-14T22:13:21"),
    ],
)
def test_times_as_people_write_them(tmp_path: Path, cell: str, second: str) -> None:
    lines = [f"{n % 5},{cell.format(day=f'2026-01-{n % 28 + 1:02d}', seconds=1_700_000_000 + n)},{int(y)}"
             for n, y in enumerate(Y)]  # fmt: skip
    found = made(tmp_path, "\n".join(["a,t,y", *lines]), time="t")
    assert found.table.at is not None
    assert found.table.at[1] == np.datetime64(second)


def test_rows_without_target_or_time_are_left_out_and_said() -> None:
    found = dataset(
        pl.DataFrame(
            {
                "a": [n % 5 for n in range(N)],
                "t": [None, *["2026-01-01"] * (N - 1)],
                "y": [*map(int, Y[:-1]), None],
            }
        ),
        "y",
        time="t",
    )
    assert len(found.table) == N - 2
    assert found.notes == (
        "1 rows without a target in 'y' are left out", "1 rows without a time in 't' are left out",
    )  # fmt: skip


def test_rows_of_a_person_weigh_one_and_who_has_no_id_is_alone() -> None:
    found = dataset(
        frame(a=[n % 5 for n in range(N)], p=["x", "x", None, None, *map(str, range(N - 4))]), "y", person="p"
    )
    person, weight = found.table.person, found.table.weight
    assert person[0] == person[1]
    assert len(np.unique(person)) == N - 1
    assert weight.tolist() == [0.5, 0.5, *[1.0] * (N - 2)]
