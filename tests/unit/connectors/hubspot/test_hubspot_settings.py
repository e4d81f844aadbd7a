from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.hubspot.settings import HubspotSettings
from connectors.quota import Lane, Window
from connectors.records import ScoreField

GIVEN: dict[str, Any] = {"kind": "hubspot", "name": "acme", "auth": {"type": "token", "token": {"env": "X"}}}


def settings(**changes: Any) -> HubspotSettings:
    return HubspotSettings.model_validate({**GIVEN, **changes})


def test_the_default_is_the_contract() -> None:
    fields = settings().fields
    assert set(fields) == set(ScoreField)
    assert fields[ScoreField.MQL_DATE] == "lead_gauge_mql_date"


def test_a_named_field_replaces_and_null_leaves_out() -> None:
    fields = settings(fields={"score": "my_score", "grade": None}).fields
    assert fields[ScoreField.SCORE] == "my_score"
    assert fields[ScoreField.GRADE] is None
    assert fields[ScoreField.BUCKET] == "lead_gauge_bucket"


def test_the_budget_keeps_to_seventy_percent_spread_over_the_seconds() -> None:
    budget = settings().budget
    assert budget.windows["general"] == Window(13, timedelta(seconds=1))
    assert budget.windows["search"] == Window(1, timedelta(milliseconds=250))
    assert settings(calls_per_10_seconds=1).budget.windows["general"].limit == 1


def test_one_share_may_be_changed_alone() -> None:
    shares = settings(daily_shares={"backfill": 0.2}).budget.shares
    assert (shares[Lane.BACKFILL], shares[Lane.INBOUND]) == (0.2, 0.8)


def test_a_quarter_of_the_day_is_ours_unless_said_otherwise() -> None:
    assert settings().budget.own == 0.25
    budget = settings(daily_own=0.4).budget
    assert budget.own_share(Lane.INBOUND) == pytest.approx(0.4)
    assert budget.own_share(Lane.BACKFILL) == pytest.approx(0.25)
    with pytest.raises(ValidationError, match="daily_own"):
        settings(daily_own=0)


def test_a_stream_to_leave_out_must_be_one() -> None:
    with pytest.raises(
        ValidationError, match=r"no stream is called contatcs; there are contacts, companies, .*, removals"
    ):
        settings(without=["contatcs", "deals"])


def test_lanes_stop_in_their_order() -> None:
    with pytest.raises(ValidationError, match="must not have more of the day"):
        settings(daily_shares={"inbound": 0.1})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host": "http://api.hubapi.com"}, "host"),
        ({"host": "https://api.hubapi.com/"}, "host"),
        ({"name": "Acme HS"}, "name"),
        ({"fields": {"points": "x"}}, "points"),
        ({"fields": {"score": "x", "grade": "x"}}, "property of its own"),
        ({"forms": [{"pattern": "(", "kind": "meeting"}]}, "regular expression"),
        ({"pages": [{"pattern": "x", "kind": "teleport"}]}, "kind"),
        ({"auth": {"type": "token", "token": "pat-na1-inline"}}, "token"),
        ({"paths": "v5"}, "paths"),
        ({"page_size": 201}, "page_size"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_mistake_is_refused_by_name(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**changes)


def test_settings_do_not_cost_the_sdk() -> None:
    code = "import sys, connectors.hubspot.settings; sys.exit('hubspot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
