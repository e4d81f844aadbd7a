from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.port import Quota
from connectors.quota import Lane, OpenGate
from connectors.salesforce.session import Session
from connectors.salesforce.wire import endpoint_of
from connectors.secret import SecretRef
from connectors.tokens import MemoryTokens
from connectors.transport import Exchange
from tests.unit.connectors.salesforce_stub import INVALID_SESSION, Asked, Reply, Stub

ROWS = Reply(200, {"records": [{"Id": "1"}], "done": True, "totalSize": 1})
SOQL = "SELECT Id FROM Lead"
WRITE = [{"attributes": {"type": "Lead"}, "id": "00Qxx0000000001AAA", "Lead_Score__c": 71}]
WRITTEN = Reply(200, [{"id": "00Qxx0000000001AAA", "success": True, "errors": []}])


def query(session: Session) -> int:
    return len(session.query(SOQL, lane=Lane.INBOUND).records)


def once(reply: Reply, then: Reply = ROWS) -> Any:
    """Answers `reply` to the first call and `then` to the others."""
    left = [reply]
    return lambda asked: left.pop() if left else then


def expired(stub: Stub, refusal: Reply, then: Reply) -> Session:
    """A session whose token, good so far, is answered with `refusal` from now on; the next one with `then`."""
    stub.answer = lambda asked: ROWS
    session = stub.session()
    query(session)
    stub.answer = lambda asked: refusal if asked.token == "token-1" else then
    return session


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_one_login_for_many_calls(stub: Stub) -> None:
    stub.answer = lambda asked: ROWS
    session = stub.session()
    assert [query(session) for _ in range(3)] == [1, 1, 1]
    assert stub.logins == 1


def test_an_expired_token_is_refreshed_once_and_the_write_keeps_its_headers(stub: Stub) -> None:
    session = expired(stub, INVALID_SESSION, WRITTEN)
    assert session.update(WRITE)[0]["success"]
    first, second = stub.calls("/composite/sobjects")
    assert (first.token, second.token, stub.logins) == ("token-1", "token-2", 2)
    for asked in (first, second):
        assert asked.headers["sforce-auto-assign"] == "FALSE"
        assert asked.body == first.body


def test_a_fresh_token_that_is_refused_stops_the_source(stub: Stub) -> None:
    stub.answer = lambda asked: INVALID_SESSION
    with pytest.raises(AuthFailed, match="just issued"):
        query(stub.session())
    assert stub.logins == 1
    assert len(stub.calls()) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", {"error": "x"}, [], b'[{"mess'])
def test_a_401_is_understood_whatever_its_body(stub: Stub, body: Any) -> None:
    assert query(expired(stub, Reply(401, body), ROWS)) == 1


def test_a_token_that_lapses_later_is_replaced_each_time(stub: Stub) -> None:
    good = {"token-1"}
    stub.answer = lambda asked: ROWS if asked.token in good else INVALID_SESSION
    session = stub.session()
    query(session)
    for number in (2, 3):
        good.clear()
        good.add(f"token-{number}")
        assert query(session) == 1
    assert stub.logins == 3


def test_sixteen_sessions_with_one_expired_token_log_in_once(stub: Stub) -> None:
    tokens = MemoryTokens()
    good = {"token-1"}
    stub.answer = lambda asked: ROWS if asked.token in good else INVALID_SESSION
    sessions = [stub.session(tokens=tokens) for _ in range(16)]
    for session in sessions:
        query(session)
    assert stub.logins == 1
    good.clear()
    good.add("token-2")
    threads = [threading.Thread(target=query, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stub.logins == 2


def test_other_credentials_do_not_meet_the_old_token(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = MemoryTokens()
    query(stub.session(tokens=tokens))
    auth = {"type": "client_credentials", "consumer_key": "another", "consumer_secret": {"env": "SECRET"}}
    query(stub.session(tokens=tokens, auth=auth))
    assert stub.logins == 2


def test_the_instance_may_move_with_a_login(stub: Stub) -> None:
    session = expired(stub, INVALID_SESSION, ROWS)
    port = stub.url.rpartition(":")[2]

    def moved() -> Reply:
        host = "localhost" if stub.logins == 1 else "127.0.0.1"
        return Reply(200, {"access_token": f"token-{stub.logins}", "instance_url": f"https://{host}:{port}/"})

    stub.log_in = moved
    with pytest.raises(Misconfigured, match=r"127\.0\.0\.1"):  # its certificate is for localhost, so it went there
        query(session)
    assert session.instance() == f"https://127.0.0.1:{port}"


def test_a_refused_login_says_what_to_look_at(stub: Stub) -> None:
    stub.log_in = lambda: Reply(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
    with pytest.raises(AuthFailed, match="consumer_key and consumer_secret"):
        query(stub.session())
    assert stub.logins == 1


def test_a_login_that_is_busy_is_no_refusal(stub: Stub) -> None:
    replies = [Reply(503, b"<html>maintenance</html>"), Reply(200, {"access_token": "t", "instance_url": stub.url})]
    stub.log_in = lambda: replies.pop(0)
    with pytest.raises(Transient) as raised:
        query(stub.session())
    assert raised.value.retry_after == timedelta(seconds=60)


def test_a_missing_secret_is_a_matter_of_configuration(stub: Stub) -> None:
    auth = {"type": "client_credentials", "consumer_key": "key", "consumer_secret": SecretRef(env="NOT_SET")}
    with pytest.raises(Misconfigured, match="NOT_SET is not set"):
        query(stub.session(auth=auth))


# -- answers -----------------------------------------------------------------------------------------------------------

TRANSIENT = [
    Reply(503, b"<html><body>Service Unavailable</body></html>", {"Content-Type": "text/html"}),
    Reply(503, [{"message": "Server Unavailable", "errorCode": "SERVER_UNAVAILABLE"}]),
    Reply(500, [{"message": "An unexpected error occurred", "errorCode": "UNKNOWN_EXCEPTION"}]),
    Reply(502, b""),
    Reply(504, b"upstream"),
    Reply(420, b"<html>no route</html>"),
    Reply(406, b""),
    Reply(429, b"slow down", {"Retry-After": "1"}),
    Reply(400, [{"message": "canceled query", "errorCode": "QUERY_TIMEOUT"}]),
    Reply(403, [{"message": "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
                 "errorCode": "REQUEST_LIMIT_EXCEEDED"}]),
    Reply(200, b"<html>login page</html>", {"Content-Type": "text/html"}),
    Reply(200, b'{"records": [{"Id": "1"'),
    Reply(200, {"records": [], "done": True, "padding": "x" * 4000}, cut=True),
]  # fmt: skip


@pytest.mark.parametrize("reply", TRANSIENT, ids=[f"{reply.status}-{n}" for n, reply in enumerate(TRANSIENT)])
def test_what_passes_is_tried_again_until_it_has_passed(stub: Stub, reply: Reply) -> None:
    stub.answer = once(reply)
    assert query(stub.session()) == 1
    assert len(stub.calls()) == 2


FINAL: list[tuple[Reply, type[CrmError], str]] = [
    (Reply(400, [{"errorCode": "INVALID_FIELD", "message": "No such column 'Foo__c' on entity 'Lead'."}]),
     Misconfigured, "Foo__c"),
    (Reply(400, [{"errorCode": "INVALID_TYPE", "message": "sObject type 'Lead' is not supported."}]),
     Misconfigured, "read access to the object"),
    (Reply(403, [{"errorCode": "API_DISABLED_FOR_ORG", "message": "API is disabled"}]), Misconfigured, "edition"),
    (Reply(403, b"<html>Forbidden</html>"), Misconfigured, "403"),
    (Reply(410, [{"errorCode": "UNSUPPORTED_API_VERSION", "message": "retired"}]), Misconfigured, "api_version"),
    (Reply(400, [{"errorCode": "MALFORMED_QUERY", "message": "unexpected token"}]), ProtocolViolation, "MALFORMED"),
    (Reply(414, b"<html>URI Too Long</html>"), ProtocolViolation, "414"),
    (Reply(200, {"totalSize": 0}), ProtocolViolation, "without records"),
    (Reply(302, b"", {"Location": "/"}), ProtocolViolation, "302"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "error", "says"), FINAL, ids=[f"{case[0].status}-{case[2]}" for case in FINAL])
def test_what_does_not_pass_is_raised_at_once(stub: Stub, reply: Reply, error: type[CrmError], says: str) -> None:
    stub.answer = lambda asked: reply
    with pytest.raises(error, match=says):
        query(stub.session())
    assert len(stub.calls()) == 1


def test_the_days_limit_is_no_matter_of_credentials_and_has_a_time_to_resume(stub: Stub) -> None:
    body = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    stub.answer = lambda asked: Reply(403, body, {"Date": "Sun, 01 Mar 2026 12:00:00 GMT"})
    with pytest.raises(QuotaExhausted) as raised:
        query(stub.session())
    wait = raised.value.resume_at - datetime(2026, 3, 1, 12, tzinfo=UTC)  # by Salesforce's clock, not by ours
    assert timedelta(minutes=14) < wait < timedelta(minutes=16)
    assert len(stub.calls()) == 1


def test_an_unreachable_host_is_transient_and_named(stub: Stub) -> None:
    with pytest.raises(Transient, match="localhost:1 cannot be reached"):
        query(stub.session(login_url="https://localhost:1"))


def test_a_certificate_of_unknown_authority_is_a_matter_of_configuration(stub: Stub) -> None:
    with pytest.raises(Misconfigured, match="ca_bundle"):
        query(stub.session(ca_bundle=None))


def test_errors_carry_no_address_of_a_person(stub: Stub) -> None:
    body = [{"errorCode": "DUPLICATE_VALUE", "message": "duplicate value found: jo@acme.com on 00Qxx0000000001"}]
    stub.answer = lambda asked: Reply(400, body)
    with pytest.raises(ProtocolViolation) as raised:
        query(stub.session())
    assert "jo@acme.com" not in str(raised.value)
    assert "duplicate value found" in str(raised.value)


# -- what a call tells -------------------------------------------------------------------------------------------------

LIMIT_INFO = [
    "api-usage=10018/100000",
    "api-usage=10018/100000; api-bursts=1/750",
    "per-app-api-usage=17/250(appName=x); api-usage=10018/100000",
    "api-usage=10018/100000; per-app-api-usage=17/250(appName=sample-connected-app)",
]


@pytest.mark.parametrize("header", LIMIT_INFO)
def test_the_allowance_is_read_from_every_form_of_the_header(stub: Stub, header: str) -> None:
    told: list[tuple[str, int, int]] = []

    class Listening(OpenGate):
        def learn(self, source: str, used: int, limit: int, resets_at: datetime | None = None) -> None:
            told.append((source, used, limit))

    stub.answer = lambda asked: Reply(200, ROWS.body, {"Sforce-Limit-Info": header})
    session = stub.session(gate=Listening())
    query(session)
    assert session.quota() == Quota(10018, 100000)
    assert told == [("acme", 10018, 100000)]


def test_the_allowance_is_not_guessed(stub: Stub) -> None:
    stub.answer = lambda asked: Reply(200, ROWS.body, {"Sforce-Limit-Info": "per-app-api-usage=17/250(appName=x)"})
    session = stub.session()
    query(session)
    assert session.quota() is None


def test_each_attempt_enters_the_gate_and_is_observed(stub: Stub) -> None:
    entered: list[tuple[str, str, Lane]] = []
    seen: list[Exchange] = []

    class Counting(OpenGate):
        def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
            entered.append((source, bucket, lane))

    stub.answer = once(Reply(503, b""))
    settings = stub.settings()
    session = Session(
        settings, gate=Counting(), tokens=MemoryTokens(), observer=seen.append, sleep=lambda seconds: None
    )
    session.query(SOQL, lane=Lane.REFRESH)
    assert entered == [("acme", "api", Lane.REFRESH)] * 2
    assert set(settings.budget.windows) == {"api"}
    assert [(each.endpoint, each.status) for each in seen] == [("oauth2/token", 200), ("query", 503), ("query", 200)]


def test_a_gate_that_is_shut_stops_the_call(stub: Stub) -> None:
    class Shut(OpenGate):
        def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
            raise QuotaExhausted(source, "spent", datetime(2026, 3, 1, tzinfo=UTC))

    with pytest.raises(QuotaExhausted):
        query(stub.session(gate=Shut()))
    assert stub.calls() == []


def test_ids_are_asked_for_in_as_few_requests_as_the_uri_allows(stub: Stub) -> None:
    asked_for: list[str] = []

    def answer(asked: Asked) -> Reply:
        ids = asked.params["q"].partition(" IN (")[2].rstrip(")").replace("'", "").split(",")
        asked_for.extend(ids)
        assert sum(map(len, (asked.path, *asked.params.values()))) < 16_384
        return Reply(200, {"records": [{"Id": id} for id in ids], "done": True})

    stub.answer = answer
    ids = [f"00Qxx{number:010d}AAA" for number in range(2000)]
    rows = stub.session().query_ids("SELECT Id FROM Lead WHERE Id IN {ids}", ids, lane=Lane.WRITE)
    assert {row["Id"] for row in rows} == set(ids)
    assert sorted(asked_for) == ids
    assert len(stub.calls()) <= 5


def test_an_answer_in_several_batches_is_followed(stub: Stub) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/query"):
            following = "/services/data/v62.0/query/0r8xx0000000001AAA-1"
            return Reply(200, {"records": [{"Id": "1"}], "done": False, "nextRecordsUrl": following})
        assert asked.path == "/services/data/v62.0/query/0r8xx0000000001AAA-1"
        return Reply(200, {"records": [{"Id": "2"}], "done": True})

    stub.answer = answer
    rows = stub.session().query_ids("SELECT Id FROM Lead WHERE Id IN {ids}", ["1", "2"], lane=Lane.WRITE)
    assert [row["Id"] for row in rows] == ["1", "2"]


def test_results_that_do_not_match_the_records_are_not_matched_to_them(stub: Stub) -> None:
    stub.answer = lambda asked: Reply(200, [])
    with pytest.raises(ProtocolViolation):
        stub.session().update(WRITE)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://a/services/data/v62.0/query?q=SELECT+Email", "query"),
        ("https://a/services/data/v62.0/sobjects/Lead/00Qxx0000000001AAA", "sobjects/Lead/{id}"),
        ("https://a/services/data/v62.0/composite/sobjects", "composite/sobjects"),
        ("https://a/services/data/", "versions"),
        ("https://a/services/oauth2/token", "oauth2/token"),
    ],
)
def test_endpoints_for_metrics_hold_no_ids(url: str, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint


def test_the_day_is_asked_for_where_answers_do_not_tell_it(stub: Stub) -> None:
    told: list[tuple[int, int]] = []

    class Listening(OpenGate):
        def learn(self, source: str, used: int, limit: int, resets_at: datetime | None = None) -> None:
            told.append((used, limit))

    limits = Reply(200, {"DailyApiRequests": {"Max": 15000, "Remaining": 14000, "CLI": {"Max": 0, "Remaining": 0}}})
    stub.answer = lambda asked: limits if asked.path.endswith("/limits") else ROWS
    session = stub.session(gate=Listening(), usage_age=timedelta(0))
    query(session)
    assert session.quota() == Quota(1000, 15000)
    assert told == [(1000, 15000)]
    assert len(stub.calls("/limits")) == 1
    query(stub.session())
    assert len(stub.calls("/limits")) == 1, "not asked for at every call"


@pytest.mark.parametrize("reply", [Reply(403, [{"errorCode": "INSUFFICIENT_ACCESS"}]), Reply(200, {}), Reply(200, [])])
def test_a_day_that_is_not_told_stops_nothing(stub: Stub, reply: Reply) -> None:
    stub.answer = lambda asked: reply if asked.path.endswith("/limits") else ROWS
    session = stub.session(usage_age=timedelta(0))
    assert query(session) == 1
    assert session.quota() is None
