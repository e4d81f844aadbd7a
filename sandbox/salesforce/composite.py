"""Composite (parts in order, with references to earlier answers) and batch (independent parts)."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from sandbox.salesforce.faults import ApiError
from sandbox.salesforce.router import Call, Reply, Route, route

MOST_PARTS = 25
_REFERENCE = re.compile(r"@\{([^.}\[]+)([^}]*)\}")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_PREFIX = re.compile(r"^/?(?:services/data/)?v(\d+\.\d)/", re.IGNORECASE)


def routes() -> list[Route]:
    return [route("composite", post=_composite), route("composite/batch", post=_batch)]


def _parts(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    parts = body.get(key)
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise ApiError(400, "JSON_PARSER_ERROR", f"The request body must have a list of {key}")
    if len(parts) > MOST_PARTS:
        message = f"Limit reached. Cannot have more than {MOST_PARTS} subrequests"
        raise ApiError(400, "LIMIT_EXCEEDED", message)
    return parts


def _composite(call: Call) -> Reply:
    body = call.json()
    parts = _parts(body, "compositeRequest")
    answers: dict[str, Reply] = {}
    names = [str(part.get("referenceId") or "") for part in parts]
    if not all(names) or len(set(names)) != len(names):
        raise ApiError(400, "INVALID_INPUT", "Each subrequest needs a referenceId of its own")
    all_or_none = bool(body.get("allOrNone"))
    try:
        # Without all-or-none each part commits by itself, and those after it see what it did.
        with call.service.org.transaction() if all_or_none else nullcontext():
            for name, part in zip(names, parts, strict=True):
                answers[name] = _answer(call, part, answers)
                if all_or_none and answers[name].status >= 400:
                    raise _Halted
    except _Halted:
        answers = {name: _halted(answers.get(name)) for name in names}
    return Reply(body={"compositeResponse": [_part(name, answers[name]) for name in names]})


class _Halted(Exception):
    """A part of an all-or-none composite failed."""


def _halted(answer: Reply | None) -> Reply:
    """The failed part keeps its answer; all others are halted or rolled back."""
    if answer is not None and answer.status >= 400:
        return answer
    message = "The transaction was rolled back since another operation in the same transaction failed."
    return Reply(400, [{"errorCode": "PROCESSING_HALTED", "message": message}])


def _part(name: str, answer: Reply) -> dict[str, Any]:
    return {
        "body": answer.body,
        "httpHeaders": dict(answer.headers),
        "httpStatusCode": answer.status,
        "referenceId": name,
    }


def _answer(call: Call, part: dict[str, Any], answers: dict[str, Reply]) -> Reply:
    try:
        url = _resolved(str(part.get("url", "")), answers)
        body = _resolved(part.get("body"), answers)
    except KeyError as missing:
        message = f"Invalid reference specified. No value for {missing.args[0]} found."
        return Reply(400, [{"errorCode": "PROCESSING_HALTED", "message": message}])
    return _run(call, str(part.get("method", "GET")), str(url), body, part.get("httpHeaders") or {})


def _run(call: Call, method: str, url: str, body: Any, headers: dict[str, str]) -> Reply:
    split = urlsplit(url)
    found = _PREFIX.match(split.path)
    if found is None:
        return Reply(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])
    path = unquote(split.path[found.end() :])
    if path.lower().strip("/") in ("composite", "composite/batch"):
        return Reply(400, [{"errorCode": "INVALID_INPUT", "message": "Composite requests cannot be nested"}])
    params = dict(parse_qsl(split.query, keep_blank_values=True))
    merged = {**call.headers, **{name.lower(): str(value) for name, value in headers.items()}}
    content = b"" if body is None else orjson.dumps(body)
    return call.service.router.dispatch(Call(call.service, method.upper(), found[1], path, params, merged, content))


def _resolved(value: Any, answers: dict[str, Reply]) -> Any:
    """`value` with every `@{reference.path}` replaced. Raises KeyError with the reference that has no value."""
    if isinstance(value, dict):
        return {key: _resolved(inner, answers) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, answers) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole is not None:
        return _looked_up(whole, answers)
    return _REFERENCE.sub(lambda found: str(_looked_up(found, answers)), value)


def _looked_up(found: re.Match[str], answers: dict[str, Reply]) -> Any:
    reference = found[0][2:-1]
    try:
        value = answers[found[1]].body
        for name, index in _STEP.findall(found[2]):
            value = value[int(index)] if index else value[name]
    except (KeyError, IndexError, TypeError):
        raise KeyError(reference) from None
    return value


def _batch(call: Call) -> Reply:
    body = call.json()
    parts = _parts(body, "batchRequests")
    # Unlike composite, every part of a batch counts against the daily limit; the request itself was counted already.
    call.service.quota.spend(len(parts) - 1)
    results: list[dict[str, Any]] = []
    failed = False
    for part in parts:
        if failed and body.get("haltOnError"):
            message = "The request was halted"
            results.append(
                {"statusCode": 412, "result": [{"errorCode": "BATCH_PROCESSING_HALTED", "message": message}]}
            )
            continue
        url = str(part.get("url", ""))
        answer = _run(call, str(part.get("method", "GET")), url, part.get("richInput"), {})
        failed = failed or answer.status >= 400
        results.append({"statusCode": answer.status, "result": answer.body})
    return Reply(body={"hasErrors": failed, "results": results})
