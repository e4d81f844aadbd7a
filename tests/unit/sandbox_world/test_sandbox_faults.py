import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from sandbox.faults import TRANSPORT, FaultMiddleware, Faults


class Transport:
    """Records how a connection was ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def abort(self) -> None:
        self.ended.append("abort")

    def close(self) -> None:
        self.ended.append("close")


class App:
    """Answers 200 with ten bytes and counts its commits."""

    def __init__(self) -> None:
        self.commits = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.commits += 1
        headers = [(b"content-length", b"10"), (b"date", b"today")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"0123456789"})


class Exchange:
    """One request through the middleware."""

    def __init__(self, app: App, faults: Faults, path: str = "/services/x", method: str = "GET") -> None:
        self.transport = Transport()
        self.sent: list[Message] = []
        scope = {"type": "http", "method": method, "path": path, TRANSPORT: self.transport}
        asyncio.run(FaultMiddleware(app, faults)(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def faults(*rules: Mapping[str, Any]) -> Faults:
    made = Faults()
    made.add(list(rules))
    return made


def test_without_a_rule_the_answer_is_the_apps() -> None:
    app = App()
    exchange = Exchange(app, faults({"path": "/other", "effect": {"status": 500}}))
    assert (exchange.status, exchange.body, app.commits) == (200, b"0123456789", 1)


def test_status_answers_in_place_of_the_app() -> None:
    app = App()
    effect = {"status": 503, "html": "<h1>Down</h1>", "headers": {"Retry-After": "7"}}
    exchange = Exchange(app, faults({"effect": effect}))
    assert (exchange.status, exchange.body, app.commits) == (503, b"<h1>Down</h1>", 0)
    assert exchange.headers[b"retry-after"] == b"7"
    assert exchange.headers[b"content-type"].startswith(b"text/html")
    assert exchange.headers[b"content-length"] == b"13"


def test_status_with_json() -> None:
    exchange = Exchange(App(), faults({"effect": {"status": 429, "json": {"status": "error"}}}))
    assert exchange.body == b'{"status":"error"}'
    assert exchange.headers[b"content-type"].startswith(b"application/json")


def test_reset_before_drops_the_connection_and_commits_nothing() -> None:
    app = App()
    exchange = Exchange(app, faults({"effect": {"reset_before": True}}))
    assert (exchange.transport.ended, exchange.sent, app.commits) == (["abort"], [], 0)


def test_reset_after_commits_and_drops_the_connection() -> None:
    app = App()
    exchange = Exchange(app, faults({"effect": {"reset_after": True}}))
    assert (exchange.transport.ended, exchange.sent, app.commits) == (["abort"], [], 1)


def test_cut_body_promises_more_than_it_sends() -> None:
    exchange = Exchange(App(), faults({"effect": {"cut_body": 0.3}}))
    assert exchange.headers[b"content-length"] == b"10"
    assert exchange.body == b"012"
    assert exchange.transport.ended == ["close"]


def test_headers_alone_replace_those_of_the_real_answer() -> None:
    exchange = Exchange(App(), faults({"effect": {"headers": {"Date": "yesterday"}}}))
    assert exchange.body == b"0123456789"
    assert [value for name, value in exchange.sent[0]["headers"] if name == b"date"] == [b"yesterday"]


def test_skip_and_count_take_the_middle_of_a_run() -> None:
    rules = faults({"skip": 1, "count": 2, "effect": {"status": 500}})
    assert [Exchange(App(), rules).status for _ in range(5)] == [200, 500, 500, 200, 200]
    assert rules.describe()[0]["applied"] == 2


def test_probability_repeats_under_its_seed() -> None:
    def run(seed: int) -> list[int | None]:
        rules = faults({"probability": 0.5, "seed": seed, "effect": {"status": 500}})
        return [Exchange(App(), rules).status for _ in range(40)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 5 < run(1).count(500) < 35


def test_method_and_path_choose_and_the_first_rule_wins() -> None:
    rules = faults(
        {"method": "PATCH", "path": "/composite", "effect": {"status": 501}},
        {"path": "^/services/", "effect": {"status": 502}},
    )
    assert Exchange(App(), rules, "/services/composite", "PATCH").status == 501
    assert Exchange(App(), rules, "/services/composite", "GET").status == 502
    assert Exchange(App(), rules, "/crm/services/", "GET").status == 200


@pytest.mark.parametrize("path", ["/sandbox", "/sandbox/", "/sandbox/faults"])
def test_the_sandboxs_own_paths_are_never_spoilt(path: str) -> None:
    assert Exchange(App(), faults({"effect": {"reset_before": True}}), path).status == 200


def test_clear_ends_all_faults() -> None:
    rules = faults({"effect": {"status": 500}})
    rules.clear()
    assert Exchange(App(), rules).status == 200


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"effect": {}}, "not among"),
        ({"effect": {"explode": True}}, "explode"),
        ({"effect": {"status": 99}}, "from 200 to 599"),
        ({"path": "(", "effect": {"status": 500}}, "regular expression"),
        ({"probability": 2, "effect": {"status": 500}}, "between 0 and 1"),
        ({"verb": "GET", "effect": {"status": 500}}, "allowed are"),
    ],
)
def test_a_bad_rule_is_refused_with_all_that_came_with_it(rule: dict[str, Any], complaint: str) -> None:
    made = Faults()
    with pytest.raises(ValueError, match=complaint):
        made.add([{"effect": {"status": 500}}, rule])
    assert made.describe() == []
