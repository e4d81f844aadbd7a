"""Reads from the store what a goal's labels are made of."""

from __future__ import annotations

from datetime import datetime

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from connectors.records import ActivityKind, Cause
from worker.store import labels
from worker.training.goal import (
    ActivityDone,
    Customers,
    DealStage,
    DealWon,
    Event,
    FieldReached,
    FirstPayment,
    Goal,
    LeadConverted,
    OpportunityCreated,
    TrialStarted,
)
from worker.training.population import History

_TRIALS = (ActivityKind.DEMO_REQUEST, ActivityKind.FORM_SUBMISSION, ActivityKind.CAMPAIGN_RESPONSE)
"""What connectors make of a form or campaign for a trial."""
_DONE_BY_PEOPLE = tuple(kind for kind in ActivityKind if kind.cause is Cause.PROSPECT)


def read(connection: adbc.Connection, goal: Goal, until: datetime, *, acts: bool = False) -> History:
    """The history of everybody; all that happened until `until` must have been read from the CRMs. `acts`: what
    prospects did too, for instants at it."""
    parts: dict[str, pl.DataFrame] = {}
    if goal.population.customers is not Customers.INCLUDE:
        parts["customers"] = labels.customers(connection, reach=goal.deal_people)
    if acts:
        parts["acts"] = labels.acted(connection, _DONE_BY_PEOPLE)
    if asked := {*goal.population.where, *goal.population.unless, *([goal.segment] if goal.segment else [])}:
        parts["values"] = labels.values(connection, asked)
    return History(labels.standing(connection), events(connection, goal), until, **parts)


def events(connection: adbc.Connection, goal: Goal) -> pl.DataFrame:
    """person_id, at: when which persons did what the goal counts."""
    event, reach = goal.event, goal.deal_people
    match event:
        case DealWon():
            return labels.won(connection, reach=reach, amount_above=event.amount_above)
        case OpportunityCreated():
            return labels.opened(connection, reach=reach)
        case DealStage():
            return labels.staged(connection, event.stages, reach=reach)
        case LeadConverted():
            return labels.converted(connection)
        case FieldReached():
            return labels.reached(connection, event.name, event.values, of_account=event.of == "account")
        case ActivityDone():
            return labels.acted(connection, [event.activity], event.detail)
    return _product_event(connection, event, reach)


def _product_event(connection: adbc.Connection, event: Event, reach: str) -> pl.DataFrame:
    """What a product reports, in a field if it has one for it."""
    assert isinstance(event, TrialStarted | FirstPayment)
    if event.field is not None:
        return labels.reached(connection, event.field, None)
    if isinstance(event, TrialStarted):
        return labels.acted(connection, _TRIALS, event.forms)
    return labels.won(connection, reach=reach, amount_above=0.0)
