"""Webhooks: changes of records as signed deliveries to one address, in every disorder the vendor warns of."""

from __future__ import annotations

import base64
import hashlib
import hmac
import queue
import random
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
import requests

from sandbox.hubspot.happenings import Happening
from sandbox.hubspot.portal import Portal

MOST_IN_ONE = 100
IN_FLIGHT = 10
RETRIES = 10
LOG_KEPT = 1_000
MOST_GATHERED = 1_000
_GATHERED_FOR = 0.05
_EVENT_IDS = 10_000
"""Event ids are drawn from so few that they repeat: the vendor does not promise that they are unique."""
_FLAGS = {"creation": "CREATED", "deletion": "DELETED", "restore": "RESTORED", "merge": "MERGED"}
_UNSUBSCRIBABLE = frozenset({"hs_lastmodifieddate", "lastmodifieddate", "num_unique_conversion_events"})
_DECODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where deliveries go and what they tell. `properties` are those whose changes are told; None is all of them.

    `retry_seconds` stands for the pauses that add up to a day at the vendor; `twice` is the share of events that come
    again in a later delivery. `ca` is a file for an https address with a certificate of one's own.
    """

    url: str
    secret: str = field(repr=False)
    app_id: int
    properties: frozenset[str] | None = None
    timeout: float = 5.0
    retry_seconds: float = 1.0
    twice: float = 0.05
    ca: str | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url {self.url!r} must begin with http:// or https://")
        if self.timeout <= 0 or self.retry_seconds < 0 or not 0 <= self.twice <= 1:
            raise ValueError("timeout must be above 0, retry_seconds not negative, twice from 0 to 1")


class Sender:
    """Delivers what happens in `portal` from now on, until `close`. At most `IN_FLIGHT` requests are open at once.

    A delivery is a list of up to 100 events in no order. It is sent again, up to `RETRIES` times, until the receiver
    answers 2xx within the timeout.
    """

    def __init__(self, portal: Portal, subscription: Subscription) -> None:
        self._portal = portal
        self._to = subscription
        self._dice = random.Random(f"webhooks {portal.seed}")
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._outbox: queue.SimpleQueue[list[dict[str, Any]] | None] = queue.SimpleQueue()
        # Daemons: what a stopped sandbox has not delivered is lost, and must not hold up its end.
        jobs = [self._collect, *[self._work] * IN_FLIGHT]
        self._threads = [threading.Thread(target=job, name="webhooks", daemon=True) for job in jobs]
        self.deliveries: deque[dict[str, Any]] = deque(maxlen=LOG_KEPT)
        """(attempt, events, status) of the latest requests; status 0 for no answer."""
        portal.listeners.append(self._hear)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop listening and wait for open requests; what was not delivered is dropped."""
        self._portal.listeners.remove(self._hear)
        self._closed.set()
        self._events.put(None)
        for _ in range(IN_FLIGHT):
            self._outbox.put(None)
        for thread in self._threads:
            thread.join()

    def _hear(self, happening: Happening) -> None:
        for event in self._told(happening):
            self._events.put(event)

    def _told(self, happening: Happening) -> Iterator[dict[str, Any]]:
        """The events of one happening: a new or changed value has one of its own."""
        if happening.name != "propertyChange":
            yield {**self._event(happening.name, happening), **_details(happening)}
        if happening.name in ("creation", "propertyChange"):
            wanted = self._to.properties
            for name, value in happening.properties.items():
                if name not in _UNSUBSCRIBABLE and (wanted is None or name in wanted):
                    event = self._event("propertyChange", happening, name)
                    yield {**event, "propertyName": name, "propertyValue": value, "isSensitive": False}

    def _event(self, name: str, happening: Happening, property_: str = "") -> dict[str, Any]:
        subscribed = f"{happening.kind.singular}.{name}"
        return {
            "eventId": self._dice.randrange(_EVENT_IDS),
            "subscriptionId": 2_000_000 + int(hashlib.sha256(f"{subscribed}/{property_}".encode()).hexdigest()[:5], 16),
            "portalId": self._portal.portal_id,
            "appId": self._to.app_id,
            "occurredAt": happening.at,
            "subscriptionType": subscribed,
            "attemptNumber": 0,
            "objectId": happening.id,
            "changeSource": happening.source[0],
            "sourceId": happening.source[1],
        }

    def _collect(self) -> None:
        """Gather events for a moment, repeat some, shuffle, and send them off in lists."""
        again: list[dict[str, Any]] = []
        while (first := self._events.get()) is not None:
            new = [first, *islice(self._gather(), MOST_GATHERED)]
            self._send_off([*new, *again])
            again = [event for event in new if self._dice.random() < self._to.twice]
            if self._events.empty():
                self._send_off(again)
                again = []

    def _send_off(self, events: list[dict[str, Any]]) -> None:
        self._dice.shuffle(events)
        for start in range(0, len(events), MOST_IN_ONE):
            self._outbox.put(events[start : start + MOST_IN_ONE])

    def _gather(self) -> Iterator[dict[str, Any]]:
        while not self._closed.is_set():
            try:
                event = self._events.get(timeout=_GATHERED_FOR)
            except queue.Empty:
                return
            if event is None:
                self._events.put(None)  # for the collector
                return
            yield event

    def _work(self) -> None:
        while (events := self._outbox.get()) is not None:
            self._deliver(events)

    def _deliver(self, events: Sequence[dict[str, Any]]) -> None:
        for attempt in range(1 + RETRIES):
            if self._closed.is_set() or self._sent([{**event, "attemptNumber": attempt} for event in events], attempt):
                return
            self._closed.wait(self._to.retry_seconds)

    def _sent(self, events: list[dict[str, Any]], attempt: int) -> bool:
        body = orjson.dumps(events)
        headers = {
            "Content-Type": "application/json;charset=utf-8",
            "User-Agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/) - WebHooks",
            **signatures(self._to.secret, self._to.url, body, self._portal.now_ms()),
        }
        try:
            answer = requests.post(
                self._to.url, body, headers=headers, timeout=self._to.timeout, verify=self._to.ca or True,
                allow_redirects=False,
            )  # fmt: skip
            status = answer.status_code
        except requests.RequestException:
            status = 0
        self.deliveries.append({"attempt": attempt, "events": len(events), "status": status})
        return 200 <= status < 300


def _details(happening: Happening) -> dict[str, Any]:
    if happening.name == "merge":
        return {
            "primaryObjectId": happening.merged[0],
            "mergedObjectIds": list(happening.merged),
            "newObjectId": happening.id,
            "numberOfPropertiesMoved": len(happening.properties),
            "changeFlag": _FLAGS["merge"],
        }
    if happening.other is not None:
        kind, id_ = happening.other
        return {
            "associationType": f"{happening.kind.singular}_to_{kind.singular}".upper(),
            "fromObjectId": happening.id,
            "toObjectId": id_,
            "associationRemoved": happening.removed,
            "isPrimaryAssociation": happening.primary,
        }
    flag = _FLAGS.get(happening.name)
    return {"changeFlag": flag} if flag else {}


def signatures(secret: str, url: str, body: bytes, at: int) -> Mapping[str, str]:
    """The headers that sign a delivery, version 3 and the old version 1 beside it (vendor's "Validating requests").

    Version 3 signs method, address (some escapes of it undone), body and the instant `at` (epoch ms).
    """
    address = _DECODED.sub(lambda found: chr(int(found[1], 16)), url)
    signed = b"".join((b"POST", address.encode(), body, str(at).encode()))
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return {
        "X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
        "X-HubSpot-Request-Timestamp": str(at),
        "X-HubSpot-Signature": hashlib.sha256(secret.encode() + body).hexdigest(),
        "X-HubSpot-Signature-Version": "v1",
    }
