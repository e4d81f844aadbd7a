"""What the child processes are asked for. Each is a function of a `Process` and values; what it needs is imported when
it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from worker.bootstrap import Process
from worker.lifecycle import policy as policies

if TYPE_CHECKING:
    from worker.lifecycle.capacity import Outlook
    from worker.training.results import Results

SAMPLE = 2000
"""People whom a draft of the rules is tried on."""


def explained(process: Process, goal: str, person: int) -> dict[str, Any]:
    """What `leadgauge explain` tells."""
    from worker.cli.explain import report_of

    with process.engine.connect() as connection:
        return report_of(process, connection, person, goal)


def change(process: Process, goal: str, person: int, span: timedelta) -> dict[str, Any] | None:
    """Why the score is another one than that of `span` ago."""
    from dataclasses import asdict

    from worker.cli.explain import change_of
    from worker.store import scores

    with process.engine.connect() as connection:
        standing = scores.load(connection, goal, [person]).get(person)
        held = asdict(standing) if standing else None
        return change_of(process, connection, {"standing": held, "goal": goal, "person": person}, span)


def loaded(process: Process, goal: str, number: int) -> None:
    """Raises `ModelRefused` for a model that cannot be used."""
    process.goals.model(goal, number)


@dataclass(frozen=True, slots=True)
class Curve:
    """What every threshold from 0 to 100 would mean, by the scores of so many days."""

    outlooks: Sequence[Outlook]
    since: datetime
    until: datetime


def curve(process: Process, goal: str, body: Mapping[str, Any], weeks: int) -> Curve:
    """Under a policy's cooldown and distance of the two lines."""
    from worker.lifecycle.capacity import outlook
    from worker.store import models
    from worker.training.whatif import leads_of

    policy, until = policies.parse(body), process.now()
    with process.engine.connect() as connection:
        model = bool(models.champions(connection, goal)[1])
    _, aim = process.settings.goal_named(goal)
    leads = leads_of(process.arrow, goal, aim, policy, until, weeks, model=model)
    found = [outlook(leads, policy.mql, line, policy.capacity.zone, aim.horizon) for line in range(101)]
    return Curve(found, leads.since, until)


NAMED = 50
"""So many people are named on each side of a replay."""


def replayed(
    process: Process, goal: str, days: int, *, policy: Mapping[str, Any] | None = None, rules: str | None = None,
    model: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What another policy, other rules, or another model would have done, beside what is in force."""
    from dataclasses import asdict

    from worker.steering.replay import Side, replay
    from worker.store import journeys
    from worker.training import registry

    ours = policies.parse(policy) if policy is not None else None
    if model is not None:
        with process.engine.connect() as connection:
            ours = registry.policy_with(connection, goal, model)
    ruleset = process.vocabulary.read_rules(rules, "draft") if rules is not None else None
    sides = process.goals.drafted(goal, policy=ours, rules=ruleset, model=model)
    kinds = {source.name: source.kind for source in process.settings.sources}
    _, aim = process.settings.goal_named(goal)
    current, draft = (Side(basis.policy, basis) for basis in sides)
    found = replay(process.arrow, goal, aim, current, draft, process.now(), days, kinds)
    whom = {"becoming": found.difference.becoming[:NAMED], "ceasing": found.difference.ceasing[:NAMED]}
    with process.engine.connect() as connection:
        known = journeys.named(connection, [person for side in whom.values() for person in side])
    named = {
        side: [{"person": p, "name": known[p].name, "record": known[p].record} for p in people if p in known]
        for side, people in whom.items()
    }
    return {**asdict(found), "named": named}


def results(process: Process, goal: str, at: datetime) -> Results:
    """What became of the people of each bucket since then."""
    from worker.training import results as outcomes

    _, aim = process.settings.goal_named(goal)
    with process.engine.connect() as connection:
        policy = process.goals.policy(connection, goal)
    return outcomes.results(process.arrow, goal, aim, policy, at, process.now())


@dataclass(frozen=True, slots=True)
class Tried:
    """A draft of the rules on a sample of the people of now. `moves`: (bucket in force, bucket of the draft) -> people;
    `most`: person, points in force, points of the draft; those whose score would change most. `speaks`: whether rules
    have any say in scores now."""

    people: int
    changed: int
    moves: Sequence[tuple[str, str, int]]
    most: Sequence[tuple[int, int | None, int | None]]
    speaks: bool


def tried(process: Process, goal: str, text: str) -> Tried:
    """Everybody of a sample scored by the rules in force and by `text`, champions and policy being the same."""
    from collections import Counter

    from worker.lifecycle.policy import UNSCORED
    from worker.rescoring.basis import judge, read
    from worker.store import leads
    from worker.store.facts import At

    basis, draft = process.goals.drafted(goal, rules=process.vocabulary.read_rules(text, "draft"))
    with process.engine.connect() as connection:
        people = leads.sample(connection, goal, SAMPLE)
    if not people:
        return Tried(0, 0, (), (), True)
    facts = read(process.arrow, At(process.now(), people), basis.features)
    now, then = (judge(facts, each).people for each in (basis, draft))

    def bucket(score: int | None) -> str:
        return UNSCORED if score is None else basis.policy.bucket(score).name

    pairs = [(person, its.score, then[person].score) for person, its in now.items() if person in then]
    moves = Counter((bucket(was), bucket(new)) for _, was, new in pairs)
    changed = [pair for pair in pairs if pair[1] != pair[2]]
    changed.sort(key=lambda pair: (-_far(pair[1], pair[2]), pair[0]))
    speaks = not basis.champions or any(basis.weight(its.number) < 1 for its in basis.champions.values())
    told = [(was, new, n) for (was, new), n in moves.most_common() if was != new]
    return Tried(len(pairs), len(changed), told, changed[:20], speaks)


def _far(was: int | None, new: int | None) -> float:
    return math.inf if was is None or new is None else abs(was - new)
