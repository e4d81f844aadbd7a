"""Who is signed in: browsers and API tokens, known by the digest of a secret that only they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from worker.store.accounts import Account, Role

_SEEN_EVERY = timedelta(minutes=1)
"""How often a session's last use is noted: a page that looks every few seconds is not a write every few seconds."""


class Kind(StrEnum):
    BROWSER = "browser"
    TOKEN = "token"  # noqa: S105 - a kind, no secret


@dataclass(frozen=True, slots=True)
class Session:
    """`label`: what it is, for whoever decides whether to end it. It ends at `ends_at`, used or not."""

    id: int
    account: Account
    kind: Kind
    label: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime


def digest(secret: str) -> bytes:
    """What is kept of a secret. Secrets are long and random, so a plain hash cannot be guessed back."""
    return sha256(secret.encode()).digest()


def begin(
    connection: Connection, account: Account, kind: Kind, secret: str, label: str, now: datetime, ends_at: datetime
) -> int:
    """Keep the digest of a new session's secret; those that ended long ago are forgotten. Returns its number."""
    connection.execute(text("DELETE FROM console_session WHERE ends_at < :then"), {"then": now - timedelta(days=30)})
    number: int = connection.execute(
        text("""
        INSERT INTO console_session (account_id, kind, digest, label, created_at, seen_at, ends_at)
        VALUES (:account, :kind, :digest, :label, :now, :now, :ends_at) RETURNING id
        """),
        {
            "account": account.id,
            "kind": kind.value,
            "digest": digest(secret),
            "label": label,
            "now": now,
            "ends_at": ends_at,
        },
    ).scalar_one()
    return number


_ROW = """
SELECT s.id, s.kind, s.label, s.created_at, s.seen_at, s.ends_at, a.id AS account_id, a.name, a.role, a.subject,
       a.created_at AS account_created_at, a.disabled_at
FROM console_session s JOIN console_account a ON a.id = s.account_id
"""


def _session(row: Any) -> Session:
    account = Account(row.account_id, row.name, Role(row.role), row.subject, row.account_created_at, row.disabled_at)
    return Session(row.id, account, Kind(row.kind), row.label, row.created_at, row.seen_at, row.ends_at)


def use(
    connection: Connection, secret: str, now: datetime, idle: timedelta, *, by_somebody: bool = True
) -> Session | None:
    """The session of a secret, and note that it was used `by_somebody`. None when there is none, it has ended, a
    browser's was idle for longer than that, or the account is disabled."""
    row = connection.execute(
        text(f"""
        {_ROW} WHERE s.digest = :digest AND s.ends_at > :now AND (s.kind = 'token' OR s.seen_at > :idle_since)
                 AND a.disabled_at IS NULL
        """),
        {"digest": digest(secret), "now": now, "idle_since": now - idle},
    ).one_or_none()
    if row is None:
        return None
    if by_somebody and row.seen_at < now - _SEEN_EVERY:
        connection.execute(
            text("UPDATE console_session SET seen_at = greatest(seen_at, :now) WHERE id = :id"),
            {"now": now, "id": row.id},
        )
    return _session(row)


def listed(connection: Connection, now: datetime, account: Account | None = None) -> Sequence[Session]:
    """Those that have not ended, of one account or of all, the last used first."""
    rows = connection.execute(
        text(f"""
        {_ROW} WHERE s.ends_at > :now AND (CAST(:account AS bigint) IS NULL OR a.id = :account)
        ORDER BY s.seen_at DESC, s.id LIMIT 500
        """),
        {"now": now, "account": account.id if account else None},
    )
    return [_session(row) for row in rows]


def end(connection: Connection, number: int, now: datetime) -> None:
    """The session of this number is over; once more changes nothing."""
    connection.execute(
        text("UPDATE console_session SET ends_at = least(ends_at, :now) WHERE id = :id"), {"now": now, "id": number}
    )


def end_all(connection: Connection, account: Account, now: datetime, *, but: int | None = None) -> int:
    """End an account's sessions, tokens included (`but` one); returns how many went on until now."""
    return connection.execute(
        text("""
        UPDATE console_session SET ends_at = :now
        WHERE account_id = :account AND ends_at > :now AND id IS DISTINCT FROM CAST(:but AS bigint)
        """),
        {"account": account.id, "now": now, "but": but},
    ).rowcount
