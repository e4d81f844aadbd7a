"""Which records are the same person: pure, and decided by evidence that can be taken back.

Every subject (a CRM record, or an address that a vendor's event knows a person by) *claims* keys; subjects that claim
the same key are linked; persons are the connected components. A corrected e-mail or a withdrawn merge withdraws a
claim, and the component falls apart again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.records import EMAIL, RecordRef

# Mailboxes that a role or a team reads. Two people behind one of them are not one person.
# RFC 2142 names the first two lines; the rest is what marketing lists see most.
ROLES = frozenset(
    re.findall(
        r"\S+",
        """
        info marketing sales support noc security abuse postmaster hostmaster usenet news webmaster www uucp ftp
        admin administrator billing contact contacto kontakt office hello team mail email enquiries inquiries help
        helpdesk service jobs careers hr press media accounts accounting finance invoice orders purchasing
        reception no-reply noreply donotreply root it
        """,
    )
)
NAMES_ON_ONE_ADDRESS = 3
"""An address on records with this many different names is shared (a family, a team, a placeholder)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A subject with what identity needs of it. `is_record` is False for a bare address."""

    id: int
    keys: frozenset[str]
    is_record: bool
    name: str | None = None


def address(raw: str) -> str | None:
    """An e-mail address as identity compares it, or None when it is not one (RFC 5321 folds the domain only; every CRM
    and every mailbox provider of note folds the local part too)."""
    folded = raw.strip().casefold()
    return folded if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", folded) else None


def keys(ref: RecordRef, email: str | None, same_as: Iterable[RecordRef] = ()) -> frozenset[str]:
    """What a subject claims to be: itself, what the CRM says is the same, its mailbox, and the address in it.

    The `mailbox` is the address within one CRM account; the `email` is the address anywhere, which a role's is not.
    """
    claimed: set[str] = set()
    addresses = [ref.id if ref.object == EMAIL else email or ""]
    if ref.object != EMAIL:
        claimed.add(f"record:{ref}")
        for other in same_as:
            if other.object == EMAIL:
                addresses.append(other.id)
            else:
                claimed.add(f"record:{other}")
    for folded in filter(None, map(address, addresses)):
        claimed.add(f"mailbox:{ref.source}/{folded}")
        if folded.partition("@")[0].partition("+")[0] not in ROLES:
            claimed.add(f"email:{folded}")
    return frozenset(claimed)


def resolve(nodes: Sequence[Node]) -> Mapping[int, int | None]:
    """Person id by subject id: that of the oldest (lowest) record of the component, None without any record.

    `nodes` must be closed under shared keys. Independent of their order.
    """
    members: defaultdict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        for key in node.keys:
            members[key].append(node)
    parent = {node.id: node.id for node in nodes}

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    def join(sharing: Sequence[Node]) -> None:
        for other in sharing[1:]:
            parent[root(other.id)] = root(sharing[0].id)

    mailboxes = []
    for key, sharing in members.items():
        if is_mailbox(key):
            mailboxes.append(sharing)
        elif links(key, sharing):
            join(sharing)
    owned = [sharing for sharing in mailboxes if len({root(node.id) for node in sharing if node.is_record}) == 1]
    for sharing in owned:
        join(sharing)
    person: dict[int, int] = {}
    for node in nodes:
        if node.is_record:
            top = root(node.id)
            person[top] = min(node.id, person.get(top, node.id))
    return {node.id: person.get(root(node.id)) for node in nodes}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A subject's claim of a key from an instant on, until it was withdrawn."""

    subject: int
    key: str
    since: datetime
    until: datetime | None

    def holds(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


def component(
    start: int,
    at: datetime,
    claims: Mapping[int, Sequence[Stretch]],
    claimed: Mapping[str, Sequence[Stretch]],
    node: Callable[[int], Node],
) -> frozenset[int]:
    """The subjects that were one with `start` at an instant: what `resolve` would have put together then.

    `claims` by subject and `claimed` by key are closed under shared keys; `node` tells what a subject was then (nobody
    looks at its keys).
    """

    def reach(start: int, ties: Callable[[str, frozenset[int]], bool]) -> frozenset[int]:
        found, frontier = {start}, [start]
        followed: set[str] = set()
        while frontier:
            held = {claim.key for claim in claims.get(frontier.pop(), ()) if claim.holds(at)} - followed
            followed |= held
            for key in held:
                sharing = frozenset(claim.subject for claim in claimed[key] if claim.holds(at))
                if sharing - found and ties(key, sharing):
                    frontier += sharing - found
                    found |= sharing
        return frozenset(found)

    def surely(key: str, sharing: frozenset[int]) -> bool:
        return not is_mailbox(key) and links(key, [node(subject) for subject in sharing])

    def also_by_mailbox(key: str, sharing: frozenset[int]) -> bool:
        if not is_mailbox(key):
            return surely(key, sharing)
        records = {subject for subject in sharing if node(subject).is_record}
        return bool(records) and records <= reach(min(records), surely)

    return reach(start, also_by_mailbox)


def is_mailbox(key: str) -> bool:
    """Whether a key only ties an event's address to the one person that has it: where all the records that claim it are
    one already (a merge leaves two of them), and never to make them one."""
    return key.startswith("mailbox:")


def links(key: str, sharing: Sequence[Node]) -> bool:
    """Whether a key that is no mailbox makes those who claim it one person.

    An address on too many differing names is nobody's in particular; what the CRM itself says always links.
    """
    if key.startswith("email:"):
        return len({" ".join(node.name.casefold().split()) for node in sharing if node.name}) < NAMES_ON_ONE_ADDRESS
    return True
