"""What comes in: uploads of events, as the Batch and HTTP V2 APIs take them, and identifications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.responses import PlainTextResponse, Response

from sandbox.amplitude.project import OPERATIONS, Project
from sandbox.amplitude.settings import AmplitudeServer
from sandbox.amplitude.wire import Refusal, answer, bad

SHORTEST_ID = 5
IDENTIFY = "$identify"
AVERAGED = 30
"""Seconds over which the rate of a user is averaged (Batch Event Upload, EPDS and EPUS)."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How the two APIs for events differ."""

    most_bytes: int
    most_events: int
    per_second: int
    one_offender: bool


class Ingestion:
    """The ingestion host of one project."""

    def __init__(self, project: Project, settings: AmplitudeServer) -> None:
        self._project, self._settings = project, settings
        self.batch = Endpoint(settings.batch_bytes, settings.batch_events, settings.batch_rate, one_offender=False)
        self.http = Endpoint(settings.http_bytes, settings.batch_events, settings.http_rate, one_offender=True)

    def upload(self, raw: bytes, endpoint: Endpoint) -> Response:
        """All events of a request are taken, or none."""
        if len(raw) > endpoint.most_bytes:
            raise Refusal(413, {"code": 413, "error": "Payload too large"})
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise bad("Invalid JSON request body") from None
        if not isinstance(body, dict):
            raise bad("Invalid JSON request body")
        self._key(body.get("api_key"))
        events = body.get("events")
        if not isinstance(events, list) or not events:
            raise bad("Request missing required field", missing_field="events")
        if len(events) > endpoint.most_events:
            raise Refusal(413, {"code": 413, "error": "Payload too large"})
        shortest = (body.get("options") or {}).get("min_id_length", SHORTEST_ID)
        self._refuse_invalid(events, shortest, endpoint)
        self._refuse_silenced(events, endpoint)
        self._refuse_throttled(events, endpoint)
        for event in events:
            self._take(event, shortest)
        now = int(self._project.clock.now().timestamp() * 1000)
        sizes = {"payload_size_bytes": len(raw), "server_upload_time": now}
        return answer({"code": 200, "events_ingested": len(events), **sizes})

    def identify(self, raw: bytes, content_type: str) -> Response:
        """A form with one identification or a list of them; JSON as such is not read."""
        form = dict(parse_qsl(raw.decode())) if "x-www-form-urlencoded" in content_type else {}
        if "api_key" not in form or "identification" not in form:
            return PlainTextResponse("missing_event", 400)
        if form["api_key"] != self._settings.api_key:
            return PlainTextResponse("invalid_api_key", 400)
        try:
            given = orjson.loads(form["identification"])
        except orjson.JSONDecodeError:
            return PlainTextResponse("invalid_identification", 400)
        for one in given if isinstance(given, list) else [given]:
            properties = one.get("user_properties") or {}
            self._project.identify(str(one["user_id"]), properties if _operated(properties) else {"$set": properties})
        return PlainTextResponse("success")

    def _key(self, given: object) -> None:
        if given is None:
            raise bad("Request missing required field", missing_field="api_key")
        if given != self._settings.api_key:
            raise bad(f"Invalid API key: {given}")

    def _refuse_invalid(self, events: Sequence[Any], shortest: int, endpoint: Endpoint) -> None:
        missing: dict[str, list[int]] = {}
        invalid: dict[str, list[int]] = {}
        lengths: dict[str, list[int]] = {}
        for place, event in enumerate(events):
            given = event if isinstance(event, dict) else {}
            if not given.get("event_type"):
                missing.setdefault("event_type", []).append(place)
            if not isinstance(given.get("time", 0), int):
                invalid.setdefault("time", []).append(place)
            properties = given.get("user_properties") or {}
            if not isinstance(properties, dict) or (_any_operation(properties) and not _operated(properties)):
                invalid.setdefault("user_properties", []).append(place)
            ids = [given[name] for name in ("user_id", "device_id") if given.get(name)]
            if ids and not any(isinstance(id, str) and len(id) >= shortest for id in ids):
                lengths.setdefault("user_id", []).append(place)
            elif not ids:
                missing.setdefault("user_id", []).append(place)
        named = {
            "events_with_missing_fields": missing, "events_with_invalid_fields": invalid,
            "events_with_invalid_id_lengths": lengths,
        }  # fmt: skip
        named = {key: fields for key, fields in named.items() if fields}
        if named and endpoint.one_offender:
            key, fields = next(iter(named.items()))
            name, places = next(iter(fields.items()))
            named = {key: {name: places[:1]}}
        if named:
            raise bad(
                "Invalid field values on some events" if "missing" not in str(named) else "Missing fields", **named
            )

    def _refuse_silenced(self, events: Sequence[Mapping[str, Any]], endpoint: Endpoint) -> None:
        places = [place for place, event in enumerate(events) if event.get("user_id") in self._project.silenced]
        if places:
            more = {"eps_threshold": endpoint.per_second, "silenced_devices": [], "throttled_events": []}
            raise bad("Events silenced for device_id", silenced_events=places, **more)

    def _refuse_throttled(self, events: Sequence[Mapping[str, Any]], endpoint: Endpoint) -> None:
        coming = Counter(str(event.get("user_id")) for event in events)
        window = timedelta(seconds=AVERAGED)
        rates = {user: self._project.uploads(user, window) + n for user, n in coming.items()}
        fast = {user: n for user, n in rates.items() if n > endpoint.per_second * AVERAGED}
        days = {user: self._project.uploads(user, _DAY) + n for user, n in coming.items()}
        spent = {user: n for user, n in days.items() if n > self._settings.daily_events}
        if fast or spent:
            body = {
                "code": 429, "error": "Too many requests for some devices and users",
                "eps_threshold": endpoint.per_second, "throttled_devices": {}, "throttled_users": fast,
                "exceeded_daily_quota_users": spent, "exceeded_daily_quota_devices": {},
                "throttled_events": [place for place, e in enumerate(events) if str(e.get("user_id")) in fast],
            }  # fmt: skip
            raise Refusal(429, body)

    def _take(self, event: Mapping[str, Any], shortest: int) -> None:
        user = event.get("user_id")
        user = str(user) if user and len(str(user)) >= shortest else None  # a short id is dropped, the event is not
        if self._project.repeated(str(user or event.get("device_id")), event.get("insert_id")):
            return
        if event["event_type"] != IDENTIFY:
            self._project.track(user, event)
        elif user is not None:
            properties = event.get("user_properties") or {}
            self._project.identify(user, properties if _operated(properties) else {"$set": properties})


def _any_operation(properties: Mapping[str, Any]) -> bool:
    return any(name in OPERATIONS for name in properties)


def _operated(properties: Mapping[str, Any]) -> bool:
    """Whether these are operations, and nothing but."""
    return bool(properties) and all(name in OPERATIONS for name in properties)
