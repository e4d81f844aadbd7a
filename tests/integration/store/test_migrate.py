"""One release's code on the next one's schema: while workers are being replaced, both run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from worker.store import migrate


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, poolclass=NullPool)
    yield engine
    engine.dispose()


def advance(engine: Engine, compatible_since: str) -> None:
    """What a later release's migration leaves."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE compatible SET since = :since"), {"since": compatible_since})


def test_a_newer_schema_that_leaves_room_for_us_is_used_as_it_is(engine: Engine) -> None:
    advance(engine, compatible_since="0001")
    migrate.upgrade(engine)
    with engine.connect() as connection:
        assert not migrate.pending(connection)
        assert migrate.newer(connection)


def test_a_schema_that_left_us_behind_is_refused(engine: Engine) -> None:
    advance(engine, compatible_since="9998")
    with engine.connect() as connection, pytest.raises(migrate.TooNew, match="9999"):
        migrate.pending(connection)
    with pytest.raises(migrate.TooNew):
        migrate.upgrade(engine)


def test_our_own_schema_is_neither(engine: Engine) -> None:
    with engine.connect() as connection:
        assert not migrate.pending(connection)
        assert not migrate.newer(connection)
