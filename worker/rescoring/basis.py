"""What people are scored by, and their scores by it: rules, or the champion of their segment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from worker.features.facts import Facts
from worker.features.features import Features
from worker.features.frame import build
from worker.features.matrix import matrix as built
from worker.lifecycle.policy import Policy
from worker.scoring.reasons import Reason, explain_all
from worker.scoring.rules import EXCLUDED, Ruleset
from worker.scoring.scale import PointScale
from worker.scoring.score import Scores, score_rules
from worker.store.facts import Wanted
from worker.store.facts import read as facts_of
from worker.store.people import Scale

if TYPE_CHECKING:
    from worker.scoring.model import Model

EVERYBODY = ""
"""The segment of the model that scores whoever has none of their own."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model by the number that it is registered under."""

    number: int
    model: Model


@dataclass(frozen=True, slots=True)
class Basis:
    """What a goal's people are scored and decided by: one revision each of rules, policy and champions.

    `champions` by segment; without any, rules score. `challengers` score in the shadow. `segment` is the attribute
    whose value says which segment a person is in, None where the goal has none. `features`: those of all these models,
    None where there is no model.
    """

    scale: Scale
    rules: Ruleset
    policy: Policy
    champions: Mapping[str, Trained] = field(default_factory=dict)
    challengers: Sequence[Trained] = ()
    segment: str | None = None
    features: Features | None = None

    def version(self, model: int | None) -> str:
        """What a score was made by, for the CRM."""
        by = f"rules {self.scale.rules}" if model is None else f"model {model}"
        return f"{by}, policy {self.scale.policy}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's score. `model` is the number of the one that gave it, None where rules did; `log_odds` what it said
    before the scale and the guardrails."""

    score: int | None
    status: str
    reasons: Sequence[Reason]
    model: int | None = None
    log_odds: float | None = None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """By person; and by challenger's number, the log-odds that it would have given."""

    people: Mapping[int, Verdict]
    shadow: Mapping[int, Mapping[int, float]]


def read(arrow: adbc.Connection, wanted: Wanted, basis: Basis) -> Facts:
    """The facts that `judge` needs of these people."""
    if basis.features is None:
        return facts_of(arrow, wanted)
    return facts_of(arrow, wanted, colleagues=basis.features.need_colleagues, stable=basis.features.stable)


def judge(facts: Facts, basis: Basis) -> Verdicts:
    """Everybody in `facts`, each at their own instant. Pure: the same facts and basis give the same verdicts."""
    if not basis.champions and not basis.challengers:
        return Verdicts(_by_rules(facts, basis), {})
    assert basis.features is not None, "whoever has models has their features"
    matrix = built(facts, basis.features)
    people: dict[int, Verdict] = {}
    for trained, whom in _shares(facts, basis):
        share = facts if whom is None else replace(facts, people=_only(facts.people, whom))
        people |= _by_rules(share, basis) if trained is None else _by_model(share, matrix, trained, basis)
    shadow = {
        its.number: dict(zip(matrix["person_id"].to_list(), its.model.log_odds(matrix).tolist(), strict=True))
        for its in basis.challengers
    }
    return Verdicts(people, shadow)


def _shares(facts: Facts, basis: Basis) -> list[tuple[Trained | None, Collection[int] | None]]:
    """Who is scored by what; None for everybody, and for rules."""
    everybody = basis.champions.get(EVERYBODY)
    own = {name: trained for name, trained in basis.champions.items() if name != EVERYBODY}
    if not own or basis.segment is None:
        return [(everybody, None)]
    frame = build(facts, basis.rules.catalogue, [basis.segment]).people
    segments = dict(frame.select("person_id", pl.col(basis.segment).cast(pl.String)).iter_rows())
    members: dict[str, list[int]] = {}
    for person in facts.people.get_column("person_id"):
        segment = segments.get(person)
        members.setdefault(segment if segment in own else EVERYBODY, []).append(person)
    return [(own.get(segment, everybody), whom) for segment, whom in members.items()]


def _only(people: pl.DataFrame, whom: Collection[int]) -> pl.DataFrame:
    return people.filter(pl.col("person_id").is_in(pl.Series(list(whom), dtype=pl.Int64).implode()))


def _by_rules(facts: Facts, basis: Basis) -> dict[int, Verdict]:
    scores = score_rules(facts, basis.rules)
    reasons = explain_all(basis.rules, scores)
    return {
        person: Verdict(score, status, reasons.get(person, ()))
        for person, score, status in scores.people.select("person_id", "score", "status").iter_rows()
    }


def _by_model(facts: Facts, matrix: pl.DataFrame, trained: Trained, basis: Basis) -> dict[int, Verdict]:
    from worker.scoring.contributions import score_model, sentences

    scale = PointScale(basis.policy.scale.pdo, basis.policy.scale.reference_odds)
    result = score_model(facts, matrix, trained.model, scale, basis.rules)
    reasons = explain_all(basis.rules, _spoken(result.scores), sentences=sentences(trained.model))
    said = dict(result.log_odds.iter_rows())
    return {
        person: Verdict(score, status, reasons.get(person, ()), trained.number, said.get(person))
        for person, score, status in result.scores.people.select("person_id", "score", "status").iter_rows()
    }


def _spoken(scores: Scores) -> Scores:
    """Without the lines that show no whole point: a model has something to say about every feature of everybody."""
    said = (pl.col("shown") != 0) | (pl.col("group").cast(pl.String) == EXCLUDED)
    return replace(scores, contributions=scores.contributions.filter(said))
