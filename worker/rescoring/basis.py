"""What people are scored by for a goal, and their scores by it: rules, or the champion of their segment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from worker.features.bant import evidence
from worker.features.facts import Facts
from worker.features.features import Features
from worker.features.matrix import matrix as built
from worker.lifecycle.policy import Policy
from worker.scoring import bant
from worker.scoring.rates import Rates
from worker.scoring.reasons import Speech
from worker.scoring.rules import Ruleset
from worker.scoring.scale import ChanceScale, PointScale
from worker.scoring.score import Scores, score_model, score_rules
from worker.scoring.verdict import Cuts, Verdict, verdicts
from worker.scoring.wording import Wording, shipped
from worker.store.facts import Wanted
from worker.store.facts import read as facts_of
from worker.store.people import Scale
from worker.store.shadow import Said
from worker.training.goal import Customers, Goal
from worker.training.snapshots import eligible, value_at

if TYPE_CHECKING:
    from worker.scoring.model import Model

EVERYBODY = ""
"""The segment of the model that scores whoever has none of their own."""

LONGEST_VERSION = 40
"""Characters: what the CRM's field holds."""

NO_MODEL = "no_model"
"""The status of people whom nothing scores: a goal that is not the primary one has no rules unless some are published
for it."""
NOT_ELIGIBLE = "not_eligible"
"""The status of people whom such a goal is not about."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model by the number that it is registered under, and whose it is. `conversions`: of how many people who
    converted it was learnt, None where its manifest does not say. `rates`: how often people alike did. `brings`: the
    scale that comes with it when it is promoted, where that is not the policy's."""

    number: int
    model: Model
    segment: str = EVERYBODY
    conversions: int | None = None
    rates: Rates = field(default_factory=Rates)
    brings: PointScale | None = None

    def weight(self, half: int) -> float:
        """How much of the say the model has beside the rules, 0 to 1, where with `half` conversions it has half."""
        return 1.0 if self.conversions is None or not half else self.conversions / (self.conversions + half)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a goal's people are scored and decided by: one revision each of rules, policy and champions.

    `champions` by segment; without any, rules score. `challengers` score in the shadow. `features`: those of the models
    of all goals that are scored together, None where there is no model. Only the `primary` goal decides stages.
    `wording`: what reasons are said in.
    """

    scale: Scale
    rules: Ruleset
    policy: Policy
    goal: Goal
    champions: Mapping[str, Trained] = field(default_factory=dict)
    challengers: Sequence[Trained] = ()
    features: Features | None = None
    primary: bool = True
    wording: Wording = field(default_factory=shipped)

    @property
    def prefix(self) -> str:
        """Whose fields of the contract its scores are written to."""
        return "" if self.primary else self.scale.goal

    @property
    def of_customers(self) -> bool:
        """Whether the goal is about people who have bought: then their customer records get its score, too."""
        return self.goal.population.customers is not Customers.EXCLUDE

    def version(self, model: int | None) -> str:
        """What a score was made by, for the CRM; and within how many days the probability beside it means."""
        used = [f"model {model}"] if model is not None else []
        if self.scale.rules and (model is None or self.weight(model) < 1):
            used.append(f"rules {self.scale.rules}")
        told = ", ".join([*used, f"policy {self.scale.policy}"])
        within = f"{told}, {self.goal.horizon_days} days"
        return within if model is not None and len(within) <= LONGEST_VERSION else told

    @property
    def cuts(self) -> Cuts:
        """Where grades begin."""
        grades = self.policy.grades
        return Cuts((grades.fit_a, grades.fit_b), (grades.engagement_1, grades.engagement_2))

    def weight(self, model: int) -> float:
        """How much of the say a champion has beside the rules: all of it where there are none."""
        trained = next((its for its in self.champions.values() if its.number == model), None)
        return self.share(trained) if trained else 1.0

    def share(self, trained: Trained) -> float:
        """The same of any model, were it the champion."""
        return trained.weight(self.policy.hybrid.conversions) if self.rules.rules else 1.0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """By person; and by challenger's number, what it would have given."""

    people: Mapping[int, Verdict]
    shadow: Mapping[int, Mapping[int, Said]]


def read(arrow: adbc.Connection, wanted: Wanted, features: Features | None) -> Facts:
    """The facts that `judge` needs of these people, once for all goals whose models use these features."""
    if features is None:
        return facts_of(arrow, wanted)
    return facts_of(arrow, wanted, colleagues=features.need_colleagues, stable=features.stable)


def judge(facts: Facts, basis: Basis, matrix: pl.DataFrame | None = None) -> Verdicts:
    """Everybody in `facts`, each at their own instant. Pure: the same facts and basis give the same verdicts.

    `matrix`: the basis' features of these facts, where somebody has built them already.
    """
    if not basis.champions and not basis.challengers:
        return Verdicts(_with_bant(_by_rules(facts, basis), facts, basis), {})
    assert basis.features is not None, "whoever has models has their features"
    matrix = built(facts, basis.features) if matrix is None else matrix
    people: dict[int, Verdict] = {}
    for trained, whom in _shares(facts, basis):
        share = facts if whom is None else replace(facts, people=_only(facts.people, whom))
        people |= _by_rules(share, basis) if trained is None else _by_model(share, matrix, trained, basis)
    shadow = {its.number: in_the_shadow(facts, matrix, its, basis) for its in basis.challengers}
    return Verdicts(_with_bant(people, facts, basis), shadow)


def _with_bant(people: Mapping[int, Verdict], facts: Facts, basis: Basis) -> Mapping[int, Verdict]:
    """With what is known of budget, authority, need and timeline; only the primary goal's CRM fields have room."""
    if not basis.primary:
        return people
    known = bant.known(evidence(facts, basis.rules.catalogue))
    return {person: replace(its, bant=known.get(person, frozenset())) for person, its in people.items()}


def judge_all(facts: Facts, bases: Sequence[Basis], customers: Collection[int]) -> list[Verdicts]:
    """The same for several goals, in their order: the features are built once. `customers`: who has bought.

    A goal that is not the primary one scores nobody outside of its population.
    """
    features = bases[0].features
    matrix = None if features is None else built(facts, features)
    found = [judge(facts, basis, matrix) for basis in bases]
    return [
        its if basis.primary else replace(its, people={**its.people, **_outside(facts, basis.goal, customers)})
        for its, basis in zip(found, bases, strict=True)
    ]


def _outside(facts: Facts, goal: Goal, customers: Collection[int]) -> dict[int, Verdict]:
    """Whom the population leaves out by its filters, read as training reads them. How old a lead may be bounds what is
    learnt from, not who is scored."""
    people = facts.people.select("person_id", "as_of")
    bought = pl.col("person_id").is_in(pl.Series(list(customers), dtype=pl.Int64).implode())
    match goal.population.customers:
        case Customers.EXCLUDE:
            inside = people.filter(~bought)
        case Customers.ONLY:
            inside = people.filter(bought)
        case Customers.INCLUDE:
            inside = people
    inside = eligible(inside, facts.attributes, goal)
    out = people.join(inside, on="person_id", how="anti").get_column("person_id")
    return dict.fromkeys(out, Verdict(None, NOT_ELIGIBLE))


def _shares(facts: Facts, basis: Basis) -> list[tuple[Trained | None, Collection[int] | None]]:
    """Who is scored by what; None for everybody, and for rules."""
    everybody = basis.champions.get(EVERYBODY)
    own = {name: trained for name, trained in basis.champions.items() if name != EVERYBODY}
    if not own or basis.goal.segment is None:
        return [(everybody, None)]
    members: dict[str, list[int]] = {}
    for segment, whom in _segments(facts, basis).items():
        members.setdefault(segment if segment in own and segment is not None else EVERYBODY, []).extend(whom)
    return [(own.get(segment, everybody), whom) for segment, whom in members.items()]


def in_the_shadow(facts: Facts, matrix: pl.DataFrame, trained: Trained, basis: Basis) -> dict[int, Said]:
    """What a challenger says of those whom it would score, and what they would have with it in the champion's place."""
    if trained.segment != EVERYBODY:
        whom = _segments(facts, basis).get(trained.segment, ())
        matrix, facts = _only(matrix, whom), replace(facts, people=_only(facts.people, whom))
    policy = basis.policy
    if trained.brings is not None:
        scale = policy.scale.model_copy(update=asdict(trained.brings))
        policy = policy.model_copy(update={"scale": scale})
    alone = replace(basis, champions={EVERYBODY: trained}, policy=policy)
    scores = dict(points(facts, alone, matrix).iter_rows())
    said = zip(matrix["person_id"].to_list(), trained.model.log_odds(matrix).tolist(), strict=True)
    return {person: Said(log_odds, scores.get(person)) for person, log_odds in said}


def _segments(facts: Facts, basis: Basis) -> dict[str | None, list[int]]:
    """The people of each segment; None: those whose segment nobody knows."""
    members: dict[str | None, list[int]] = {}
    if basis.goal.segment is not None:
        people = facts.people.select("person_id", "as_of")
        segments = value_at(people, facts.attributes, basis.goal.segment)
        for person, segment in zip(people.get_column("person_id"), segments, strict=True):
            members.setdefault(segment, []).append(person)
    return members


def _only(people: pl.DataFrame, whom: Collection[int]) -> pl.DataFrame:
    return people.filter(pl.col("person_id").is_in(pl.Series(list(whom), dtype=pl.Int64).implode()))


def _by_rules(facts: Facts, basis: Basis, rates: Rates | None = None) -> dict[int, Verdict]:
    if not basis.scale.rules:
        return dict.fromkeys(facts.people.get_column("person_id"), Verdict(None, NO_MODEL))
    scores = score_rules(facts, basis.rules)
    return verdicts(scores, Speech(basis.rules, scores, basis.wording, rates), basis.cuts)


def _by_model(facts: Facts, matrix: pl.DataFrame, trained: Trained, basis: Basis) -> dict[int, Verdict]:
    scores = _modelled(facts, matrix, trained, basis)
    if scores is None:
        return _by_rules(facts, basis, trained.rates)
    speech = Speech(basis.rules, scores, basis.wording, trained.rates, trained.conversions or 0)
    return verdicts(scores, speech, basis.cuts, trained.number)


def _modelled(facts: Facts, matrix: pl.DataFrame, trained: Trained, basis: Basis) -> Scores | None:
    """By a model and what rules have to say beside it; None where rules alone have the say."""
    held, weight = basis.policy.scale, basis.share(trained)
    if held.kind == "points" or not weight:
        return None
    scale = ChanceScale() if held.kind == "probability" else PointScale(held.pdo, held.reference_odds)
    return score_model(facts, matrix, trained.model, scale, basis.rules, weight)


def points(facts: Facts, basis: Basis, matrix: pl.DataFrame | None) -> pl.DataFrame:
    """person_id, score (null: none): the scores that `judge` gives everybody in `facts`, without words."""
    parts = []
    for trained, whom in _shares(facts, basis):
        share = facts if whom is None else replace(facts, people=_only(facts.people, whom))
        scores = None if trained is None or matrix is None else _modelled(share, matrix, trained, basis)
        if scores is None and basis.scale.rules:
            scores = score_rules(share, basis.rules)
        people = share.people.select("person_id", score=pl.lit(None, pl.Int16)) if scores is None else scores.people
        parts.append(people.select("person_id", "score"))
    return pl.concat(parts)
