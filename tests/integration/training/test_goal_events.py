"""Every kind of event, from a CRM's page to the instants that labels are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pytest
from sqlalchemy import Engine

from connectors.port import Page
from connectors.records import (
    AccountRecord,
    Activity,
    ActivityKind,
    AttributeChange,
    Deletion,
    LeadRecord,
    Outcome,
    OutcomeStatus,
    RecordRef,
    RecordState,
    Value,
)
from worker.store import labels, streams
from worker.store.streams import Role
from worker.sync.apply import apply
from worker.training import history
from worker.training.goal import Goal
from worker.training.population import CUSTOMERS, EARLY, population

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
END = 300


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


def ref(id: str, object: str = "Contact") -> RecordRef:
    return RecordRef("acme", object, id)


ACCOUNT = ref("a", "Account")


def person(id: str, at: float = 0, *, modified: float | None = None, **more: Any) -> LeadRecord:
    given: dict[str, Any] = {"state": RecordState.OPEN} | more
    return LeadRecord(ref(id), created_at=day(at), modified_at=day(at if modified is None else modified), **given)


def deal(id: str, status: OutcomeStatus, at: float, *, made: float = 1, stage: str = "Closed", **more: Any) -> Outcome:
    closed = {} if status is OutcomeStatus.OPEN else {"closed_at": day(at)}
    return Outcome(ref(id, "Opportunity"), status, stage, day(made), day(at), **(closed | more))


def act(id: str, who: str, kind: ActivityKind, at: float, detail: str | None = None) -> Activity:
    return Activity(ref(id, "Task"), kind, (ref(who),), day(at), day(at), detail)


def changed(who: str, name: str, value: Value, at: float, object: str = "Contact") -> AttributeChange:
    return AttributeChange(ref(who, object), name, value, day(at), day(at))


@pytest.fixture
def store(engine: Engine) -> Any:
    """Applies pages as a backfill, each as of a day."""

    def applied(at: float = END, **parts: Any) -> None:
        with engine.begin() as connection:
            apply(connection, Page(cursor={}, done=True, backfill=True, **parts), day(at))

    return applied


@pytest.fixture
def found(engine: Engine, arrow: adbc.Connection) -> Any:
    """The days on which a goal's event happened, by person."""

    def found(event: Any, **more: Any) -> dict[str, list[float]]:
        goal = Goal.model_validate({"event": event} | more)
        keys = keys_of(engine)
        rows = history.events(arrow, goal).sort("person_id", "at").iter_rows()
        result: dict[str, list[float]] = {}
        for who, at in rows:
            result.setdefault(keys[who], []).append((at - DAY_0).total_seconds() / 86_400)
        return result

    return found


def keys_of(engine: Engine) -> dict[int, str]:
    with engine.connect() as connection:
        return {row.id: row.key for row in connection.exec_driver_sql("SELECT id, key FROM subject")}


def test_a_deal_is_won_when_it_closed_and_only_if_it_still_is(store: Any, found: Any) -> None:
    people = [person(id) for id in ("won", "lost", "open", "reopened", "deleted")]
    ends = {"won": OutcomeStatus.WON, "lost": OutcomeStatus.LOST, "open": OutcomeStatus.OPEN}
    deals = [deal(f"d-{id}", status, 50, people=(ref(id),)) for id, status in ends.items()]
    deals += [deal(f"d-{id}", OutcomeStatus.WON, 50, people=(ref(id),)) for id in ("reopened", "deleted")]
    store(60, leads=people, outcomes=deals)
    store(70, outcomes=[deal("d-reopened", OutcomeStatus.OPEN, 65, people=(ref("reopened"),))])
    store(70, deletions=[Deletion(ref("d-deleted", "Opportunity"), day(66))])
    assert found("deal_won") == {"won": [50]}
    assert set(found("opportunity_created")) == {"won", "lost", "open", "reopened"}
    assert found("opportunity_created")["lost"] == [1]


def test_a_deal_whose_close_date_lies_ahead_was_won_when_it_was_seen_won(store: Any, found: Any) -> None:
    ahead = deal("d", OutcomeStatus.WON, 50, people=(ref("p"),), closed_at=day(400))
    store(60, leads=[person("p")], outcomes=[ahead])
    assert found("deal_won") == {"p": [50]}


def test_the_worth_of_a_deal_may_be_asked_for(store: Any, found: Any) -> None:
    people = [person(id) for id in ("small", "large", "unknown")]
    worth: dict[str, float | None] = {"small": 100, "large": 101, "unknown": None}
    deals = [deal(id, OutcomeStatus.WON, 50, people=(ref(id),), amount=amount) for id, amount in worth.items()]
    store(leads=people, outcomes=deals)
    assert set(found({"kind": "deal_won", "amount_above": 100})) == {"large"}
    assert set(found("first_payment")) == {"small", "large"}


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        ("contacts", {"on"}),
        ("account", {"on", "beside", "other"}),
        ("contacts_or_account", {"on", "other"}),
    ],
)
def test_whom_a_deal_converts_is_configured(store: Any, found: Any, reach: str, expected: set[str]) -> None:
    second = ref("b", "Account")
    accounts = [AccountRecord(account, day(0), day(0)) for account in (ACCOUNT, second)]
    people = [person("on", account=ACCOUNT), person("beside", account=ACCOUNT), person("other", account=second)]
    deals = [
        deal("named", OutcomeStatus.WON, 50, people=(ref("on"),), account=ACCOUNT),
        deal("nameless", OutcomeStatus.WON, 50, account=second),
    ]
    store(leads=people, accounts=accounts, outcomes=deals)
    assert set(found("deal_won", deal_people=reach)) == expected


def test_a_deal_counts_from_its_first_time_in_a_stage(store: Any, found: Any) -> None:
    store(40, leads=[person("p")], outcomes=[deal("d", OutcomeStatus.OPEN, 40, stage="Trial", people=(ref("p"),))])
    store(45, outcomes=[deal("d", OutcomeStatus.OPEN, 45, stage="Negotiation", people=(ref("p"),))])
    store(50, outcomes=[deal("d", OutcomeStatus.OPEN, 50, stage="trial", people=(ref("p"),))])
    assert found({"kind": "deal_stage", "stages": "TRIAL"}) == {"p": [40]}
    assert found({"kind": "deal_stage", "stages": ["trial", "negotiation"]}) == {"p": [40]}
    assert found({"kind": "deal_stage", "stages": ["Contract"]}) == {}


def test_a_lead_was_converted_when_its_status_last_changed(store: Any, found: Any) -> None:
    leads = [
        person("history", modified=80, state=RecordState.CONVERTED, attributes={"status": "Converted"}),
        person("bare", modified=80, state=RecordState.CONVERTED),
        person("open", modified=80, attributes={"status": "Working"}),
    ]
    store(leads=leads, history=[changed("history", "status", "New", 0), changed("history", "status", "Converted", 30)])
    assert found("lead_converted") == {"history": [80], "bare": [80]} or found("lead_converted")["history"] == [30]


def test_a_field_counts_each_time_that_it_comes_to_hold_a_value(store: Any, found: Any) -> None:
    values = [(10, "free"), (20, "Pro "), (30, "pro"), (40, "free"), (50, "PRO"), (60, None)]
    store(leads=[person("p")], history=[changed("p", "plan", value, at) for at, value in values])
    assert found({"kind": "field", "name": "plan", "values": "pro"}) == {"p": [20, 50]}
    assert found({"kind": "field", "name": "plan"}) == {"p": [10]}
    assert found({"kind": "trial_started", "field": "plan"}) == {"p": [10]}
    assert found({"kind": "field", "name": "plan", "values": ["other"]}) == {}


def test_flags_and_numbers_are_compared_as_they_are_written_down(store: Any, found: Any) -> None:
    store(leads=[person("p")], history=[changed("p", "active", True, 10), changed("p", "seats", 25.0, 12)])
    assert found({"kind": "field", "name": "active", "values": [True]}) == {"p": [10]}
    assert found({"kind": "field", "name": "seats", "values": [25]}) == {"p": [12]}


def test_an_accounts_field_converts_everybody_of_the_account(store: Any, found: Any) -> None:
    account = AccountRecord(ACCOUNT, day(0), day(90), attributes={"account_type": "Customer"})
    people = [person("one", account=ACCOUNT), person("two", account=ACCOUNT), person("three")]
    store(leads=people, accounts=[account])
    event = {"kind": "field", "name": "account_type", "values": ["customer"], "of": "account"}
    assert found(event) == {"one": [90], "two": [90]}
    assert found(event | {"of": "person"}) == {}


def test_an_activity_counts_by_kind_and_by_what_it_was_about(store: Any, found: Any) -> None:
    acts = [
        act("1", "p", ActivityKind.FORM_SUBMISSION, 10, "Free TRIAL sign-up"),
        act("2", "p", ActivityKind.FORM_SUBMISSION, 20, "Newsletter"),
        act("3", "q", ActivityKind.DEMO_REQUEST, 30, None),
        act("4", "q", ActivityKind.FORM_SUBMISSION, 40, "trial"),
    ]
    store(leads=[person("p"), person("q")], activities=acts)
    store(deletions=[Deletion(ref("4", "Task"), day(290))])
    event = {"kind": "activity", "activity": "form_submission"}
    assert found(event) == {"p": [10, 20]}
    assert found(event | {"detail": "trial"}) == {"p": [10]}
    assert found(event | {"detail": "100%_"}) == {}
    assert found("trial_started") == {"p": [10]}


def test_a_quote_in_a_word_is_a_quote(store: Any, found: Any) -> None:
    store(leads=[person("p")], history=[changed("p", "plan", 'l\'essai \\ "pro"', 10)])
    assert found({"kind": "field", "name": "plan", "values": ['l\'essai \\ "pro"']}) == {"p": [10]}


def test_losers_and_the_deleted_stay_in_the_population_up_to_their_end(
    store: Any, engine: Engine, arrow: adbc.Connection
) -> None:
    leads = [
        person("open"),
        person("lost", modified=40, state=RecordState.DISQUALIFIED, attributes={"status": "Unqualified"}),
        person("gone"),
        person("won"),
        person("early"),
    ]
    deals = [
        deal("1", OutcomeStatus.WON, 70, people=(ref("won"),)), deal("2", OutcomeStatus.WON, 0, people=(ref("early"),))
    ]  # fmt: skip
    store(80, leads=leads, outcomes=deals, history=[changed("lost", "status", "New", 5)])
    store(90, deletions=[Deletion(ref("gone"), day(30))])
    goal = Goal()
    found = population(history.read(arrow, goal, day(END)), goal)
    keys = keys_of(engine)
    ends = {keys[who]: round((end - DAY_0).total_seconds() / 86_400, 3) for who, _, end in found.spells.iter_rows()}
    assert ends == {"open": END, "lost": 40, "gone": 30, "won": 70}
    assert found.outside == {EARLY: 1}


def test_who_a_crm_calls_a_customer_is_one_from_then_on(store: Any, engine: Engine, arrow: adbc.Connection) -> None:
    customer: Any = {"state": RecordState.CUSTOMER, "attributes": {"lifecycle_stage": "customer"}}
    store(
        leads=[person("became", modified=60, **customer), person("always", **customer)],
        history=[changed("became", "lifecycle_stage", "lead", 0)],
    )
    goal = Goal.model_validate({"event": {"kind": "activity", "activity": "demo_request"}})
    found = population(history.read(arrow, goal, day(END)), goal)
    keys = keys_of(engine)
    assert [(keys[who], end) for who, _, end in found.spells.iter_rows()] == [("became", day(60))]
    assert found.outside == {CUSTOMERS: 1}


def test_labels_end_where_the_slowest_stream_was_last_read_whole(engine: Engine) -> None:
    with engine.begin() as connection:
        assert labels.known_until(connection, ["acme"], day(9)) == (day(9), None)
        rows = [
            ("acme", "deals", Role.PULL, day(0)),
            ("acme", "leads", Role.PULL, day(0)),
            ("acme", "push", Role.PUSH, day(0)),
        ]
        streams.ensure(connection, rows)
        connection.exec_driver_sql("UPDATE stream SET complete_at = %s WHERE name = 'deals'", (day(5),))
        connection.exec_driver_sql("UPDATE stream SET complete_at = %s WHERE name = 'leads'", (day(7),))
        assert labels.known_until(connection, ["acme"], day(9)) == (day(5), "acme/deals")
        assert labels.known_until(connection, ["other"], day(9)) == (day(9), None)


def test_a_record_that_came_back_was_gone_meanwhile(store: Any, engine: Engine, arrow: adbc.Connection) -> None:
    store(20, leads=[person("p")])
    store(40, deletions=[Deletion(ref("p"), day(35))])
    store(60, leads=[person("p", modified=50)])
    goal = Goal()
    found = population(history.read(arrow, goal, day(END)), goal).spells
    spells = [
        (round((a - DAY_0) / timedelta(days=1)), round((b - DAY_0) / timedelta(days=1)))
        for _, a, b in found.iter_rows()
    ]
    assert spells == [(0, 40), (60, END)]
