"""Which records are the same person: pure, and decided by evidence that can be taken back.

Every subject (a CRM record, or an address that a vendor's event knows a person by) *claims* keys; subjects that claim
the same key are linked; persons are the connected components. A corrected e-mail or a withdrawn merge withdraws a
claim, and the component falls apart again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    folded = address(ref.id if ref.object == EMAIL else email or "")
    claimed = set() if ref.object == EMAIL else {f"record:{ref}", *(f"record:{other}" for other in same_as)}
    if folded is not None:
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

    for key, sharing in members.items():
        if links(key, sharing):
            for other in sharing[1:]:
                parent[root(other.id)] = root(sharing[0].id)
    person: dict[int, int] = {}
    for node in nodes:
        if node.is_record:
            top = root(node.id)
            person[top] = min(node.id, person.get(top, node.id))
    return {node.id: person.get(root(node.id)) for node in nodes}


def links(key: str, sharing: Sequence[Node]) -> bool:
    """Whether a key makes those who claim it one person.

    A mailbox only ties an event's address to the one record that has it; an address on too many differing names is
    nobody's in particular; what the CRM itself says always links.
    """
    kind = key.partition(":")[0]
    if kind == "mailbox":
        return sum(node.is_record for node in sharing) == 1
    if kind == "email":
        return len({" ".join(node.name.casefold().split()) for node in sharing if node.name}) < NAMES_ON_ONE_ADDRESS
    return True
