"""Fields of goals that are not the primary one: the same contract, names of their own."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from connectors.catalog import SourceSettings
from connectors.hubspot.values import score_fields
from connectors.records import EACH_GOAL, ScoreField

ADAPTER: TypeAdapter[Any] = TypeAdapter(SourceSettings)
SALESFORCE = {"kind": "salesforce", "name": "s", "auth": {
    "type": "client_credentials", "consumer_key": "k", "consumer_secret": {"env": "X"}}}  # fmt: skip
HUBSPOT = {"kind": "hubspot", "name": "h", "auth": {"type": "token", "token": {"env": "X"}}}
FILES = {"kind": "files", "name": "f", "directory": "."}


def test_a_goals_field_is_one_of_the_contract() -> None:
    field = ScoreField("upgrade.score")
    assert field is ScoreField("upgrade.score") is ScoreField.SCORE.of("upgrade") is field.of("upgrade")
    assert (field.goal, field.kind, field) == ("upgrade", ScoreField.SCORE, "upgrade.score")
    assert (ScoreField.SCORE.goal, ScoreField.SCORE.kind) == ("", ScoreField.SCORE)
    assert field.of("") is ScoreField.SCORE
    assert pickle.loads(pickle.dumps(field)) is field  # noqa: S301
    assert len(list(ScoreField)) == 12, "the contract has no more fields for it"


@pytest.mark.parametrize(
    "name", ["scores", "upgrade.", ".score", "Up.score", "upgrade.stage", "upgrade.x", "a.b.score", ""]
)
def test_what_is_no_field(name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid ScoreField"):
        ScoreField(name)


@pytest.mark.parametrize(
    ("source", "score", "scored_at"),
    [
        (SALESFORCE, "Lead_Score_Upgrade__c", "Lead_Scored_At_Upgrade__c"),
        (HUBSPOT, "lead_gauge_score_upgrade", "lead_gauge_scored_at_upgrade"),
        (FILES, "score_Upgrade", "scored_at_Upgrade"),
    ],
)
def test_names_come_by_suffix_or_by_configuration(source: dict[str, Any], score: str, scored_at: str) -> None:
    fields = {"upgrade.bucket": "Mine", "upgrade.reasons": None, "grade": None}
    settings = ADAPTER.validate_python({**source, "fields": fields}).with_goals({"upgrade": "Upgrade"})
    of_goal = {field.kind: name for field, name in settings.fields.items() if field.goal}
    assert of_goal.keys() == EACH_GOAL - {ScoreField.GRADE}, "what the primary goal leaves out nobody writes"
    assert (of_goal[ScoreField.SCORE], of_goal[ScoreField.SCORED_AT]) == (score, scored_at)
    assert (of_goal[ScoreField.BUCKET], of_goal[ScoreField.REASONS]) == ("Mine", None)
    names = [name for name in settings.fields.values() if name]
    assert len(set(names)) == len(names)
    whole = ADAPTER.validate_python(source).with_goals({"upgrade": "A" * 17}).fields
    assert source is not SALESFORCE or max(len(name.removesuffix("__c")) for name in whole.values()) == 40


def test_a_goals_values_are_of_the_contracts_types() -> None:
    names = {field.of("upgrade"): field.value for field in (ScoreField.SCORE, ScoreField.SCORED_AT, ScoreField.BUCKET)}
    found = score_fields({"score": "71", "scored_at": "2026-03-01T12:00:00Z", "bucket": "7"}, names)
    assert found == {
        ScoreField("upgrade.score"): 71,
        ScoreField("upgrade.scored_at"): datetime(2026, 3, 1, 12, tzinfo=UTC),
        ScoreField("upgrade.bucket"): "7",
    }
