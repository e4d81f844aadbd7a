"""A scripted Salesforce on a TLS socket: for answers that a practice CRM in good health does not give."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

from connectors.quota import Gate, OpenGate
from connectors.salesforce.session import Session
from connectors.salesforce.settings import ClientCredentials, SalesforceSettings
from connectors.secret import SecretRef
from connectors.tokens import MemoryTokens, Tokens


@dataclass(frozen=True)
class Asked:
    """One request as it came in; header names in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = None  # JSON unless bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


INVALID_SESSION = Reply(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])


class Stub:
    """Hands out tokens `token-1`, `token-2`, ... and answers everything else by `answer`."""

    def __init__(self, url: str, ca: Path) -> None:
        self.url = url
        self.ca = ca
        self.instance = url
        self.asked: list[Asked] = []
        self.logins = 0
        self.answer: Callable[[Asked], Reply] = lambda asked: Reply(200, {"records": [], "done": True, "totalSize": 0})
        self.log_in: Callable[[], Reply] = self._issue
        self.lock = threading.Lock()

    def _issue(self) -> Reply:
        return Reply(200, {"access_token": f"token-{self.logins}", "instance_url": self.instance})

    def handle(self, asked: Asked) -> Reply:
        with self.lock:
            self.asked.append(asked)
            if asked.path == "/services/oauth2/token":
                self.logins += 1
                return self.log_in()
            return self.answer(asked)

    def calls(self, path: str = "") -> list[Asked]:
        """Requests other than logins whose path ends so."""
        return [asked for asked in self.asked if asked.path != "/services/oauth2/token" and asked.path.endswith(path)]

    def settings(self, **changes: Any) -> SalesforceSettings:
        given: dict[str, Any] = {
            "kind": "salesforce",
            "name": "acme",
            "auth": ClientCredentials(
                type="client_credentials", consumer_key="key", consumer_secret=SecretRef(env="SECRET")
            ),
            "login_url": self.url,
            "ca_bundle": self.ca,
        }
        return SalesforceSettings.model_validate({**given, **changes})

    def session(self, tokens: Tokens | None = None, gate: Gate | None = None, **changes: Any) -> Session:
        return Session(
            self.settings(**changes),
            gate=gate or OpenGate(),
            tokens=tokens or MemoryTokens(),
            observer=lambda exchange: None,
            sleep=lambda seconds: None,
        )


@contextmanager
def serving(directory: Path) -> Iterator[Stub]:
    """A stub on a free port, trusted through its own CA."""
    authority = trustme.CA()
    ca = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers

        def serve(self) -> None:
            parts = urlsplit(self.path)
            params = {key: values[0] for key, values in parse_qs(parts.query).items()}
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = stub.handle(Asked(self.command, parts.path, params, headers, body))
            content = b"" if reply.status == 204 else reply.content()
            self.send_response_only(reply.status)
            plain = {"Date": self.date_time_string(), "Content-Type": "application/json"}
            for name, value in {**plain, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if reply.cut else content)
            self.close_connection = reply.cut

        do_GET = do_POST = do_PATCH = serve

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test says what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *problem: None  # type: ignore[method-assign]  # clients that hang up are the point
    server.socket = context.wrap_socket(server.socket, server_side=True)
    stub = Stub(f"https://localhost:{server.server_address[1]}", ca)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def described(object: str, *fields: Mapping[str, Any], **top: Any) -> dict[str, Any]:
    """A `describe` answer."""
    return {"name": object, "updateable": True, "replicateable": True, "fields": list(fields), **top}


def described_field(name: str, type: str = "string", **more: Any) -> dict[str, Any]:
    """One field of it: a text of 255 characters unless told otherwise."""
    plain = {"label": name, "length": 255, "precision": 0, "scale": 0, "updateable": True, "picklistValues": []}
    return {"name": name, "type": type, **plain, **more}
