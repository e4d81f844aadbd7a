"""A database of one's own, and its reader of columns."""

from __future__ import annotations

from collections.abc import Iterator

import adbc_driver_postgresql.dbapi as adbc
import pytest
from sqlalchemy import Engine

from worker.store import database
from worker.store.arrow import open_arrow


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def arrow(engine: Engine) -> Iterator[adbc.Connection]:
    with open_arrow(database.libpq(engine)) as connection:
        yield connection
