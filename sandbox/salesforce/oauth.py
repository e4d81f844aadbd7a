"""POST /services/oauth2/token: client credentials, JWT bearer, refresh token, username and password; revocation."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.salesforce.baseline import ADMIN_USERNAME
from sandbox.salesforce.service import Service

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenRefusal(Exception):
    """Answered as 400 with a JSON object, unlike every other error of the API."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error, description)
        self.error = error
        self.description = description


def routes(service: Service) -> list[Route]:
    async def token(request: Request) -> Response:
        form = await _form(request)
        try:
            user = _grant(service, request, form)
        except TokenRefusal as refusal:
            return JSONResponse({"error": refusal.error, "error_description": refusal.description}, 400)
        return JSONResponse(
            _granted(service, user), headers={"Cache-Control": "no-cache,must-revalidate,max-age=0,no-store"}
        )

    async def revoke(request: Request) -> Response:
        given = (await _form(request)).get("token") or request.query_params.get("token", "")
        if service.sessions.revoke(given):
            return Response(status_code=200)
        return JSONResponse(
            {"error": "unsupported_token_type", "error_description": "this token type is not supported"}, 400
        )

    return [
        Route("/services/oauth2/token", token, methods=["POST"]),
        Route("/services/oauth2/revoke", revoke, methods=["POST", "GET"]),
    ]


async def _form(request: Request) -> dict[str, str]:
    """The fields of a URL-encoded body."""
    return dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))


def _grant(service: Service, request: Request, form: Mapping[str, str]) -> str:
    """Who is let in."""
    grants = {
        "client_credentials": _client_credentials,
        "password": _password,
        "refresh_token": _refresh_token,
        JWT_BEARER: _jwt_bearer,
    }
    grant = grants.get(form.get("grant_type", ""))
    if grant is None:
        raise TokenRefusal("unsupported_grant_type", "grant type not supported")
    # 3,600 an hour and user, whatever the way in (restforce pull request 744).
    if not service.sessions.admit_login():
        raise TokenRefusal("invalid_grant", "login rate exceeded")
    grant(service, request, form)
    admin = form.get("grant_type") == JWT_BEARER and _subject(form) == ADMIN_USERNAME
    return service.org.admin if admin else service.org.integration_user


def _subject(form: Mapping[str, str]) -> str:
    """Whom an assertion that has been checked is for."""
    return str(jwt.decode(form["assertion"], options={"verify_signature": False})["sub"])


def _check_client(service: Service, request: Request, form: Mapping[str, str]) -> None:
    """Consumer key and secret, from the form or by HTTP Basic."""
    key, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            key, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise TokenRefusal("invalid_client", "invalid client credentials") from None
    if not _same(key, service.settings.consumer_key):
        raise TokenRefusal("invalid_client_id", "client identifier invalid")
    if not _same(secret, service.settings.consumer_secret):
        raise TokenRefusal("invalid_client", "invalid client credentials")


def _client_credentials(service: Service, request: Request, form: Mapping[str, str]) -> None:
    # The common login hosts do not serve this grant, only the org's own My Domain host does.
    if request.headers.get("host", "").split(":")[0] in ("login.salesforce.com", "test.salesforce.com"):
        raise TokenRefusal("invalid_grant", "request not supported on this domain")
    _check_client(service, request, form)


def _password(service: Service, request: Request, form: Mapping[str, str]) -> None:
    _check_client(service, request, form)
    settings = service.settings
    known = _same(form.get("username", ""), settings.username)
    if not known or not _same(form.get("password", ""), settings.password + settings.security_token):
        raise TokenRefusal("invalid_grant", "authentication failure")


def _refresh_token(service: Service, request: Request, form: Mapping[str, str]) -> None:
    _check_client(service, request, form)
    expected = service.settings.refresh_token
    if not expected or not _same(form.get("refresh_token", ""), expected):
        raise TokenRefusal("invalid_grant", "expired access/refresh token")


def _jwt_bearer(service: Service, request: Request, form: Mapping[str, str]) -> None:
    settings = service.settings
    if settings.jwt_public_key_pem is None:
        raise TokenRefusal("invalid_grant", "user hasn't approved this consumer")
    try:
        # Expiry is checked below: on the org's clock, and clients send it as a number or as a string.
        claims = jwt.decode(
            form.get("assertion", ""), settings.jwt_public_key_pem, algorithms=["RS256"],
            options={"verify_aud": False, "verify_exp": False, "require": ["iss", "sub", "aud", "exp"]},
        )  # fmt: skip
        expires = float(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError):
        raise TokenRefusal("invalid_grant", "invalid assertion") from None
    if claims["iss"] != settings.consumer_key:
        raise TokenRefusal("invalid_client_id", "client identifier invalid")
    if claims["aud"] not in (*settings.audiences, settings.base_url):
        raise TokenRefusal("invalid_grant", "audience is invalid")
    if expires <= service.org.clock.now().timestamp():
        raise TokenRefusal("invalid_grant", "expired authorization code")
    if claims["sub"] not in (settings.username, ADMIN_USERNAME):
        raise TokenRefusal("invalid_grant", "user hasn't approved this consumer")


def _granted(service: Service, user: str) -> dict[str, Any]:
    org, settings = service.org, service.settings
    if org.behaviour.moves and settings.other_url:
        home = service.instance_url == settings.base_url
        service.move(settings.other_url if home else settings.base_url)
    identity = f"https://login.salesforce.com/id/{org.id}/{user}"
    issued = str(int(org.clock.now().timestamp() * 1000))
    digest = hmac.new(settings.consumer_secret.encode(), f"{identity}{issued}".encode(), sha256).digest()
    return {
        "access_token": service.sessions.open(org.id, user),
        "signature": base64.b64encode(digest).decode(),
        "scope": "api",
        "instance_url": service.instance_url,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued,
    }


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
