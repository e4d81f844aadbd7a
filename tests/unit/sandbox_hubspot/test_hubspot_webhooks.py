from __future__ import annotations

from typing import Any

import pytest

from sandbox.hubspot.webhooks import Subscription, signatures


def test_a_webhook_is_signed_as_a_receiver_checks_it() -> None:
    body = (
        b'[{"eventId":1,"subscriptionId":2,"portalId":3,"appId":4,"occurredAt":1790000000000,'
        b'"subscriptionType":"contact.propertyChange","attemptNumber":0,"objectId":5,"propertyName":"hs_lead_status",'
        b'"propertyValue":"OPEN","changeSource":"CRM_UI","sourceId":"userId:6"}]'
    )
    secret, instant = "11111111-2222-3333-4444-555555555555", 1_790_000_000_000
    for at in ("@", "%40"):
        signed = signatures(secret, f"https://leads.example.com/hubspot/webhook?tenant=a{at}b", body, instant)
        assert signed["X-HubSpot-Signature-v3"] == "Qd10U0lPb/wiwgY6EQXHcNPSx062F54lxaZrg9wrVhI="
        assert signed["X-HubSpot-Request-Timestamp"] == "1790000000000"


@pytest.mark.parametrize("wrong", [{"url": "ftp://x"}, {"timeout": 0}, {"retry_seconds": -1}, {"twice": 2}])
def test_an_impossible_subscription_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Subscription(**{"url": "http://127.0.0.1:1/", "secret": "s", "app_id": 1, **wrong})
