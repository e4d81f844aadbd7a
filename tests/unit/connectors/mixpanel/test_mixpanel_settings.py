from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from connectors.catalog import SourceSettings
from connectors.mixpanel.settings import MixpanelSettings
from connectors.records import ScoreField

GIVEN: dict[str, Any] = {
    "kind": "mixpanel",
    "name": "app",
    "project_id": 7,
    "auth": {"user": "svc", "secret": {"env": "S"}, "token": {"env": "T"}},
}


def settings(**changes: Any) -> MixpanelSettings:
    made = TypeAdapter(SourceSettings).validate_python({**GIVEN, **changes})
    assert isinstance(made, MixpanelSettings)
    return made


@pytest.mark.parametrize(
    ("region", "hosts"),
    [
        ("us", ("https://api.mixpanel.com", "https://data.mixpanel.com", "https://mixpanel.com")),
        ("eu", ("https://api-eu.mixpanel.com", "https://data-eu.mixpanel.com", "https://eu.mixpanel.com")),
        ("in", ("https://api-in.mixpanel.com", "https://data-in.mixpanel.com", "https://in.mixpanel.com")),
    ],
)
def test_every_region_has_three_hosts(region: str, hosts: tuple[str, str, str]) -> None:
    places = settings(region=region).places
    assert (places.ingest, places.export, places.query) == hosts


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"region": "us-west"}, "region"),
        ({"hosts": {"query": "http://mixpanel.com"}}, "hosts"),
        ({"time_zone": "Berlin"}, "Europe/Berlin"),
        ({"fields": {"score": "$score"}}, "for itself"),
        ({"fields": {"score": "mp_score"}}, "for itself"),
        ({"fields": {"score": "a", "bucket": "a"}}, "more than one"),
        ({"without": ["event"]}, "profiles, events"),
        ({"events": [{"pattern": "(", "kind": "page_view"}]}, "regular expression"),
        ({"events": [{"pattern": "x"}]}, "one of kind, outcome and skip"),
        ({"events": [{"pattern": "x", "kind": "page_view", "outcome": "won"}]}, "one of kind, outcome and skip"),
        ({"events": [{"pattern": "x", "kind": "page_view", "amount": "a"}]}, "amount is for an outcome"),
        ({"events": [{"pattern": "x", "outcome": "won", "detail": "a"}]}, "detail is for a kind"),
        ({"auth": {"user": "svc", "secret": {"env": "S"}}}, "token"),
        ({"project": 7}, "project"),
    ],
)
def test_a_mistake_is_told_in_words(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**changes)


def test_another_goal_s_fields_have_their_own_properties() -> None:
    made = settings(fields={"grade": None}).with_goals({"upgrade": "Upgrade"})
    assert made.mapped[ScoreField("upgrade.score")] == "lead_gauge_score_upgrade"
    assert ScoreField("upgrade.grade") not in made.mapped


@pytest.mark.parametrize("per_hour", [1, 5, 12, 48, 60])
def test_no_more_than_60_calls_are_made_in_any_hour_also_where_the_counters_are_lost(per_hour: int) -> None:
    window = settings(queries_per_hour=per_hour).budget.windows["query"]
    assert window.limit * (timedelta(hours=1) / window.per) == pytest.approx(per_hour)
    assert window.lost is not None
    assert per_hour + (0 if window.lost else window.limit) <= 60
