"""PostgreSQL read in columns, by ADBC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]


def open_arrow(uri: str) -> adbc.Connection:
    """An ADBC connection of its own, autocommit; close it."""
    connection = adbc.connect(uri, autocommit=True)
    execute(connection, "SET jit = off")  # wide scans of plain columns: compiling them costs a third of the read
    return connection


@contextmanager
def another(connection: adbc.Connection) -> Iterator[adbc.Connection]:
    """One more connection to the same database: for what another thread reads meanwhile."""
    with connection.adbc_clone() as other:
        execute(other, "SET jit = off")
        yield other


def execute(connection: adbc.Connection, statement: str) -> None:
    """A statement without rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def fetch(connection: adbc.Connection, query: str) -> pa.Table:
    """A query's rows in Arrow. Values stand in its text: the driver copies in bulk only when nothing is bound."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetch_arrow_table()


def put(connection: adbc.Connection, table: str, rows: pl.DataFrame) -> None:
    """Append rows to a table by COPY, or make one that lasts as long as the connection."""
    with connection.cursor() as cursor:
        cursor.adbc_ingest(table, rows.to_arrow(), mode="create_append", temporary=True)


def frame(table: pa.Table) -> pl.DataFrame:
    """The same memory as a frame."""
    made = pl.from_arrow(table, rechunk=False)
    assert isinstance(made, pl.DataFrame)
    return made
