"""The connection to PostgreSQL, and how rows get in and out in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError


class DatabaseError(Exception):
    """PostgreSQL cannot be used. The text says which one, what is wrong, and what to do; never a password."""


class BrokenUrl(DatabaseError):
    """The address itself is wrong: no use in trying again."""


IDLE = 60
"""Seconds. A transaction that does nothing for so long belongs to a process that was stopped or cut off, and the rows
that it locks would stop everybody: the server ends it."""


def connect(url: str) -> Engine:
    """An engine with a small pool; open one in each process, after the fork. Raises `BrokenUrl`."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise BrokenUrl(
            "LEADGAUGE_DATABASE_URL is no address of a database; write postgresql://USER@HOST:5432/DATABASE, the "
            "password after USER and a colon"
        ) from None
    if parsed.get_backend_name() != "postgresql":
        raise BrokenUrl(f"LEADGAUGE_DATABASE_URL names {parsed.get_backend_name()}; only postgresql:// is supported")
    if "@" in (parsed.host or ""):
        raise BrokenUrl("LEADGAUGE_DATABASE_URL has two @; in a password, write @ as %40, : as %3A and / as %2F")
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=4,
        max_overflow=4,
        pool_pre_ping=True,
        hide_parameters=True,  # they are people's data, and an error's text ends up in a log
        connect_args={
            "connect_timeout": 10,
            "application_name": "leadgauge",
            "options": f"-c timezone=UTC -c idle_in_transaction_session_timeout={IDLE * 1000:.0f}",
        },
    )


def ping(engine: Engine) -> None:
    """Raises `DatabaseError` when the server does not answer or does not let us in, `BrokenUrl` for unknown options."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except OperationalError as problem:
        reason = " ".join(str(problem.orig).split())
        raise DatabaseError(
            f"PostgreSQL ({_where(engine)}) does not answer: {reason}. Start it, or correct LEADGAUGE_DATABASE_URL"
        ) from None
    except ProgrammingError as problem:  # libpq's refusal of a URL's query
        reason = " ".join(str(problem.orig).split())
        raise BrokenUrl(f"LEADGAUGE_DATABASE_URL is not understood: {reason}") from None


def _where(engine: Engine) -> str:
    """Which database, without what may hold a secret."""
    url = engine.url
    host = url.host or url.query.get("host") or "the local socket"
    return f"host {host}, port {url.port or 5432}, database {url.database}, user {url.username}"


def libpq(engine: Engine) -> str:
    """The same database for clients that speak libpq (ADBC), password included."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def as_json(rows: Iterable[Mapping[str, Any]] | Iterable[str] | Mapping[str, Any]) -> str:
    """Rows as one parameter for `jsonb_to_recordset`: any number of rows, one statement, one plan."""
    return orjson.dumps(rows if isinstance(rows, Mapping) else list(rows), default=_plain).decode()


def as_array(ids: Iterable[int]) -> str:
    """Ids as one parameter for `CAST(... AS bigint[])`: of a list the driver looks at each member several times."""
    return f"{{{','.join(map(str, ids))}}}"


KEYS = "ARRAY(SELECT json_array_elements_text(CAST(:keys AS json)))"
"""SQL: the texts that `as_json` made the parameter `keys` of, for `= ANY`."""


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a row")
