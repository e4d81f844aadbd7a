"""Bring a database to the schema that this version needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

# Any constant will do: it names the lock that keeps two migrations of one database apart.
LOCK = 0x1EAD6A06E


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrate forward. Safe to run from several processes at once, and when there is nothing to do: a newer schema that
    this version works with stays. Raises `TooNew`."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        if revision == "head" and newer(connection):
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


class NotReady(Exception):
    """The database is not at this version's schema, or holds no policy yet. The text says what to run."""


class TooNew(NotReady):
    """A later version has migrated the database further than this one can follow."""


def pending(connection: Connection) -> bool:
    """True when the database is older than this version needs. Raises `TooNew`."""
    return _current(connection) != _head() and not newer(connection)


def state(connection: Connection) -> str:
    """`none` before the first migration, `behind` when the database is older than this version, else `current`. Raises
    `TooNew`."""
    if _current(connection) is None:
        return "none"
    return "behind" if pending(connection) else "current"


def newer(connection: Connection) -> bool:
    """True when a later version has migrated the database and this one still works with it: for one release, until all
    workers are replaced. Raises `TooNew`."""
    current = _current(connection)
    if current is None or current in {script.revision for script in _scripts().walk_revisions()}:
        return False
    since = connection.execute(text("SELECT since FROM compatible")).scalar_one()
    if since > _head():
        raise TooNew(f"the database is at schema {current}, of a version that does not work with this one: upgrade")
    return True


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _head() -> str:
    head = _scripts().get_current_head()
    assert head is not None
    return head


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
