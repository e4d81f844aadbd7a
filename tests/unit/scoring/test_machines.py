"""Reasons say how many acts a machine did in a person's name, and that they do not count."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from tests.unit.features.making import DAY, NOW, act, facts
from tests.unit.scoring.writing import rules
from worker.features.features import MACHINES, Features
from worker.features.matrix import matrix
from worker.scoring.model import Model
from worker.scoring.model_parts import Axis, Shape, Tables
from worker.scoring.reasons import explain_all
from worker.scoring.scale import PointScale
from worker.scoring.score import score_model


def said(*names: str) -> dict[int, list[str]]:
    """What is told of two people who clicked once; a scanner did so three times more for the first."""
    features = Features.shipped().only(names)
    at = NOW - DAY + timedelta(seconds=7)
    clicks = [act("email_click", at=at + timedelta(seconds=n), detail=f"/{n}") for n in range(3)]
    own = [act("email_click", person=person, at=at + timedelta(hours=1), detail="/own") for person in (1, 2)]
    known = facts(activities=[*clicks, *own], people=(1, 2))
    shapes = tuple(Shape(place, np.array([0.0, 1.0, 0.0])) for place in range(len(names)))
    axes = tuple(Axis(np.array([0.0])) for _ in names)
    model = Model(tuple(features), "additive", 0.05, True, axes, (Tables(-2.9, shapes),))
    ruleset = rules("{id: a, group: fit, points: 10, when: {title: missing}}")
    result = score_model(known, matrix(known, features), model, PointScale(20, 0.05), ruleset)
    told = explain_all(ruleset, result)
    return {person: [reason.text for reason in reasons if reason.code.startswith("feature:")]
            for person, reasons in told.items()}  # fmt: skip


def test_what_was_left_out_is_said_beside_what_was_counted() -> None:
    told = said("mails_clicked_30d", MACHINES)
    assert told[1][0] == "Clicked in 1 e-mails in 30 days, 3 acts of machines left out"
    assert told[2] == ["Clicked in 1 e-mails in 30 days"]


def test_nothing_is_said_where_it_is_not_known() -> None:
    assert said("mails_clicked_30d")[1] == ["Clicked in 1 e-mails in 30 days"]
