"""The checklist of `test_appendix_d`, points 12 to 18: access, limits, faults, time, drift, and all of it at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import jwt
import pytest
import requests

from sandbox.profiles import CALM, HOSTILE
from sandbox.salesforce.hostile import ADDED, REMOVED, SHORTENED
from tests.contract.sandbox_salesforce.practice import (
    HOST,
    KEY,
    NOON,
    OTHER_HOST,
    REFRESH,
    SECRET,
    USERNAME,
    Api,
    Practice,
)

CLIENT = {"client_id": KEY, "client_secret": SECRET}
LOGIN = {"grant_type": "client_credentials", **CLIENT}


def _code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]


def test_d12_every_grant_has_its_refusal_in_one_object(practice: Practice) -> None:
    bearer = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
    claims = {"iss": KEY, "sub": USERNAME, "aud": "https://login.salesforce.com", "exp": int(NOON.timestamp()) + 170}

    def signed(**changes: Any) -> str:
        return jwt.encode({**claims, **changes}, practice.private_key, algorithm="RS256")

    refresh = {"grant_type": "refresh_token", **CLIENT}
    for good in (LOGIN, {**bearer, "assertion": signed()}, {**refresh, "refresh_token": REFRESH}):
        assert practice.ask_token(good).json()["token_type"] == "Bearer"
    refused = {
        "audience is invalid": ({**bearer, "assertion": signed(aud="https://a.example")}, HOST),
        "expired authorization code": ({**bearer, "assertion": signed(exp=1)}, HOST),
        "invalid assertion": ({**bearer, "assertion": signed()[:-8]}, HOST),
        "expired access/refresh token": ({**refresh, "refresh_token": "another"}, HOST),
        "request not supported on this domain": (LOGIN, "login.salesforce.com"),
    }
    for description, (form, host) in refused.items():
        answer = practice.ask_token(form, host=host)
        assert (answer.status_code, answer.json()) == (
            400,
            {"error": "invalid_grant", "error_description": description},
        )


def test_d12_sessions_end_by_idleness_and_by_an_administrator(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    practice.clock.advance(timedelta(hours=2, seconds=1))
    assert _code(api("GET", "limits")) == (401, "INVALID_SESSION_ID")
    practice.org.behaviour.calls_per_session = 2
    short = practice.api()
    assert [short("GET", "limits").status_code for _ in range(3)] == [200, 200, 401]


def test_d12_the_org_moves_and_the_old_instance_knows_no_session(practice: Practice, api: Api) -> None:
    practice.org.behaviour.moves = True
    granted = practice.ask_token(LOGIN).json()
    assert granted["instance_url"] == f"https://{OTHER_HOST}"
    session = practice.session()
    session.headers["Authorization"] = f"Bearer {granted['access_token']}"
    assert Api(session, OTHER_HOST)("GET", "limits").status_code == 200
    assert _code(Api(session, HOST)("GET", "limits")) == (401, "INVALID_SESSION_ID")
    assert api("GET", "limits").status_code == 401, "nor do sessions from before the move work"
    assert practice.ask_token(LOGIN).json()["instance_url"] == f"https://{HOST}"


@pytest.mark.parametrize(
    "message", ["Session expired or invalid", "This session is not valid for use with the REST API"]
)
def test_d12_some_401_no_login_cures(practice: Practice, message: str) -> None:
    practice.org.behaviour.refusal = message
    for _ in range(2):
        answer = practice.api()("GET", "limits")
        assert (answer.status_code, answer.json()[0]["message"]) == (401, message)


def test_d12_who_logs_in_too_often_is_locked_out_for_a_while(practice: Practice) -> None:
    practice.clock.hold(NOON)
    practice.service.sessions.logins_per_hour = 2
    assert [practice.ask_token(LOGIN).status_code for _ in range(2)] == [200, 200]
    assert practice.ask_token(LOGIN).json() == {"error": "invalid_grant", "error_description": "login rate exceeded"}
    practice.clock.advance(timedelta(hours=1))
    assert practice.ask_token(LOGIN).status_code == 200


def test_d13_the_quota_rolls_and_is_told_in_two_forms(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    assert api("GET", "limits").headers["Sforce-Limit-Info"] == "api-usage=1/100000"
    practice.org.behaviour.wide_limit_header = True
    wide = api("GET", "limits").headers["Sforce-Limit-Info"]
    assert wide == "api-usage=2/100000; api-bursts=1/750; per-app-api-usage=2/100000(appName=Leadgauge)"
    practice.service.quota.most = 2
    refused = api("GET", "limits")
    assert (*_code(refused), refused.json()[0]["message"]) == (
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "TotalRequests Limit exceeded.",
    )
    practice.clock.advance(timedelta(hours=24))
    assert practice.api()("GET", "limits").json()["DailyApiRequests"]["Remaining"] == 1


def test_d13_long_calls_at_once_keep_others_out(practice: Practice) -> None:
    practice.clock.hold(NOON)
    started, finish = threading.Event(), threading.Event()

    def endless() -> Iterator[bytes]:
        started.set()
        yield b"Id,Lead_Score__c\n"
        finish.wait(20)

    uploading, other = practice.api(), practice.api()
    path = (
        f"jobs/ingest/{uploading('POST', 'jobs/ingest', json={'object': 'Lead', 'operation': 'update'}).json()['id']}"
    )
    practice.service.running.most = 1
    upload = threading.Thread(target=lambda: uploading("PUT", f"{path}/batches", data=endless()))
    upload.start()
    try:
        assert started.wait(20)
        _until(lambda: len(practice.service.running) == 1)
        assert other("GET", "limits").status_code == 200, "it does not run long yet"
        practice.clock.advance(timedelta(seconds=20))
        refused = other("GET", "limits")
        assert _code(refused) == (403, "REQUEST_LIMIT_EXCEEDED"), "the same code as an exhausted quota"
        assert refused.json()[0]["message"].startswith("ConcurrentRequests")
    finally:
        finish.set()
        upload.join(20)
    assert other("GET", "limits").status_code == 200


def _until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2_000):
        if holds():
            return
        pause.wait(0.005)
    raise AssertionError("the condition never held")


def test_d13_limits_need_a_permission_and_calls_are_counted_as_documented(practice: Practice, api: Api) -> None:
    quota, lead = practice.service.quota, practice.lead()

    def cost(method: str, path: str, **body: Any) -> int:
        before = quota.used()
        assert api(method, path, **body).status_code == 200
        return quota.used() - before

    part = {"method": "GET", "url": f"/services/data/v62.0/sobjects/Lead/{lead}", "referenceId": "a"}
    other = {**part, "referenceId": "b"}
    assert cost("POST", "composite", json={"compositeRequest": [part, other]}) == 1
    batch = [{"method": "GET", "url": f"v62.0/sobjects/Lead/{lead}"}] * 3
    assert cost("POST", "composite/batch", json={"batchRequests": batch}) == 3
    job = api("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Lead"}).json()
    assert [cost("GET", f"jobs/query/{job['id']}") for _ in range(2)] == [1, 1], "every poll is a call"
    practice.org.access.views_setup = False
    assert api("GET", "limits").status_code == 403


FAULTS: dict[str, tuple[dict[str, Any], Callable[[requests.Response], bool]]] = {
    "503 with HTML": ({"status": 503, "html": "<h1>Down</h1>"}, lambda answer: answer.status_code == 503),
    "420 with HTML": ({"status": 420, "html": "<h1>No route</h1>"}, lambda answer: answer.text == "<h1>No route</h1>"),
    "406 empty": ({"status": 406}, lambda answer: (answer.status_code, answer.content) == (406, b"")),
    "429": ({"status": 429, "headers": {"Retry-After": "7"}}, lambda answer: answer.headers["Retry-After"] == "7"),
    "200 with a login page": (
        {"status": 200, "html": "<h1>Login</h1>"},
        lambda answer: answer.text == "<h1>Login</h1>",
    ),
    "dripping": ({"drip": 0.001}, lambda answer: "DailyApiRequests" in answer.json()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_d14_a_rule_spoils_the_nth_call(practice: Practice, api: Api, name: str) -> None:
    effect, spoilt = FAULTS[name]
    assert practice.control("faults", [{"path": "/limits$", "skip": 1, "count": 1, "effect": effect}]).ok
    first, second, third = (api("GET", "limits") for _ in range(3))
    assert [first.status_code, third.status_code] == [200, 200]
    assert spoilt(second)


@pytest.mark.parametrize("effect", [{"reset_before": True}, {"cut_body": 0.5}])
def test_d14_connections_break_before_and_within_an_answer(
    practice: Practice, api: Api, effect: dict[str, Any]
) -> None:
    practice.control("faults", [{"path": "/limits$", "count": 1, "effect": effect}])
    with pytest.raises(requests.RequestException):
        api("GET", "limits")
    assert practice.service.quota.used() == (0 if "reset_before" in effect else 1)


def test_d15_a_reset_after_the_commit_leaves_the_write(practice: Practice, api: Api) -> None:
    lead = practice.lead()
    practice.control("faults", [{"method": "PATCH", "count": 1, "effect": {"reset_after": True}}])
    with pytest.raises(requests.ConnectionError):
        api.update({"id": lead, "Lead_Score__c": 50})
    assert practice.value(lead, "Lead_Score__c") == 50
    assert api.update({"id": lead, "Lead_Score__c": 50})[0]["success"], "sent again, it is no other write"
    assert [write["changed"] for write in practice.org.writes] == [True, False]


@pytest.mark.parametrize("skew", [-180, 0, 180])
def test_d16_the_date_of_answers_is_minutes_off(practice: Practice, api: Api, skew: int) -> None:
    practice.clock.hold(NOON)
    assert practice.control("behaviour", {"date_skew": skew}).ok
    answer = api("GET", "limits")
    assert parsedate_to_datetime(answer.headers["Date"]) == NOON + timedelta(seconds=skew)


def test_d17_fields_go_shrink_lose_values_and_come_while_running(practice: Practice, api: Api) -> None:
    lead = practice.lead(Industry="Energy")
    soql = "SELECT Industry FROM Lead"
    since = api("GET", "sobjects/Lead/describe").headers["Last-Modified"]
    practice.clock.advance(timedelta(minutes=1))

    def drift(**order: Any) -> int:
        return practice.control("schema", {"object": "Lead", **order}).status_code

    assert drift(field="Industry", remove=True) == 204
    assert _code(api("GET", "query", params={"q": soql})) == (400, "INVALID_FIELD")
    assert api("GET", "sobjects/Lead/describe", headers={"If-Modified-Since": since}).status_code == 200
    assert drift(field="Industry", restore=True) == 204
    assert api.query(soql)["records"][0]["Industry"] == "Energy"
    assert drift(field="Lead_Score_Reasons__c", length=10) == 204
    assert drift(field="Rating", values=["Hot"]) == 204
    assert drift(field="New__c", add="string") == 204
    rows = (
        {"id": lead, "Lead_Score_Reasons__c": "x" * 11},
        {"id": lead, "Rating": "Cold"},
        {"id": lead, "New__c": "n"},
    )
    answers = [api.update(row)[0] for row in rows]
    assert [answer["errors"][0]["statusCode"] if answer["errors"] else None for answer in answers] == [
        "STRING_TOO_LONG",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        None,
    ]
    assert drift(field="Nope__c", remove=True) == 400
    assert drift(field="Rating", add="string") == 400
    assert drift(field="Rating", add="colour") == 400
    assert drift(field="Rating") == 400


def test_hostile_is_all_of_it_and_calm_ends_it(practice: Practice) -> None:
    org, lead = practice.org, practice.lead(Industry="Energy")
    before = (org.behaviour.as_json(), org.visibility, dict(org.schema["Lead"].fields))
    stamp = practice.value(lead, "SystemModstamp")
    answer = practice.control("profile", {"name": HOSTILE, "seed": 3})
    assert answer.json() == {"name": HOSTILE, "seed": 3}
    assert REMOVED[1] not in org.schema["Lead"].fields
    assert org.schema["Lead"].fields[SHORTENED[1]].length == SHORTENED[2]
    assert set(_outcomes(practice, 120)) > {"200", "INVALID_SESSION_ID", "503", "reset"}
    practice.clock.advance(timedelta(minutes=1))
    assert practice.control("profile", {"name": CALM}).status_code == 200
    after = (org.behaviour.as_json(), org.visibility, dict(org.schema["Lead"].fields))
    assert after[2].pop(ADDED[1]).length == 255
    assert after == before
    assert practice.value(lead, "SystemModstamp") > stamp, "what could not be read meanwhile is read again"
    assert set(_outcomes(practice, 20)) == {"200"}
    assert practice.control("profile", {"name": "grim"}).status_code == 400


def _outcomes(practice: Practice, calls: int) -> Iterator[str]:
    """What so many calls give to a client that logs in again only after a 401."""
    api: Api | None = None
    for _ in range(calls):
        try:
            if api is None:
                granted = practice.ask_token(LOGIN).json()
                session = practice.session()
                session.headers["Authorization"] = f"Bearer {granted['access_token']}"
                api = Api(session, granted["instance_url"].removeprefix("https://"))
            answer = api("GET", "sobjects/Task/describe")
        except requests.JSONDecodeError:
            yield "no token"
        except requests.RequestException:
            yield "reset"
        else:
            if answer.status_code == 401:
                api = None
                yield "INVALID_SESSION_ID"
            else:
                yield str(answer.status_code)
