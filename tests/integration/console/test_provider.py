"""Signing in at an OpenID provider that we play: discovery, code flow with PKCE, signed ID tokens."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from redis import Redis

from tests.integration.console.conftest import Browser
from worker.bootstrap import Process
from worker.console.provider import role_of
from worker.console_settings import Oidc
from worker.settings import Settings
from worker.store import accounts
from worker.store.accounts import Role

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Idp:
    """What the provider says next, and what it was asked for."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: KEY)
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def authorise(self, address: str) -> str:
        """Somebody signs in there; returns where their browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["code_challenge_method"] == "S256"
        self.codes["a-code"] = asked
        return f"{asked['redirect_uri']}?code=a-code&state={asked['state']}"

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        asked = self.codes.pop(form["code"])
        digest = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        assert digest == asked["code_challenge"]
        now = int(time.time())
        claims = {"iss": self.url, "aud": "console", "sub": "42", "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        signed = jwt.encode(claims | self.claims, self.key, "RS256", headers={"kid": "one"})
        return {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": signed}


@pytest.fixture
def idp() -> Iterator[Idp]:
    """A provider on this machine."""
    held = Idp()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "openid-configuration" in self.path:
                self._answer({
                    "issuer": held.url, "authorization_endpoint": f"{held.url}/authorize",
                    "token_endpoint": f"{held.url}/token", "jwks_uri": f"{held.url}/keys",
                    "id_token_signing_alg_values_supported": ["RS256"],
                })  # fmt: skip
            else:
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
                self._answer({"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            self._answer(held.token({name: values[0] for name, values in form.items()}))

        def _answer(self, body: object) -> None:
            said = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield held
    server.shutdown()
    server.server_close()


@pytest.fixture
def staff(
    idp: Idp, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Browser, Process]]:
    """A console whose people sign in there: sales looks, RevOps publishes, others stay out."""
    from tests.integration.console.conftest import served

    monkeypatch.setenv("OIDC_SECRET", "s3cret")
    oidc = {
        "issuer": idp.url, "client_id": "console", "client_secret": {"env": "OIDC_SECRET"},
        "roles": {"revops": "publisher", "sales": "viewer"},
    }  # fmt: skip
    told = {"database_url": database_url, "redis_url": redis_url, "console_url": "http://localhost"}
    process = Process(Settings.model_validate(told | {"console": {"oidc": oidc}}))
    process.migrate()
    with served(process) as base:
        yield Browser(base), process
    process.close()


def back(staff: Browser, idp: Idp) -> Any:
    """Off to the provider and back again."""
    away = staff.get("/oidc?next=/leads", allow_redirects=False)
    assert away.headers["location"].startswith(f"{idp.url}/authorize?")
    returned = urlsplit(idp.authorise(away.headers["location"]))
    assert f"{returned.scheme}://{returned.netloc}{returned.path}" == "http://localhost/oidc/return"
    return staff.get(f"{returned.path}?{returned.query}", allow_redirects=False)


def test_groups_decide_what_somebody_may_do_at_each_sign_in(idp: Idp, staff: tuple[Browser, Process]) -> None:
    browser, process = staff
    assert "Sign in with your organisation" in browser.get("/").text
    idp.claims = {"email": "mia@example.com", "groups": ["sales", "revops"]}
    assert back(browser, idp).headers["location"] == "/leads"
    assert "mia@example.com, publisher" in browser.get("/access").text
    idp.claims = {"email": "mia@new.example.com", "groups": "sales"}
    assert back(browser, idp).status_code == 303
    assert "mia@example.com, viewer" in browser.get("/access").text, "known by the subject, not by the address"
    idp.claims |= {"groups": ["marketing"]}
    refused = back(Browser(browser.base), idp)
    assert refused.status_code == 403
    assert "none of the groups" in refused.text
    with process.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM console_account").scalar_one() == 1
        accounts.disable(connection, accounts.find(connection, "mia@example.com"), process.now())
    idp.claims |= {"groups": ["sales"]}
    assert "This account is disabled" in back(Browser(browser.base), idp).text


@pytest.mark.parametrize(
    "wrong",
    [{"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1000}, "a foreign key"],
)
def test_a_token_that_is_not_for_us_signs_nobody_in(
    idp: Idp, staff: tuple[Browser, Process], wrong: dict[str, Any] | str
) -> None:
    browser, _ = staff
    idp.claims = {"email": "mia@example.com", "groups": "sales"}
    if isinstance(wrong, str):
        idp.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        idp.claims |= wrong
    refused = back(browser, idp)
    assert refused.status_code == 502
    assert idp.url in refused.text
    assert browser.get("/", allow_redirects=False).status_code == 303


def test_another_browser_cannot_finish_and_nobody_twice(idp: Idp, staff: tuple[Browser, Process]) -> None:
    browser, process = staff
    idp.claims = {"email": "mia@example.com", "groups": "sales"}
    away = browser.get("/oidc", allow_redirects=False)
    path = idp.authorise(away.headers["location"]).removeprefix("http://localhost")
    stranger = Browser(browser.base)
    assert stranger.get(path).status_code == 502, "it began elsewhere"
    assert browser.get(path, allow_redirects=False).status_code == 303
    browser.session.cookies.set("leadgauge-oidc", parse_qs(urlsplit(path).query)["state"][0], path="/oidc")
    assert browser.get(path, allow_redirects=False).status_code == 502, "once"
    with Redis.from_url(process.addresses.redis) as redis:
        assert not redis.keys("leadgauge:oidc:*")


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["a"], Role.VIEWER), (["a", "b"], Role.ADMIN), ("b", Role.ADMIN), (["c"], None), (None, None), (7, None)],
)
def test_of_several_groups_the_most_counts(groups: object, role: Role | None) -> None:
    told = {"issuer": "https://login.example.com", "client_id": "x", "client_secret": {"env": "X"}}
    settings = Oidc.model_validate(told | {"roles": {"a": "viewer", "b": "admin"}})
    assert role_of(groups, settings) == role
    assert role_of(groups, settings.model_copy(update={"otherwise": "editor"})) == (role or Role.EDITOR)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://lg.example.com", "must begin with https"),
        ("lg.example.com", "is no web address"),
        ("https://ann:secret@lg.example.com", "is no web address"),
        ("https://lg.example.com/?a=b", "is no web address"),
    ],
)
def test_an_address_that_cannot_be_the_consoles(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings.model_validate({"console_url": url})
