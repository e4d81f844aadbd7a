"""Who is the same person: by evidence, in any order, and only as long as the evidence stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.records import EMAIL, RecordRef
from worker.people.identity import Node, address, keys, resolve

LEAD = RecordRef("salesforce", "Lead", "00Q1")
CONTACT = RecordRef("hubspot", "contacts", "7")


def node(
    id: int, ref: RecordRef, email: str | None = None, same_as: tuple[RecordRef, ...] = (), name: str = ""
) -> Node:
    return Node(id, keys(ref, email, same_as), ref.object != EMAIL, name or None)


def test_one_address_in_two_crms_is_one_person_whatever_its_case() -> None:
    people = resolve([node(1, LEAD, "Ann.Lee@Example.com"), node(2, CONTACT, " ann.lee@example.COM ")])
    assert people == {1: 1, 2: 1}


@pytest.mark.parametrize("shared", ["info@example.com", "sales+eu@example.com", "Office@example.com"])
def test_a_role_address_links_nobody(shared: str) -> None:
    assert resolve([node(1, LEAD, shared), node(2, CONTACT, shared)]) == {1: 1, 2: 2}


def test_an_event_by_a_role_address_still_belongs_to_the_one_record_that_has_it() -> None:
    event = RecordRef("hubspot", EMAIL, "info@example.com")
    assert resolve([node(5, event), node(7, CONTACT, "info@example.com")]) == {5: 7, 7: 7}


def test_an_event_by_a_role_address_stays_with_a_record_that_took_over_another() -> None:
    event = RecordRef("hubspot", EMAIL, "info@example.com")
    gone, heir = RecordRef("hubspot", "contacts", "7"), RecordRef("hubspot", "contacts", "8")
    nodes = [node(1, event), node(2, gone, "info@example.com", same_as=(heir,)), node(3, heir, "info@example.com")]
    assert resolve(nodes) == {1: 2, 2: 2, 3: 2}
    two_people = [nodes[0], node(2, gone, "info@example.com"), nodes[2]]
    assert resolve(two_people) == {1: None, 2: 2, 3: 3}


def test_an_address_on_many_names_is_nobody_in_particular() -> None:
    nodes = [
        node(i, RecordRef("salesforce", "Lead", str(i)), "family@example.com", name=name)
        for i, name in enumerate(["Ann Lee", "Bob Lee", "Cid Lee"], start=1)
    ]
    assert resolve(nodes) == {1: 1, 2: 2, 3: 3}
    assert resolve(nodes[:2]) == {1: 1, 2: 1}, "two names may be one person who married"


def test_a_contact_is_known_by_every_address_that_it_took_over() -> None:
    taken_over = (RecordRef("hubspot", EMAIL, "Ann@Old.example.com"),)
    event = RecordRef("hubspot", EMAIL, "ann@old.example.com")
    nodes = [node(1, event), node(2, CONTACT, "ann@example.com", taken_over), node(3, LEAD, "ann@old.example.com")]
    assert resolve(nodes) == {1: 2, 2: 2, 3: 2}


def test_what_the_crm_says_links_without_any_address() -> None:
    converted = node(1, LEAD, None, (RecordRef("salesforce", "Contact", "0031"),))
    contact = node(2, RecordRef("salesforce", "Contact", "0031"))
    assert resolve([converted, contact]) == {1: 1, 2: 1}


def test_a_merge_of_merges_is_one_person() -> None:
    refs = [RecordRef("hubspot", "contacts", str(i)) for i in range(4)]
    nodes = [node(i + 1, ref, same_as=(refs[i + 1],) if i < 3 else ()) for i, ref in enumerate(refs)]
    assert set(resolve(nodes).values()) == {1}


def test_the_id_is_that_of_the_oldest_record_not_of_an_older_event() -> None:
    event = RecordRef("hubspot", EMAIL, "ann@example.com")
    assert resolve([node(1, event), node(9, CONTACT, "ann@example.com")]) == {1: 9, 9: 9}


def test_an_address_without_a_record_is_nobody_yet() -> None:
    assert resolve([node(1, RecordRef("hubspot", EMAIL, "ann@example.com"))]) == {1: None}


@pytest.mark.parametrize("text", ["", "ann", "ann@", "@example.com", "a b@example.com", "ann@example", "a@b@c.de"])
def test_what_is_no_address_links_nobody(text: str) -> None:
    assert address(text) is None
    assert resolve([node(1, LEAD, text), node(2, CONTACT, text)]) == {1: 1, 2: 2}


EMAILS = st.sampled_from([None, "a@x.com", "A@X.com", "b@x.com", "info@x.com"])
NODES = st.lists(
    st.tuples(EMAILS, st.booleans(), st.integers(0, 7), st.sampled_from(["Ann", "Bob", "Cid"])), max_size=8
).map(
    lambda rows: [
        node(
            i,
            RecordRef("s", "Lead" if is_record else EMAIL, str(i) if is_record else (email or "a@x.com")),
            email,
            (RecordRef("s", "Lead", str(other)),),
            name,
        )
        for i, (email, is_record, other, name) in enumerate(rows)
    ]
)


@given(NODES, st.randoms())
def test_the_order_of_evidence_changes_nothing(nodes: list[Node], random: object) -> None:
    shuffled = list(nodes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert resolve(shuffled) == resolve(nodes)


@given(NODES)
def test_a_person_is_named_by_its_oldest_record(nodes: list[Node]) -> None:
    people = resolve(nodes)
    records = {n.id for n in nodes if n.is_record}
    for subject, person in people.items():
        if subject in records:
            assert person is not None
            assert person <= subject
            assert person in records
            assert people[person] == person
