"""The connection to PostgreSQL, and how rows get in and out in bulk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError


class DatabaseError(Exception):
    """PostgreSQL cannot be used. The text says which one, what is wrong, and what to do; never a password."""


def connect(url: str) -> Engine:
    """An engine with a small pool; open one in each process, after the fork. Raises `DatabaseError` on a broken URL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(
            "LEADGAUGE_DATABASE_URL is not a URL; write postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        ) from None
    if parsed.get_backend_name() != "postgresql":
        raise DatabaseError(
            f"LEADGAUGE_DATABASE_URL names {parsed.get_backend_name()}; only postgresql:// is supported"
        )
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=4,
        max_overflow=4,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "application_name": "leadgauge", "options": "-c timezone=UTC"},
    )


def ping(engine: Engine) -> None:
    """Raises `DatabaseError` when the server does not answer or does not let us in."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except OperationalError as problem:
        reason = " ".join(str(problem.orig).split())
        where = engine.url.render_as_string(hide_password=True)
        raise DatabaseError(f"PostgreSQL at {where} does not answer: {reason}") from None


def libpq(engine: Engine) -> str:
    """The same database for clients that speak libpq (ADBC), password included."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def as_json(rows: Iterable[Mapping[str, Any]] | Mapping[str, Any]) -> str:
    """Rows as one parameter for `jsonb_to_recordset`: any number of rows, one statement, one plan."""
    return json.dumps(rows if isinstance(rows, Mapping) else list(rows), default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a row")
