"""Who may use the console: local accounts with a password, and people whom an identity provider knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError


class Role(StrEnum):
    """What somebody may do; each may do what those before it may."""

    VIEWER = "viewer"  # look
    EDITOR = "editor"  # prepare: drafts, previews, replays
    PUBLISHER = "publisher"  # put in force: publish, promote, retry, pause
    ADMIN = "admin"  # say who may do what

    def may(self, least: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(least)


class AccountError(ValueError):
    """An account cannot be made or changed so. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """`subject`: who it is at the identity provider, None for a local account."""

    id: int
    name: str
    role: Role
    subject: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account with the hash of its password (None: it has none)."""

    account: Account
    password: str | None


_COLUMNS = "id, name, role, subject, created_at, disabled_at"


def _account(row: Any) -> Account:
    return Account(row.id, row.name, Role(row.role), row.subject, row.created_at, row.disabled_at)


def add(
    connection: Connection, name: str, role: Role, now: datetime, *, password: str | None = None,
    subject: str | None = None,
) -> Account:  # fmt: skip
    """Make an account; `password` is a hash. Raises `AccountError` where the name is taken."""
    try:
        with connection.begin_nested():
            row = connection.execute(
                text(f"""
                INSERT INTO console_account (name, role, password, subject, created_at)
                VALUES (:name, :role, :password, :subject, :now) RETURNING {_COLUMNS}
                """),
                {"name": name, "role": role.value, "password": password, "subject": subject, "now": now},
            ).one()
    except IntegrityError:
        raise AccountError(f"there is an account named {name!r} already; choose another name") from None
    return _account(row)


def listed(connection: Connection) -> Sequence[Account]:
    """All accounts, those that are in use first, by name."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM console_account ORDER BY disabled_at IS NOT NULL, lower(name)")
    )
    return [_account(row) for row in rows]


def exist(connection: Connection) -> bool:
    """Whether there is any account, in use or not: from the first one on nobody comes in without signing in."""
    return bool(connection.execute(text("SELECT EXISTS (SELECT FROM console_account)")).scalar_one())


def named(connection: Connection, name: str) -> Credentials | None:
    """By name, whatever its case."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS}, password FROM console_account WHERE lower(name) = lower(:name)"), {"name": name}
    ).one_or_none()
    return Credentials(_account(row), row.password) if row else None


def known_as(connection: Connection, subject: str) -> Account | None:
    """By who it is at the identity provider."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM console_account WHERE subject = :subject"), {"subject": subject}
    ).one_or_none()
    return _account(row) if row else None


def find(connection: Connection, name: str) -> Account:
    """Raises `AccountError` where there is none."""
    found = named(connection, name)
    if found is None:
        raise AccountError(f"no account is named {name!r}; `leadgauge user list` names those there are")
    return found.account


def set_role(connection: Connection, account: Account, role: Role, *, whoever: bool = False) -> None:
    """Raises `AccountError` where that would leave no admin, unless it may be `whoever`."""
    if role is not Role.ADMIN and not whoever:
        _keep_an_admin(connection, account)
    connection.execute(
        text("UPDATE console_account SET role = :role WHERE id = :id"), {"role": role.value, "id": account.id}
    )


def set_password(connection: Connection, account: Account, password: str) -> None:
    """`password` is a hash."""
    connection.execute(
        text("UPDATE console_account SET password = :password WHERE id = :id"),
        {"password": password, "id": account.id},
    )


def disable(connection: Connection, account: Account, now: datetime) -> None:
    """From now on it cannot be used. Raises `AccountError` for the last admin."""
    _keep_an_admin(connection, account)
    connection.execute(
        text("UPDATE console_account SET disabled_at = coalesce(disabled_at, :now) WHERE id = :id"),
        {"now": now, "id": account.id},
    )


def enable(connection: Connection, account: Account) -> None:
    connection.execute(text("UPDATE console_account SET disabled_at = NULL WHERE id = :id"), {"id": account.id})


def _keep_an_admin(connection: Connection, account: Account) -> None:
    others = connection.execute(
        text("""
        SELECT id FROM console_account WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id FOR UPDATE
        """)
    ).scalars()
    if account.role is Role.ADMIN and account.disabled_at is None and not set(others) - {account.id}:
        raise AccountError(f"{account.name} is the only admin; make somebody else one first")
