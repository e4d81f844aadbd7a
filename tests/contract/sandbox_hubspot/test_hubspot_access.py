"""Who is let in, how often, and what the others are told."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.hubspot.settings import ALL_SCOPES
from tests.contract.sandbox_hubspot.practice import Live, Serve

CONTACTS = "/crm/v3/objects/contacts"


@pytest.mark.parametrize("header", [None, "Bearer pat-eu1-unknown", "Basic abc", "Bearer"])
def test_without_a_known_token_nothing_is_answered(live: Live, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    refused = requests.get(live.url + CONTACTS, headers=headers, verify=live.ca, timeout=10)
    assert refused.status_code == 401
    assert refused.json()["category"] == "INVALID_AUTHENTICATION"
    assert refused.json()["message"].startswith("Authentication credentials not found. This API supports OAuth 2.0")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/crm/v3/objects/contacts", "crm.objects.contacts.read"),
        ("GET", "/crm/objects/2026-09/companies", "crm.objects.companies.read"),
        ("GET", "/crm/v3/objects/calls", "crm.objects.contacts.read"),
        ("POST", "/crm/v3/objects/deals/search", "crm.objects.deals.read"),
        ("POST", "/crm/v3/objects/contacts/batch/update", "crm.objects.contacts.write"),
        ("POST", "/crm/v3/properties/contacts", "crm.schemas.contacts.write"),
        ("POST", "/crm/v4/associations/deals/contacts/batch/read", "crm.objects.deals.read"),
        ("GET", "/crm/v3/owners", "crm.objects.owners.read"),
        ("GET", "/marketing/v3/forms", "forms"),
        ("GET", "/form-integrations/v1/submissions/forms/x", "forms"),
        ("GET", "/email/public/v1/events", "content"),
    ],
)
def test_each_endpoint_asks_for_its_scope(serve: Serve, method: str, path: str, scope: str) -> None:
    live = serve(tokens={"pat-eu1-none": frozenset({"oauth"}), "pat-eu1-one": frozenset({scope})})
    refused = live.call(method, path, token="pat-eu1-none", json={})
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")
    assert refused.json()["errors"][0]["context"] == {"requiredGranularScopes": [scope]}
    assert live.call(method, path, token="pat-eu1-one", json={}).status_code != 403


@pytest.mark.parametrize("path", ["/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-09/token"])
def test_every_token_endpoint_issues_a_working_token(live: Live, path: str) -> None:
    issued = requests.post(live.url + path, data=grant(live), verify=live.ca, timeout=10).json()
    assert (issued["token_type"], issued["expires_in"], issued["hub_id"]) == ("bearer", 1800, 9001)
    assert issued["refresh_token"] == live.settings.refresh_token
    assert live.get(CONTACTS, token=issued["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "status", "error"),
    [
        ({"client_id": "x"}, "BAD_CLIENT_ID", "invalid_client"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET", "invalid_client"),
        ({"refresh_token": "x"}, "BAD_REFRESH_TOKEN", "invalid_grant"),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE", "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, "BAD_AUTH_CODE", "invalid_grant"),
    ],
)
def test_a_refused_grant_says_why(live: Live, wrong: dict[str, str], status: str, error: str) -> None:
    fields = {**grant(live), **wrong}
    refused = requests.post(live.url + "/oauth/v3/token", data=fields, verify=live.ca, timeout=10)
    assert refused.status_code == 400
    assert (refused.json()["status"], refused.json()["error"]) == (status, error)


def grant(live: Live) -> dict[str, str]:
    settings = live.settings
    return {
        "grant_type": "refresh_token",
        "refresh_token": settings.refresh_token,
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
    }


def test_over_its_limit_a_token_gets_the_vendors_429(serve: Serve) -> None:
    live = serve(rate_10s=2)
    headers = [live.get(CONTACTS).headers for _ in range(2)]
    assert [one["X-HubSpot-RateLimit-Remaining"] for one in headers] == ["1", "0"]
    refused = live.get(CONTACTS)
    assert refused.status_code == 429
    assert {**refused.json(), "correlationId": ""} == {
        "status": "error",
        "message": "You have reached your ten_secondly_rolling limit.",
        "correlationId": "",
        "errorType": "RATE_LIMIT",
        "policyName": "TEN_SECONDLY_ROLLING",
        "groupName": f"publicapi:private_app-api-calls-ten-secondly:{live.settings.app_id}:9001",
    }


def test_api_usage_counts_this_days_calls(serve: Serve) -> None:
    live = serve(daily=1_000)
    live.get(CONTACTS)
    usage = live.get("/account-info/v3/api-usage/daily/private-apps").json()["results"][0]
    assert (usage["usageLimit"], usage["currentUsage"]) == (1_000, 2)
    assert usage["resetsAt"] == "2026-11-21T05:00:00Z"


def test_a_private_apps_token_tells_its_own_scopes(serve: Serve) -> None:
    live = serve(tokens={"pat-eu1-some": frozenset({"forms", "content"})})
    ask = "/oauth/v2/private-apps/get/access-token-info"
    told = live.post(ask, {"tokenKey": "pat-eu1-some"}, token="pat-eu1-some").json()
    assert (told["hubId"], told["scopes"]) == (9001, ["content", "forms"])
    assert live.post(ask, {"tokenKey": "pat-eu1-other"}, token="pat-eu1-some").status_code == 404


def test_account_details_name_the_portal(live: Live) -> None:
    details: dict[str, Any] = live.get("/account-info/v3/details").json()
    expected = {"portalId": 9001, "timeZone": "America/New_York", "utcOffset": "-05:00"}
    assert expected.items() <= details.items()


def test_what_sales_mails_say_is_shown_only_to_a_token_that_may_read_it(serve: Serve) -> None:
    tokens = {"pat-eu1-all": ALL_SCOPES, "pat-eu1-some": ALL_SCOPES - {"sales-email-read"}}
    live = serve(tokens=tokens)
    said = {"hs_email_subject": "Offer", "hs_email_text": "Dear Ana", "hs_email_direction": "EMAIL"}
    mail = live.portal.create("emails", said)
    path = f"/crm/v3/objects/emails/{mail}?properties={','.join(said)}&propertiesWithHistory=hs_email_text"
    assert said.items() <= live.get(path, token="pat-eu1-all").json()["properties"].items()
    hidden = live.get(path, token="pat-eu1-some").json()
    assert set(said) & set(hidden["properties"]) == {"hs_email_direction"}
    assert hidden.get("propertiesWithHistory", {}) == {}
    body = {"properties": list(said), "inputs": [{"id": mail}]}
    for searched in ("batch/read", "search"):
        shown = live.post(f"/crm/v3/objects/emails/{searched}", body, token="pat-eu1-some").json()["results"][0]
        assert "Dear Ana" not in str(shown)
        assert shown["properties"]["hs_email_direction"] == "EMAIL"
