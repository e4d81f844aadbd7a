"""The OAuth token endpoint and its look-ups. Its errors have a shape of their own."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from sandbox.hubspot.call import Call
from sandbox.hubspot.wire import Refusal, answer

# (status, error, description) of a refused token request (vendor's OAuth guide, "Error responses").
_BAD_CLIENT_ID = ("BAD_CLIENT_ID", "invalid_client", "missing or invalid client id")
_BAD_CLIENT_SECRET = ("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")
_BAD_GRANT_TYPE = ("BAD_GRANT_TYPE", "unsupported_grant_type", "missing or unknown grant type")
_BAD_REFRESH_TOKEN = ("BAD_REFRESH_TOKEN", "invalid_grant", "refresh token is invalid, expired or revoked")
_BAD_AUTH_CODE = ("BAD_AUTH_CODE", "invalid_grant", "authorization code is invalid, expired or used")


def token(call: Call) -> Response:
    """An access token for a refresh token or an authorization code; the refresh token comes back unchanged."""
    fields: Mapping[str, str] = call.fields
    settings = call.settings
    problem = _problem(call, fields)
    if problem is not None:
        status, error, description = problem
        return answer({"error": error, "error_description": description, "status": status, "message": description}, 400)
    return answer(
        {
            "token_type": "bearer",
            "access_token": call.server.gate.issue(),
            "refresh_token": settings.refresh_token,
            "expires_in": settings.access_seconds,
            "hub_id": call.portal.portal_id,
            "scopes": sorted(settings.oauth_scopes),
        }
    )


def _problem(call: Call, fields: Mapping[str, str]) -> tuple[str, str, str] | None:
    settings = call.settings
    if fields.get("client_id") != settings.client_id:
        return _BAD_CLIENT_ID
    if fields.get("client_secret") != settings.client_secret:
        return _BAD_CLIENT_SECRET
    match fields.get("grant_type"):
        case "refresh_token":
            return None if fields.get("refresh_token") == settings.refresh_token else _BAD_REFRESH_TOKEN
        case "authorization_code":
            return None if fields.get("code") == settings.authorization_code else _BAD_AUTH_CODE
    return _BAD_GRANT_TYPE


def access_token(call: Call) -> Response:
    """What an access token stands for."""
    held = call.path["token"]
    left = call.server.gate.seconds_left(held)
    if left is None or left <= 0:
        raise Refusal(404, "resource not found")
    return answer({**_bearer(call), "token": held, "expires_in": left, "token_type": "access"})


def refresh_token(call: Call) -> Response:
    """What the refresh token stands for."""
    if call.path["token"] != call.settings.refresh_token:
        raise Refusal(404, "resource not found")
    return answer({**_bearer(call), "token": call.path["token"], "token_type": "refresh"})


def private_app_token(call: Call) -> Response:
    """What a private app's token may do."""
    held = str(call.fields.get("tokenKey"))
    scopes = call.settings.tokens.get(held)
    if scopes is None:
        raise Refusal(404, "resource not found")
    settings = call.settings
    body = {"userId": 49_150_885, "hubId": call.portal.portal_id, "appId": settings.app_id, "scopes": sorted(scopes)}
    return answer(body)


def _bearer(call: Call) -> dict[str, object]:
    settings = call.settings
    return {
        "user": "admin@portal.example",
        "hub_domain": f"portal-{call.portal.portal_id}.example",
        "hub_id": call.portal.portal_id,
        "app_id": settings.app_id,
        "user_id": 49_150_885,
        "scopes": sorted(settings.oauth_scopes),
        "client_id": settings.client_id,
    }
