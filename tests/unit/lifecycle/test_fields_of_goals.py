"""One ledger row has the fields of all goals; each goal's are judged by the names of the contract."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from connectors.records import EACH_GOAL, ScoreField
from worker.lifecycle import fields

VALUES = st.dictionaries(st.sampled_from([field.value for field in ScoreField]), st.integers(0, 100))


@given(VALUES, VALUES)
def test_goals_share_a_row_and_part_again(primary: dict[str, int], upgrade: dict[str, int]) -> None:
    row = fields.of_goal(primary, "") | fields.of_goal(upgrade, "upgrade")
    assert fields.part(row, "") == primary
    assert fields.part(row, "upgrade") == {name: value for name, value in upgrade.items() if name in EACH_GOAL}
    assert fields.part(row, "other") == {}


def test_a_goals_instants_are_instants() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    typed = fields.typed({"upgrade.scored_at": "2026-03-01T12:00:00Z", "upgrade.score": 7})
    assert typed == {ScoreField.SCORED_AT.of("upgrade"): at, ScoreField.SCORE.of("upgrade"): 7}
