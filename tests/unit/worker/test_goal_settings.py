"""What can be configured of several goals, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.records import ScoreField
from worker.settings import Settings

HUBSPOT = {"kind": "hubspot", "name": "portal", "auth": {"type": "token", "token": {"env": "X"}}}
UPGRADE = {"event": "opportunity_created"}


def settings(fields: dict[str, Any] | None = None, **goals: Any) -> Settings:
    source = {**HUBSPOT, "fields": fields or {}}
    return Settings.model_validate(
        {"goal": "won", "goals": {"upgrade": UPGRADE, "won": {}} | goals, "sources": [source]}
    )


def test_the_primary_goal_comes_first() -> None:
    assert settings().goal_names == ["won", "upgrade"]
    assert Settings.model_validate({}).goal_names == ["default"]


def test_a_goal_without_names_is_written_nowhere() -> None:
    assert not [field for field in settings().sources[0].fields if field.goal]


def test_a_suffix_names_all_its_fields_and_a_source_may_name_some() -> None:
    named = settings({"upgrade.score": "upsell"}, upgrade={**UPGRADE, "field_suffix": "Up"}).sources[0].fields
    assert named[ScoreField("upgrade.score")] == "upsell"
    assert named[ScoreField("upgrade.version")] == "lead_gauge_version_up"


@pytest.mark.parametrize(
    ("fields", "goals", "said"),
    [
        ({"upgrad.score": "x"}, {}, "names the goal 'upgrad', which is none"),
        ({"won.score": "x"}, {}, "names the goal 'won', which is the primary one"),
        ({"upgrade.stage": "x"}, {}, "Input should be"),
        ({"upgrade.score": "lead_gauge_score"}, {}, "more than one score field"),
        ({}, {"won": {"field_suffix": "A"}}, "whose fields have no suffix"),
        ({}, {"upgrade": {**UPGRADE, "field_suffix": "a__b"}}, "should match pattern"),
        ({}, {"upgrade": {**UPGRADE, "field_suffix": "a" * 18}}, "at most 17"),
        (
            {},
            {"upgrade": {**UPGRADE, "field_suffix": "a"}, "other": {**UPGRADE, "field_suffix": "a"}},
            "would hold more than one score field",
        ),
    ],
)
def test_a_mistake_is_named(fields: dict[str, Any], goals: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(fields, **goals)
