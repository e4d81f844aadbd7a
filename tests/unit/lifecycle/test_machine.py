"""The whole table of stages and events, row by row."""

from __future__ import annotations

from itertools import product

import pytest

from worker.lifecycle.machine import LASTING, QUALIFIED, TRANSITIONS, Event, Stage, step

ROWS = """
sta won dis opp los rej con acc sil uns qua fel sco
new cus dis opp -   rec sql acc -   -   mql -   nur
nur cus dis opp -   rec sql acc -   new mql -   -
mql cus dis opp -   rec sql acc rec new -   nur -
acc cus dis opp -   rec sql -   rec -   -   -   -
sql cus dis opp -   rec -   -   rec -   -   -   -
opp cus dis -   rec -   -   -   -   -   -   -   -
cus -   dis opp -   rec sql acc -   new mql -   nur
rec cus dis opp -   rec sql acc -   -   mql -   -
dis cus -   opp -   rec sql acc -   new mql -   nur
"""
"""The first three letters of stages (down, and in the cells) and events (across), the stronger events first."""
(_, *WORDS), *_ROWS = (line.split() for line in ROWS.strip().splitlines())
TABLE = {stage: row for stage, *row in _ROWS}


@pytest.mark.parametrize(("stage", "event"), list(product(Stage, Event)), ids=lambda it: it.value)
def test_every_event_in_every_stage(stage: Stage, event: Event) -> None:
    expected = TABLE[stage[:3]][WORDS.index(event[:3])]
    taken = step(stage, frozenset({event}))
    assert (taken[1][:3] if taken else "-") == expected
    assert taken is None or taken[0] is event


def test_the_table_is_whole_and_names_the_events_in_their_order() -> None:
    assert [event[:3] for event in Event] == WORDS
    assert set(TABLE) == {stage[:3] for stage in Stage} == {stage[:3] for stage in TRANSITIONS}
    assert all(len(row) == len(WORDS) for row in TABLE.values())


@pytest.mark.parametrize("stage", [s for s in Stage if s not in LASTING])
def test_the_stronger_event_decides(stage: Stage) -> None:
    for number, event in enumerate(Event):
        weaker = frozenset(list(Event)[number:])
        taken = step(stage, weaker)
        assert taken is None or list(Event).index(taken[0]) >= number
        if event in TRANSITIONS[stage]:
            assert taken == (event, TRANSITIONS[stage][event])


def test_what_lasts_is_left_for_something_stronger_alone() -> None:
    assert step(Stage.CUSTOMER, frozenset(Event)) is None
    assert step(Stage.DISQUALIFIED, frozenset({Event.WON, Event.DISQUALIFIED})) == (Event.WON, Stage.CUSTOMER)
    assert step(Stage.DISQUALIFIED, frozenset(Event) - {Event.WON}) is None


def test_no_score_makes_anybody_sales_qualified_or_takes_a_lead_from_sales() -> None:
    by_score = {Event.QUALIFIED, Event.FELL, Event.SCORED, Event.UNSCORED}
    led_to = {stage for row in TRANSITIONS.values() for event, stage in row.items() if event in by_score}
    assert led_to == {Stage.NEW, Stage.NURTURING, Stage.MQL}
    for stage in (QUALIFIED - {Stage.MQL}) | {Stage.OPPORTUNITY}:
        assert not by_score & TRANSITIONS[stage].keys()
