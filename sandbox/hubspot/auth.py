"""Who may come in: static tokens, the OAuth app's access tokens, and the scopes of each."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import HubspotServer
from sandbox.hubspot.wire import Refusal, cloudflare

_OVERVIEW = "https://developers.hubspot.com/docs/methods/auth/oauth-overview"
_SCOPES = "https://developers.hubspot.com/scopes"
_TOKEN = re.compile(r"[\w.~+/=-]*", re.ASCII)
"""The edge in front of the API turns away what does not look like this, with a 530 (airbyte pull request 74046)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The bearer of a token that was let in."""

    token: str
    scopes: frozenset[str]
    oauth: bool


class Gate:
    """Knows the tokens of one server. Access tokens are lost with the process; their holder refreshes."""

    def __init__(self, portal: Portal, settings: HubspotServer) -> None:
        self._portal = portal
        self._settings = settings
        self._expiry: dict[str, int] = {}

    def issue(self) -> str:
        """A new access token, valid for the server's `access_seconds`."""
        token = f"CLi{uuid.uuid4().hex}{len(self._expiry)}"
        self._expiry[token] = self._portal.now_ms() + 1000 * self._settings.access_seconds
        return token

    def seconds_left(self, token: str) -> int | None:
        """Until the access token ends; None for one that was never given out."""
        expiry = self._expiry.get(token)
        return None if expiry is None else (expiry - self._portal.now_ms()) // 1000

    def identify(self, authorization: str | None) -> Caller:
        """Raises `Refusal`: 530 in HTML for what cannot be a token, 401 for a missing, unknown or expired one."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and not _TOKEN.fullmatch(token):
            raise Refusal(530, "", html=cloudflare(530, "Origin DNS error"))
        if scheme.lower() == "bearer":
            if token in self._settings.tokens:
                return Caller(token, self._settings.tokens[token], oauth=False)
            left = self.seconds_left(token)
            if left is not None and left > 0:
                return Caller(token, self._settings.oauth_scopes, oauth=True)
            if left is not None:
                message = f"The OAuth token used to make this call expired {-left} second(s) ago."
                raise Refusal(401, message, "EXPIRED_AUTHENTICATION")
        message = (
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
            f"details at {_OVERVIEW}"
        )
        raise Refusal(401, message, "INVALID_AUTHENTICATION")


def require(caller: Caller, any_of: tuple[str, ...]) -> None:
    """Raises `Refusal` (403) unless the caller has one of the scopes, or none is asked for."""
    if any_of and caller.scopes.isdisjoint(any_of):
        raise Refusal(
            403,
            "This app hasn't been granted all required scopes to make this call. "
            f"Read more about required scopes here: {_SCOPES}.",
            "MISSING_SCOPES",
            errors=[
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": list(any_of)},
                }
            ],
            links={"scopes": _SCOPES},
        )
