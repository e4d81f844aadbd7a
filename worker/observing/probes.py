"""Whether the console can do its work: what a load balancer or Kubernetes asks before it sends anybody."""

from __future__ import annotations

from collections.abc import Mapping

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from worker.bootstrap import Process
from worker.settings import ConfigurationError
from worker.store import migrate
from worker.store.database import DatabaseError
from worker.store.migrate import TooNew

OK = "ok"


def readiness(process: Process) -> Mapping[str, str]:
    """By part, `ok` or what is wrong in a word: no addresses, no versions, as anybody may ask."""
    return {"database": _database(process), "redis": _redis(process)}


def _database(process: Process) -> str:
    try:
        with process.engine.connect() as connection:
            return "behind: run `leadgauge migrate`" if migrate.pending(connection) else OK
    except TooNew:
        return "migrated by a newer version"
    except (SQLAlchemyError, DatabaseError):
        return "does not answer"


def _redis(process: Process) -> str:
    try:
        process.ping_redis()
    except (RedisError, ConfigurationError):
        return "does not answer"
    return OK
