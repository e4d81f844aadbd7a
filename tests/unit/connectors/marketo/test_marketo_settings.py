from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.marketo.settings import DEFAULT_FIELDS, STREAMS, MarketoSettings
from connectors.records import ScoreField


def settings(**changes: Any) -> MarketoSettings:
    given = {
        "kind": "marketo", "name": "acme", "host": "https://123-abc-456.mktorest.com",
        "auth": {"client_id": "c", "client_secret": {"env": "S"}},
    }  # fmt: skip
    return MarketoSettings.model_validate({**given, **changes})


def test_fields_go_by_names_as_the_vendor_writes_them() -> None:
    assert settings().fields[ScoreField.MQL_DATE] == "leadGaugeMqlDate"
    assert settings(fields={"score": "acmeScore"}).fields == {**DEFAULT_FIELDS, ScoreField.SCORE: "acmeScore"}
    assert settings(fields={"bant": None}).fields[ScoreField.BANT] is None


def test_a_further_goal_has_fields_of_its_own() -> None:
    fields = settings(fields={"grade": None}).with_goals({"up_sell": "up_sell"}).fields
    assert fields[ScoreField("up_sell.score")] == "leadGaugeScoreUpSell"
    assert all(field.kind is not ScoreField.GRADE for field in fields if field.goal)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"fields": {"score": "x", "grade": "x"}}, "x would hold more than one"),
        ({"host": "https://123-abc-456.mktorest.com/rest"}, "host"),
        ({"host": "http://123-abc-456.mktorest.com"}, "host"),
        ({"without": ["visits"]}, "no stream is called visits; there are leads"),
        ({"alert": {"campaign": 0}}, "campaign"),
        ({"alert": {"entering": "mql"}}, "campaign"),
        ({"alert": {"campaign": 7, "subject": "New hot lead"}}, "subject"),
        ({"alert": {"campaign": 7, "due_days": 3}}, "due_days"),
        ({"auth": {"client_id": "", "client_secret": {"env": "S"}}}, "client_id"),
        ({"page_size": 301}, "page_size"),
        ({"pages": [{"pattern": "(", "kind": "page_view"}]}, "not a regular expression"),
        ({"since": "2020-01-01T00:00:00"}, "since"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        settings(**changes)


def test_the_budget_keeps_to_half_of_what_all_integrations_share() -> None:
    budget = settings().budget
    (window,) = budget.windows.values()
    assert 45 <= window.limit * (timedelta(seconds=20) / window.per) <= 50
    assert window.limit <= 5, "what is begun at once counts against ten at once"
    assert budget.daily == 50_000
    assert settings(calls_per_20_seconds=3).budget.windows["general"].limit == 1


def test_streams_are_named() -> None:
    assert settings(without=["deliveries"]).without < set(STREAMS)
