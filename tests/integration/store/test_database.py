"""What every connection asks of the server."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from worker.store import database


def test_a_transaction_that_stands_still_is_ended(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "IDLE", 0.1)
    short = database.connect(database_url)
    with psycopg.connect(database.libpq(engine), autocommit=True) as watch, short.connect() as stopped:
        own = stopped.execute(text("SELECT pg_backend_pid()")).scalar_one()
        while watch.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (own,)).fetchone():
            pass
        with pytest.raises(DBAPIError):
            stopped.execute(text("SELECT 1"))
    short.dispose()


def test_it_is_given_a_minute(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "1min"
