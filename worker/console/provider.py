"""What an OpenID provider tells of somebody, and what it lets them do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from worker.console_settings import Oidc
from worker.store.accounts import Role


class ProviderError(Exception):
    """The provider cannot be used, or what came back is not to be trusted. The text says which."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send somebody, and what their browser keeps until they are back."""

    url: str
    state: str


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whom the provider vouches for. `subject` is never given to anybody else."""

    subject: str
    name: str
    role: Role
    after: str


class Provider(Protocol):
    """Where people sign in elsewhere."""

    def begin(self, after: str) -> Begun:
        """`after`: the page to show then. Raises `ProviderError`, `RedisError`."""

    def finish(self, url: str, state: str | None) -> Known:
        """Whom the provider sent back to `url`; `state` is what this browser kept. Raises `ProviderError`,
        `NotAllowed`."""


def role_of(groups: Any, settings: Oidc) -> Role | None:
    """The most that any of somebody's groups may do. A claim may hold one name or several."""
    names = [groups] if isinstance(groups, str) else groups if isinstance(groups, list | tuple) else []
    found = [Role(settings.roles[name]) for name in names if name in settings.roles]
    if not found:
        return Role(settings.otherwise) if settings.otherwise else None
    return max(found, key=list(Role).index)
