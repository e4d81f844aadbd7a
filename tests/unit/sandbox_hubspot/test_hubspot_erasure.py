from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.hubspot.marketing import EmailEvent, EmailLog, Form, Submission
from sandbox.hubspot.portal import Portal

addresses = st.sampled_from(["a@x.test", "b@x.test", "c@x.test"])
events = st.lists(st.tuples(st.integers(0, 5), addresses), max_size=30)


@given(events, st.frozensets(addresses))
def test_erasing_takes_what_the_addresses_did_and_nothing_else(
    made: list[tuple[int, str]], gone: frozenset[str]
) -> None:
    log, form = EmailLog(), Form("guid", "Contact us", 0)
    for number, (at, address) in enumerate(made):
        log.add(EmailEvent(at, f"e{number}", "OPEN", address, 1))
        form.add(Submission(at, f"s{number}", (("email", address.upper()),), "/contact"))
    log.erase(gone)
    form.erase(gone)
    kept = sorted((at, f"{number}") for number, (at, address) in enumerate(made) if address not in gone)
    assert sorted((event.created, event.id[1:]) for event in log.events) == kept
    assert sorted((sent.submitted_at, sent.id[1:]) for sent in form.submissions) == kept
    assert log.events == sorted(log.events)
    for address in ("a@x.test", "b@x.test", "c@x.test"):
        assert sorted(form.sent_by(address)) == [s for s in form.submissions if s.values[0][1].lower() == address]
        assert len(log.sent_to(address)) == len([event for event in log.events if event.recipient == address])


def test_erasing_one_of_many_compares_no_more_than_it_must() -> None:
    compared = 0

    class Counted(EmailEvent):
        def __lt__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return isinstance(other, EmailEvent) and tuple(self) < tuple(other)

    log = EmailLog(Counted(number, f"e{number}", "OPEN", f"p{number}@x.test", 1) for number in range(20_000))
    compared = 0
    log.erase(frozenset({"p9@x.test"}))
    assert len(log.events) == 19_999
    assert compared < 100


def test_every_old_id_of_an_erased_contact_is_forgotten() -> None:
    clock = Clock(datetime(2026, 11, 20, 12, tzinfo=UTC))
    clock.hold()
    portal = Portal(clock)
    first, second, third = (portal.create("contacts", {"email": f"{name}@x.test"}) for name in "abc")
    merged = portal.merge("contacts", portal.merge("contacts", first, second), third)
    portal.gdpr_delete(first)
    clock.advance(timedelta(seconds=1))
    for id_ in (first, second, third, merged):
        assert portal.get("contacts", id_) is None
        assert not portal.was_merged("contacts", id_)
