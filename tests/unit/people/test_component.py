"""Who was one with whom at an instant, from claims that come and go."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from worker.people.identity import Node, Stretch, component, resolve

START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = ("email:a@x.com", "email:b@x.com", "mailbox:org/a@x.com", "record:org/Lead/1", "record:org/Lead/2")
stretches = st.builds(
    lambda subject, key, since, length: Stretch(
        subject,
        key,
        START + timedelta(days=since),
        START + timedelta(days=since + length) if length else None,
    ),
    st.integers(1, 8), st.sampled_from(KEYS), st.integers(0, 6), st.integers(0, 4),
)  # fmt: skip
subjects = st.fixed_dictionaries(
    {n: st.tuples(st.booleans(), st.sampled_from(("Ann", "Bob", "Cid", None))) for n in range(1, 9)}
)


@given(st.lists(stretches, max_size=25), subjects, st.integers(0, 10))
def test_it_is_what_resolving_everything_that_held_then_gives(
    held: list[Stretch], known: dict[int, tuple[bool, str | None]], day: int
) -> None:
    at = START + timedelta(days=day)
    claims: defaultdict[int, list[Stretch]] = defaultdict(list)
    claimed: defaultdict[str, list[Stretch]] = defaultdict(list)
    for stretch in held:
        claims[stretch.subject].append(stretch)
        claimed[stretch.key].append(stretch)
    nodes = [
        Node(n, frozenset(c.key for c in claims[n] if c.holds(at)), record, name) for n, (record, name) in known.items()
    ]
    by_id = {node.id: node for node in nodes}
    found = {n: component(n, at, claims, claimed, by_id.__getitem__) for n in known}
    for n, members in found.items():
        assert all(found[m] == members for m in members), "being one is mutual"
        oldest = min((m for m in members if by_id[m].is_record), default=None)
        assert resolve(nodes)[n] == oldest
