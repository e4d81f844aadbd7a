"""The token endpoint: what it accepts, and the single JSON object it refuses with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.contract.sandbox_salesforce.practice import HOST, KEY, NOON, SECRET, USERNAME, Api, Practice

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
NOW = int(NOON.timestamp())


def _ask(practice: Practice, form: dict[str, str], *, host: str = HOST, **kwargs: Any) -> tuple[int, dict[str, Any]]:
    answer = practice.session().post(f"https://{host}/services/oauth2/token", form, timeout=20, **kwargs)
    return answer.status_code, answer.json()


def _claims(**changes: Any) -> dict[str, Any]:
    return {"iss": KEY, "sub": USERNAME, "aud": "https://login.salesforce.com", "exp": NOW + 170, **changes}


def test_client_credentials_by_basic_or_form(practice: Practice) -> None:
    form = {"grant_type": "client_credentials"}
    by_form = _ask(practice, {**form, "client_id": KEY, "client_secret": SECRET})
    by_basic = _ask(practice, form, auth=(KEY, SECRET))
    for status, body in (by_form, by_basic):
        assert status == 200
        assert body["instance_url"] == f"https://{HOST}"
        assert body["token_type"] == "Bearer"
        assert not {"refresh_token", "expires_in"} & body.keys()


def test_client_credentials_are_not_served_on_the_login_host(practice: Practice) -> None:
    form = {"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET}
    assert _ask(practice, form, host="login.salesforce.com") == (
        400,
        {"error": "invalid_grant", "error_description": "request not supported on this domain"},
    )


@pytest.mark.parametrize("expires", [NOW + 170, str(NOW + 170)], ids=["number", "string"])
def test_jwt_expiry_may_be_a_number_or_a_string(practice: Practice, expires: int | str) -> None:
    assertion = jwt.encode(_claims(exp=expires), practice.private_key, algorithm="RS256")
    assert _ask(practice, {"grant_type": JWT_BEARER, "assertion": assertion})[0] == 200


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"aud": "https://evil.example"}, "invalid_grant", "audience is invalid"),
        ({"exp": NOW - 1}, "invalid_grant", "expired authorization code"),
        ({"sub": "someone@else.example"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"iss": "other"}, "invalid_client_id", "client identifier invalid"),
    ],
)
def test_wrong_jwt_claims_are_refused(
    practice: Practice, changes: dict[str, Any], error: str, description: str
) -> None:
    assertion = jwt.encode(_claims(**changes), practice.private_key, algorithm="RS256")
    status, body = _ask(practice, {"grant_type": JWT_BEARER, "assertion": assertion})
    assert (status, body) == (400, {"error": error, "error_description": description})


def test_a_foreign_signature_is_refused(practice: Practice) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assertion = jwt.encode(_claims(), stranger, algorithm="RS256")
    status, body = _ask(practice, {"grant_type": JWT_BEARER, "assertion": assertion})
    assert (status, body["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "no", "client_secret": SECRET}, "invalid_client_id"),
        ({"grant_type": "client_credentials", "client_id": KEY, "client_secret": "no"}, "invalid_client"),
        (
            {
                "grant_type": "password",
                "client_id": KEY,
                "client_secret": SECRET,
                "username": USERNAME,
                "password": "x",
            },
            "invalid_grant",
        ),
    ],
)
def test_wrong_grants_are_refused_with_one_object(practice: Practice, form: dict[str, str], error: str) -> None:
    status, body = _ask(practice, form)
    assert (status, body["error"]) == (400, error)


def test_a_call_without_a_live_session_is_401_with_a_list(practice: Practice) -> None:
    refusal = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    answer = Api(practice.session())("GET", "limits")
    assert (answer.status_code, answer.json()) == (401, refusal)


def test_a_session_dies_of_idleness_and_of_revocation(practice: Practice, api: Api) -> None:
    practice.clock.hold()
    practice.clock.advance(timedelta(minutes=110))
    assert api("GET", "limits").status_code == 200
    practice.clock.advance(timedelta(minutes=110))
    assert api("GET", "limits").status_code == 200, "use keeps it alive"
    practice.clock.advance(timedelta(minutes=121))
    assert api("GET", "limits").status_code == 401
    fresh = practice.api()
    token = str(fresh.session.headers["Authorization"]).removeprefix("Bearer ")
    revoked = practice.session().post(f"https://{HOST}/services/oauth2/revoke", {"token": token}, timeout=20)
    assert revoked.status_code == 200
    assert fresh("GET", "limits").status_code == 401
