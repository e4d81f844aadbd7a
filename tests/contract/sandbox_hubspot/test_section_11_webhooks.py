"""The eighth way in which a HubSpot portal bites: webhooks, to a receiver that checks the signatures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hubspot.utils.signature import Signature

from sandbox.hubspot.webhooks import IN_FLIGHT, Subscription
from tests.contract.sandbox_hubspot.practice import Live, order
from tests.contract.sandbox_hubspot.receiver import Delivery, Receiver, listening


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening(Receiver()) as receiver:
        yield receiver


def subscribe(live: Live, receiver: Receiver, **more: Any) -> None:
    order(live, "webhooks", **{"url": receiver.url, "retry_seconds": 0.01, "twice": 0, **more})


@pytest.fixture
def hooked(live: Live, receiver: Receiver) -> Iterator[Live]:
    yield live
    assert live.call("DELETE", "/sandbox/webhooks").status_code == 204


def told(deliveries: list[Delivery]) -> list[dict[str, Any]]:
    return [event for delivery in deliveries for event in delivery.events]


def test_s11_8_webhooks_tell_every_change_in_signed_lists_of_at_most_100(hooked: Live, receiver: Receiver) -> None:
    subscribe(hooked, receiver, properties=["hs_lead_status"])
    first, second = hooked.contact("a@acme.test"), hooked.contact("b@acme.test")
    company = hooked.portal.create("companies", {"name": "Acme"})
    hooked.portal.update("contacts", first, {"hs_lead_status": "OPEN", "jobtitle": "CEO"})
    hooked.portal.associate("contacts", first, "companies", company)
    merged = hooked.portal.merge("contacts", first, second)
    hooked.portal.archive("contacts", merged)
    hooked.portal.restore("contacts", merged)
    hooked.portal.gdpr_delete(merged)
    for number in range(150):
        hooked.portal.create("companies", {"name": f"Acme {number}"})
    deliveries = receiver.wait_for(lambda held: len(told(held)) >= 161)
    assert max(len(delivery.events) for delivery in deliveries) <= 100
    events = told(deliveries)
    assert {event["subscriptionType"] for event in events} == {
        "contact.creation", "contact.propertyChange", "contact.associationChange", "company.associationChange",
        "contact.merge", "contact.deletion", "contact.restore", "contact.privacyDeletion", "company.creation",
    }  # fmt: skip
    links = [event for event in events if event["subscriptionType"] == "contact.associationChange"]
    assert [(link["associationType"], link["toObjectId"], link["isPrimaryAssociation"]) for link in links] == [
        ("CONTACT_TO_COMPANY", int(company), True)
    ]
    change = [event for event in events if event["subscriptionType"] == "contact.propertyChange"]
    assert [(event["propertyName"], event["propertyValue"], event["objectId"]) for event in change] == [
        ("hs_lead_status", "OPEN", int(first))
    ]
    merge = next(event for event in events if event["subscriptionType"] == "contact.merge")
    assert (merge["mergedObjectIds"], merge["newObjectId"]) == ([int(first), int(second)], int(merged))
    companies = [e["objectId"] for e in events if e["subscriptionType"] == "company.creation"]
    assert companies != sorted(companies)
    for delivery in deliveries:
        version_3, version_1 = delivery.headers["X-HubSpot-Signature-v3"], delivery.headers["X-HubSpot-Signature"]
        at, secret, body = delivery.headers["X-HubSpot-Request-Timestamp"], hooked.settings.client_secret, delivery.body
        expected = Signature.get_signature(
            secret, body.decode(), "v3", receiver.url.replace("%40", "@"), "POST", timestamp=at
        )
        assert version_3 == expected
        assert version_1 == Signature.get_signature(secret, body.decode(), "v1")


def test_s11_8_ten_deliveries_at_once_and_no_more(hooked: Live, receiver: Receiver) -> None:
    open_now, most, full = 0, 0, threading.Event()
    guard = threading.Lock()

    def answer(delivery: Delivery) -> int:
        nonlocal open_now, most
        with guard:
            open_now += 1
            most = max(most, open_now)
        if most >= IN_FLIGHT:
            full.set()
        full.wait(5)
        with guard:
            open_now -= 1
        return 200

    receiver.answer = answer
    subscribe(hooked, receiver, properties=[])
    for number in range(2_500):
        hooked.portal.create("companies", {"name": f"Acme {number}"})
    deliveries = receiver.wait_for(lambda held: len(told(held)) == 2_500)
    assert max(len(delivery.events) for delivery in deliveries) == 100
    assert most == IN_FLIGHT == 10


def test_s11_8_a_refused_delivery_comes_again_ten_times_and_no_more(hooked: Live, receiver: Receiver) -> None:
    receiver.answer = lambda delivery: 500
    subscribe(hooked, receiver)
    person = hooked.contact()
    deliveries = receiver.wait_for(lambda held: len(held) >= 11)
    assert [delivery.events[0]["attemptNumber"] for delivery in deliveries] == list(range(11))
    assert {event["objectId"] for event in told(deliveries)} == {int(person)}


def test_s11_8_a_slow_receiver_counts_as_one_that_refused(hooked: Live, receiver: Receiver) -> None:
    assert Subscription("http://127.0.0.1:1/", "secret", 1).timeout == 5
    answered = threading.Event()

    def slow_at_first(delivery: Delivery) -> int:
        if delivery.events[0]["attemptNumber"] == 0:
            answered.wait(5)
        return 204

    receiver.answer = slow_at_first
    subscribe(hooked, receiver, timeout=0.2)
    hooked.contact()
    deliveries = receiver.wait_for(lambda held: len(held) == 1)
    answered.set()
    assert deliveries[0].events[0]["attemptNumber"] == 1


def test_s11_8_events_may_come_twice(hooked: Live, receiver: Receiver) -> None:
    subscribe(hooked, receiver, twice=1, properties=[])
    hooked.contact()
    events = told(receiver.wait_for(lambda held: len(told(held)) >= 2))
    assert events[0] == events[1]
