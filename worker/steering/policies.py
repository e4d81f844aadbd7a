"""A goal's policies: what is in force, what is being prepared, publishing and going back.

Every function works in the caller's transaction and is told who acts and when. What cannot be done raises `PolicyError`
with what to do, or `EditConflict` where somebody else was faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from worker.lifecycle import policy as policies
from worker.lifecycle.policy import Policy, PolicyError
from worker.store import drafts as store
from worker.store import revisions
from worker.store.drafts import Draft
from worker.store.revisions import EditConflict, Revision

__all__ = [
    "Agree", "Changes", "Draft", "EditConflict", "Published", "Revision", "assign", "current", "difference", "discard",
    "draft", "drafts", "edit", "history", "publish", "publish_draft", "rebase", "revert", "revision", "save",
]  # fmt: skip


class Agree(Protocol):
    """Asked before a policy is put in force. Raises `PolicyError` where the configuration contradicts it, or a CRM has
    no place for what it has and `before` had not."""

    def __call__(self, goal: str, policy: Policy, before: Policy) -> None: ...


Changes = Mapping[str, tuple[Any, Any]]
"""Setting -> what it was and what it is then; None where there is no such setting."""


@dataclass(frozen=True, slots=True)
class Published:
    """`revision` is in force now. `changes`: what it says otherwise than the one before; without any nothing was
    published, and it was in force already."""

    revision: Revision
    changes: Changes


def current(connection: Connection, goal: str) -> Revision:
    """The policy in force."""
    found = revisions.current(connection, "policy", goal)
    if found is None:
        raise PolicyError(f"goal {goal} has no policy yet: run `leadgauge migrate`")
    return found


def revision(connection: Connection, goal: str, number: int) -> Revision:
    """One that is or was in force."""
    found = revisions.get(connection, "policy", goal, number)
    if found is None:
        raise PolicyError(f"there is no policy {number}; the newest is {current(connection, goal).revision}")
    return found


def history(connection: Connection, goal: str) -> Sequence[Revision]:
    """All of them, the newest first."""
    return revisions.history(connection, "policy", goal)


def drafts(connection: Connection, goal: str) -> Sequence[Draft]:
    """What is being prepared, the one edited last first."""
    return store.listed(connection, "policy", goal)


def draft(connection: Connection, goal: str, name: str) -> Draft:
    found = store.get(connection, "policy", goal, name)
    if found is None:
        raise PolicyError(f"there is no draft {name!r}; begin one with `leadgauge policy draft mql.enter=75`")
    return found


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """What one body says otherwise than another."""
    return policies.differences(policies.parse(before), policies.parse(after))


def save(
    connection: Connection, goal: str, name: str, body: Mapping[str, Any], version: int, author: str, now: datetime
) -> Draft:
    """Store a draft's whole body, edited from `version` of it (0: it begins, from what is in force). Raises
    `PolicyError` for a body that could not be published, `EditConflict` where the draft is at another version."""
    held = store.get(connection, "policy", goal, name)
    return store.save(
        connection, "policy", goal, name, policies.parse(body).model_dump(mode="json"),
        based_on=held.based_on if held else current(connection, goal).revision, version=version, author=author, now=now,
    )  # fmt: skip


def edit(connection: Connection, goal: str, name: str, assignments: Sequence[str], author: str, now: datetime) -> Draft:
    """Change settings of a draft (as in `mql.enter=75`), or begin one from what is in force."""
    held = store.get(connection, "policy", goal, name)
    body = held.body if held else current(connection, goal).body
    policy = policies.change(policies.parse(body), *assignments)
    version = held.version if held else 0
    return save(connection, goal, name, policy.model_dump(mode="json"), version, author, now)


def rebase(connection: Connection, goal: str, name: str, author: str, now: datetime) -> Draft:
    """Put a draft's changes on the policy that is in force now. Where both changed a setting, the draft's holds."""
    held, newest = draft(connection, goal, name), current(connection, goal)
    base = policies.parse(revision(connection, goal, held.based_on).body).model_dump(mode="json")
    policy = policies.parse(_rebased(base, held.body, newest.body))
    return store.save(
        connection, "policy", goal, name, policy.model_dump(mode="json"),
        based_on=newest.revision, version=held.version, author=author, now=now,
    )  # fmt: skip


def discard(connection: Connection, goal: str, name: str) -> None:
    """Throw a draft away."""
    if not store.discard(connection, "policy", goal, name):
        draft(connection, goal, name)


def publish(
    connection: Connection, goal: str, policy: Policy, after: int, author: str, comment: str, now: datetime,
    agree: Agree,
) -> Published:  # fmt: skip
    """Put a policy in force that was made from revision `after`. Everybody is due then. Raises `EditConflict`, and what
    `agree` raises."""
    held = revision(connection, goal, after)
    before = policies.parse(held.body)
    changes = policies.differences(before, policy)
    if not changes and current(connection, goal).revision == after:
        return Published(held, changes)
    agree(goal, policy, before)  # it may ask CRMs: before anything is locked
    new = revisions.publish(
        connection, "policy", goal, policy.model_dump(mode="json"), after=after, author=author, comment=comment, now=now
    )
    return Published(new, changes)


def assign(
    connection: Connection, goal: str, assignments: Sequence[str], author: str, comment: str, now: datetime,
    agree: Agree,
) -> Published:  # fmt: skip
    """Put the policy in force with some settings changed."""
    held = current(connection, goal)
    policy = policies.change(policies.parse(held.body), *assignments)
    return publish(connection, goal, policy, held.revision, author, comment or ", ".join(assignments), now, agree)


def publish_draft(
    connection: Connection, goal: str, name: str, author: str, comment: str, now: datetime, agree: Agree,
    version: int | None = None,
) -> Published:  # fmt: skip
    """Put a draft in force and end it. Raises `EditConflict` where it was begun before somebody else published: it
    would undo that unseen; and where it is not at `version`, if one is given: whoever publishes has seen another."""
    found, held = draft(connection, goal, name), current(connection, goal)
    if version is not None and found.version != version:
        raise EditConflict(f"draft {name} was edited by {found.author} meanwhile; look at it, then publish it")
    if found.based_on != held.revision:
        base = revision(connection, goal, found.based_on)
        raise EditConflict(
            f"draft {name} was begun from policy {found.based_on}, and {held.author} has published policy "
            f"{held.revision} since, which changes {', '.join(difference(base.body, held.body)) or 'nothing'}. Put the "
            f"draft's changes on it with `leadgauge policy draft --rebase --name {name}`, look at `leadgauge policy "
            "diff`, and publish again"
        )
    policy = policies.parse(found.body)
    done = publish(connection, goal, policy, held.revision, author, comment or f"draft {name}", now, agree)
    if done.changes:
        store.discard(connection, "policy", goal, name)
    return done


def revert(connection: Connection, goal: str, number: int, author: str, now: datetime, agree: Agree) -> Published:
    """Put an old revision's settings in force again, as a new revision."""
    held, old = current(connection, goal), revision(connection, goal, number)
    policy = policies.parse(old.body)
    return publish(connection, goal, policy, held.revision, author, f"revert to {number}", now, agree)


def _rebased(base: Mapping[str, Any], draft: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """`current` with what the draft says otherwise than its base."""
    result = dict(current)
    for name, wanted in draft.items():
        was, now = base.get(name), current.get(name)
        if wanted == was:
            continue
        both = isinstance(was, dict) and isinstance(now, dict) and isinstance(wanted, dict)
        result[name] = _rebased(was, wanted, now) if both else wanted  # type: ignore[arg-type]
    for name in base.keys() - draft.keys():
        result.pop(name, None)
    return result
