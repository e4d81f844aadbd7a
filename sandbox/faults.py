"""Faults on demand: rules that spoil an answer of a practice CRM, as ASGI middleware.

A rule says which requests it takes (method, path, how many or how often) and what it does to them. Requests under
/sandbox/ are never touched, so that a test can always take its faults back.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL_PREFIX = "/sandbox"
TRANSPORT = "sandbox.transport"
"""Scope key under which the server leaves the connection's transport (`serve.Connection`)."""

DRIPS = 20
_EFFECTS = frozenset({"status", "json", "html", "headers", "delay", "reset_before", "reset_after", "cut_body", "drip"})
_RULE = frozenset({"method", "path", "skip", "count", "probability", "seed", "effect"})


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to a taken request, in this order: delay, reset_before, status, then the app's spoilt answer.

    `status` answers without running the app (body: `json` or `html`). `reset_before` drops the connection before the
    app runs, `reset_after` once the app has committed its work. `cut_body` sends only that share of the body and drops
    the connection. `drip` sends the body in 20 pieces with so many seconds between them, which no timeout between two
    reads notices. `headers` replace those of the answer, whoever gave it.
    """

    status: int | None = None
    body: bytes = b""
    content_type: str = "text/html;charset=UTF-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    delay: float = 0.0
    reset_before: bool = False
    reset_after: bool = False
    cut_body: float | None = None
    drip: float = 0.0

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Raises `ValueError` for an effect that is unknown or does nothing."""
        if not given or set(given) - _EFFECTS:
            raise ValueError(f"effect {sorted(given)} is not among {sorted(_EFFECTS)}")
        status = given.get("status")
        if status is not None and not (isinstance(status, int) and 200 <= status <= 599):
            raise ValueError(f"status {status!r} must be a whole number from 200 to 599")
        body, content_type = str(given.get("html", "")).encode(), "text/html;charset=UTF-8"
        if "json" in given:
            body, content_type = orjson.dumps(given["json"]), "application/json;charset=UTF-8"
        headers = {str(name).lower(): str(value) for name, value in given.get("headers", {}).items()}
        cut = given.get("cut_body")
        return cls(
            status=status,
            body=body,
            content_type=content_type,
            headers=tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
            delay=float(given.get("delay", 0.0)),
            reset_before=bool(given.get("reset_before")),
            reset_after=bool(given.get("reset_after")),
            cut_body=(0.5 if cut is True else float(cut)) if cut else None,
            drip=float(given.get("drip", 0.0)),
        )


@dataclass(slots=True)
class Rule:
    """Takes matching requests after the first `skip`: at most `count` of them, each with `probability`."""

    method: str
    path: re.Pattern[str]
    effect: Effect
    shown: Mapping[str, Any]
    skip: int = 0
    count: int | None = None
    probability: float = 1.0
    dice: random.Random = field(default_factory=random.Random)
    matched: int = 0
    applied: int = 0

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Raises `ValueError` that names the wrong key and what is allowed."""
        if unknown := set(given) - _RULE:
            raise ValueError(f"unknown keys {sorted(unknown)} in a fault rule; allowed are {sorted(_RULE)}")
        try:
            path = re.compile(given.get("path", ""))
        except re.error as problem:
            raise ValueError(f"path {given['path']!r} is not a regular expression: {problem}") from None
        probability = float(given.get("probability", 1.0))
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"probability {probability:g} must lie between 0 and 1")
        count = given.get("count")
        return cls(
            method=str(given.get("method", "*")).upper(),
            path=path,
            effect=Effect.parse(given.get("effect", {})),
            shown=dict(given),
            skip=int(given.get("skip", 0)),
            count=None if count is None else int(count),
            probability=probability,
            dice=random.Random(given.get("seed", 0)),
        )

    def takes(self, method: str, path: str) -> bool:
        """Whether this rule spoils this request; counts it."""
        if self.method not in ("*", method) or not self.path.search(path):
            return False
        self.matched += 1
        if self.matched <= self.skip or (self.count is not None and self.applied >= self.count):
            return False
        if self.probability < 1.0 and self.dice.random() >= self.probability:
            return False
        self.applied += 1
        return True


class Faults:
    """The rules of one server. The first rule that takes a request decides."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, rules: list[Mapping[str, Any]]) -> None:
        """Append `rules`, all or none. Raises `ValueError` for a bad one."""
        self._rules += [Rule.parse(rule) for rule in rules]

    def clear(self) -> None:
        """Forget every rule."""
        self._rules.clear()

    def describe(self) -> list[dict[str, Any]]:
        """The rules as given, with how many requests each matched and spoilt."""
        return [{**rule.shown, "matched": rule.matched, "applied": rule.applied} for rule in self._rules]

    def pick(self, method: str, path: str) -> Effect | None:
        """The effect for this request, if any."""
        if path == CONTROL_PREFIX or path.startswith(CONTROL_PREFIX + "/"):
            return None
        return next((rule.effect for rule in self._rules if rule.takes(method, path)), None)


class FaultMiddleware:
    """Applies `faults` to `app`. Needs the connection's transport in the scope, to drop it without an answer."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        effect = self._faults.pick(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if effect is None:
            await self._app(scope, receive, send)
            return
        if effect.delay:
            await asyncio.sleep(effect.delay)
        if effect.reset_before:
            await _drop(scope, receive)
        elif effect.status is not None:
            await _answer(effect, send)
        else:
            answer = _Answer()
            await self._app(scope, receive, answer.collect)
            await self._spoil(effect, answer, scope, receive, send)

    async def _spoil(self, effect: Effect, answer: _Answer, scope: Scope, receive: Receive, send: Send) -> None:
        if effect.reset_after:
            await _drop(scope, receive)
            return
        replaced = {name for name, _ in effect.headers}
        kept = [(name, value) for name, value in answer.start["headers"] if name.lower() not in replaced]
        await send({**answer.start, "headers": [*kept, *effect.headers]})
        if effect.drip:
            size = -(-len(answer.body) // DRIPS) or 1
            for start in range(0, len(answer.body), size):
                await send({"type": "http.response.body", "body": answer.body[start : start + size], "more_body": True})
                await asyncio.sleep(effect.drip)
            await send({"type": "http.response.body", "body": b""})
        elif effect.cut_body is None:
            await send({"type": "http.response.body", "body": answer.body})
        else:
            part = answer.body[: int(len(answer.body) * effect.cut_body)]
            await send({"type": "http.response.body", "body": part, "more_body": True})
            scope[TRANSPORT].close()
            await _wait_for_disconnect(receive)


class _Answer:
    """An app's whole answer, held back."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def collect(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


async def _answer(effect: Effect, send: Send) -> None:
    given = {b"content-type": effect.content_type.encode(), **dict(effect.headers)}
    headers = [*given.items(), (b"content-length", str(len(effect.body)).encode())]
    await send({"type": "http.response.start", "status": effect.status, "headers": headers})
    await send({"type": "http.response.body", "body": effect.body})


async def _drop(scope: Scope, receive: Receive) -> None:
    scope[TRANSPORT].abort()
    await _wait_for_disconnect(receive)


async def _wait_for_disconnect(receive: Receive) -> None:
    """Returning earlier would make the server answer 500 on a connection that is to be dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass
