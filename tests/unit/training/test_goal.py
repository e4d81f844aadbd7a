"""What a person may write for a goal, and what is said of what they may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from worker.settings import ConfigurationError, lines, load
from worker.training.goal import Customers, DealWon, Goal, UnknownAttribute


def test_the_shipped_goal_is_a_deal_won_within_90_days() -> None:
    goal = Goal()
    assert (goal.event, goal.horizon_days) == (DealWon(), 90)
    assert goal.population.customers is Customers.EXCLUDE
    assert str(goal) == "a deal won within 90 days"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("deal_won", "a deal won"),
        ({"kind": "deal_won", "amount_above": 5000}, "a deal won worth more than 5000"),
        ("opportunity_created", "opportunity created"),
        ("lead_converted", "lead converted"),
        ("trial_started", "trial started"),
        ("first_payment", "first payment"),
        ({"kind": "deal_stage", "stages": "Contract sent"}, "a deal in the stage Contract sent"),
        ({"kind": "field", "name": "plan"}, "plan filled"),
        ({"kind": "field", "name": "plan", "values": ["pro", "team"]}, "plan = pro or team"),
        ({"kind": "activity", "activity": "demo_request"}, "demo request"),
        ({"kind": "activity", "activity": "page_view", "detail": "/buy"}, "page view about /buy"),
    ],
)
def test_every_event_is_said_in_words(event: Any, said: str) -> None:
    assert str(Goal.model_validate({"event": event})) == f"{said} within 90 days"


@pytest.mark.parametrize(
    ("given", "written"),
    [("Pro", ("Pro",)), (True, ("true",)), (25, ("25",)), (25.0, ("25",)), (2.5, ("2.5",)), ([" a ", 1], ("a", "1"))],
)
def test_values_are_taken_as_attributes_are_written_down(given: Any, written: tuple[str, ...]) -> None:
    goal = Goal.model_validate({"population": {"where": {"plan": given}}})
    assert goal.population.where["plan"] == written


@pytest.mark.parametrize(
    ("goal", "complaint"),
    [
        ({"population": {"customers": "only"}}, "nobody is left"),
        ({"event": "first_payment", "population": {"customers": "only"}}, "nobody is left"),
        ({"repeats": True}, "is a customer and so excluded"),
        ({"event": "first_payment", "repeats": True, "population": {"customers": "include"}}, "one first payment only"),
        ({"event": {"kind": "deal_stage", "stages": []}}, "at least 1 item"),
        ({"event": {"kind": "field", "name": "My Field"}}, "pattern"),
        ({"horizon_days": 0}, "greater than or equal to 1"),
        ({"segment_minimum": 10}, "greater than or equal to 40"),
        ({"population": {"where": {"plan": [""]}}}, "at least 1 character"),
    ],
)
def test_a_goal_that_makes_no_sense_is_refused(goal: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Goal.model_validate(goal)


def test_who_upgrades_in_the_next_30_days_is_a_goal() -> None:
    goal = Goal.model_validate(
        {
            "event": {"kind": "field", "name": "plan", "values": ["pro"]},
            "horizon_days": 30,
            "population": {"customers": "include", "created_within_months": None, "where": {"plan": "free"}},
        }
    )
    assert str(goal) == "plan = pro within 30 days"
    assert goal.population.lifetime is None


def test_a_misspelt_attribute_is_named_with_what_there_is() -> None:
    goal = Goal.model_validate({"segment": "contry", "population": {"unless": {"status": "Bad"}}})
    goal.check("won", ["contry", "status"])
    with pytest.raises(UnknownAttribute, match=r"^goals.won.segment: no attribute .* 'contry'; did you mean country\?"):
        goal.check("won", ["country", "status"])


@pytest.mark.parametrize(
    ("goal", "line", "place"),
    [
        ({"segment": "plan"}, 4, "segment"),
        ({"horizon_days": 30, "event": {"kind": "field", "name": "plan"}}, 6, "event.name"),
        ({"event": {"kind": "trial_started", "field": "plan"}}, 5, "event.field"),
        ({"population": {"where": {"country": "DE", "plan": "free"}}}, 7, "population.where.plan"),
        ({"population": {"unless": {"plan": "free"}}}, 6, "population.unless.plan"),
    ],
)
def test_the_line_of_a_misspelt_attribute_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goal: dict[str, Any], line: int, place: str
) -> None:
    body = {"goal": "won", "goals": {"won": goal}}
    settings = configured(tmp_path, monkeypatch, body)
    with pytest.raises(UnknownAttribute) as told:
        settings.goals["won"].check("won", ["country"], lines().at)
    assert str(told.value).startswith(f"{tmp_path / 'leadgauge.yaml'}:{line}: goals.won.{place}: no attribute")


def configured(directory: Path, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]) -> Any:
    file = directory / "leadgauge.yaml"
    file.write_text(yaml.safe_dump(body))
    monkeypatch.setenv("LEADGAUGE_CONFIG", str(file))
    return load()


def test_goals_stand_side_by_side_and_one_is_primary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(tmp_path, monkeypatch, {"goal": "won", "goals": {"won": {}, "met": {"horizon_days": 14}}})
    assert settings.goal_named(None) == ("won", Goal())
    assert settings.goal_named("met") == ("met", Goal(horizon_days=14))
    with pytest.raises(ConfigurationError, match="no goal is named 'lost'; there are: "):
        settings.goal_named("lost")


def test_without_goals_the_primary_one_is_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured(tmp_path, monkeypatch, {"goal": "mine"}).goal_named(None) == ("mine", Goal())


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"goals": {"won": {}}}, r"`goals` does not define the primary goal 'default'; set `goal` to one of won"),
        (
            {"goals": {"default": {"event": "deal_wom"}}},
            r"`goals.default.event` has 'kind' 'deal_wom', which is none of",
        ),
        (
            {"goals": {"default": {"event": {"kind": "field", "name": "Plan"}}}},
            r"`goals.default.event.name` should match pattern",
        ),
        ({"goals": {"default": {"event": "deal_stage"}}}, r"`goals.default.event.stages` is missing"),
        ({"goals": {"default": {"population": {"since": "soon"}}}}, r"`goals.default.population.since` is no date"),
        ({"goals": {"default": {"horizon": 30}}}, r"`goals.default.horizon` is no setting"),
        ({"goals": {"Won": {}}}, r"`goals.Won` should match pattern"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigurationError, match=line):
        configured(tmp_path, monkeypatch, body)
