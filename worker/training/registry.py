"""Who scores and who only watches: a challenger is promoted on figures or refused with them, and a promotion is undone.

Everything here is one transaction of the caller's. A promotion or a rollback appends a revision of the champions, under
which everybody is due; no score is touched here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from worker.lifecycle import policy as policies
from worker.lifecycle.policy import Policy
from worker.scoring.scale import PointScale, propose
from worker.store import drifts, models, revisions, shadow, stages
from worker.store.models import Event, Registered, State
from worker.store.revisions import Revision
from worker.training.promotion import Figures, Moves, moves, objections
from worker.training.refusal import ModelRefused, PromotionRefused

ENOUGH = 100
"""So many people of today and more show where the middle of the scale is; with fewer, those held out in training do."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion did. `scale` is the one that was published with it, None where the policy's stays."""

    revision: int
    overruled: list[str]
    scale: PointScale | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger beside whoever scores its segment now (None: rules do), each pair in that order. `held_out`: on the
    people whom the challenger was not made from; `closed`: on those whose horizon closed since, by the newest check."""

    challenger: Registered
    champion: Registered | None
    held_out: tuple[Figures | None, Figures | None]
    closed: tuple[Figures | None, Figures | None]
    moves: Moves
    mean_change: float | None
    objections: list[str]


def find(connection: Connection, goal: str, number: int) -> Registered:
    """Raises `ModelRefused` where there is none."""
    found = models.get(connection, goal, number)
    if found is None:
        raise ModelRefused(f"goal {goal} has no model {number}; `leadgauge model list` names those there are")
    return found


def compare(connection: Connection, goal: str, number: int) -> Comparison:
    """The figures for and against a challenger. Raises `ModelRefused` for a model that there is not."""
    challenger = find(connection, goal, number)
    _, roster = models.champions(connection, goal)
    held = roster.get(challenger.segment, roster.get(""))
    champion = models.get(connection, goal, held) if held is not None and held != number else None
    policy = _policy(connection, goal)[0]
    pairs = shadow.pairs(connection, goal, number)
    by = policy.segments.by if policy.segments.of else None
    segment = stages.segments(connection, [pair.person_id for pair in pairs], by) if by else {}
    changed = moves((pair.bucket, pair.challenger, policy.of(segment.get(pair.person_id))) for pair in pairs)
    changes = [abs(pair.challenger - pair.score) for pair in pairs]
    told = challenger.manifest.get("figures", {})
    held_out = (Figures.read(told.get("model")), _beside(told, champion))
    return Comparison(
        challenger,
        champion,
        held_out,
        (_closed(connection, challenger), _closed(connection, champion) if champion else None),
        changed,
        sum(changes) / len(changes) if changes else None,
        objections(
            *held_out,
            changed if champion else None,
            policy.promotion,
            against=champion.number if champion else None,
            signal=bool(challenger.manifest.get("signal", True)),
        ),
    )


def promote(
    connection: Connection, goal: str, number: int, *, author: str, reason: str, force: bool, now: datetime
) -> Promoted:
    """Let a model score its segment from now on. The first model of a goal brings its scale with it.

    Raises `PromotionRefused` with the figures (unless `force`), `ModelRefused` for one that scores already, and
    `EditConflict` when somebody else published meanwhile.
    """
    compared = compare(connection, goal, number)
    if compared.challenger.state is State.CHAMPION:
        raise ModelRefused(f"model {number} is the champion already")
    if compared.objections and not force:
        raise PromotionRefused("\n".join(compared.objections))
    scale = _publish_scale(connection, goal, number, author, now)
    figures = {
        "held_out": [asdict(figures) if figures else None for figures in compared.held_out],
        "moved": compared.moves.share,
        "compared": compared.moves.people,
        "overruled": compared.objections,
    }
    made = models.appoint(
        connection, goal, compared.challenger.segment, number,
        event=Event.PROMOTED, author=author, reason=reason, figures=figures, now=now,
    )  # fmt: skip
    return Promoted(made, compared.objections, scale)


def rollback(connection: Connection, goal: str, segment: str, *, author: str, reason: str, now: datetime) -> int | None:
    """Undo the last change of who scores a segment; returns the number of the model that scores again, None for rules.

    Raises `ModelRefused` where nothing was ever promoted.
    """
    history = revisions.history(connection, "champions", goal)
    held = history[0].body.get(segment) if history else None
    before = [revision.body.get(segment) for revision in history[1:]] + [None]
    earlier: list[int | None] = [number for number in before if number != held]
    if not earlier:
        raise ModelRefused(f"goal {goal}: no model was promoted yet, so there is nothing to go back from")
    models.appoint(
        connection, goal, segment, earlier[0],
        event=Event.ROLLED_BACK, author=author, reason=reason, figures={"from": held, "to": earlier[0]}, now=now,
    )  # fmt: skip
    return earlier[0]


def retire(connection: Connection, goal: str, number: int, *, author: str, reason: str, now: datetime) -> None:
    """Take a challenger out of the shadow. Raises `ModelRefused` for any other."""
    if find(connection, goal, number).state is not State.CHALLENGER:
        raise ModelRefused(f"model {number} is no challenger; a champion goes by `leadgauge model rollback`")
    models.retire(connection, goal, number, author, reason, now)


def proposed_scale(connection: Connection, goal: str, number: int) -> PointScale | None:
    """The scale on which 50 is the median lead and about one in twenty is hot, by what a model says of the people of
    today, or where it has not seen enough of them, of those that were held out when it was trained."""
    held_out = find(connection, goal, number).manifest.get("log_odds", [])
    return scale_of(shadow.log_odds(connection, goal, number), held_out, _policy(connection, goal)[0])


def scale_of(today: Sequence[float], held_out: Sequence[float], policy: Policy) -> PointScale | None:
    """The same by what a model says of the people of today, where they are enough, or of those held out."""
    return propose(today if len(today) >= ENOUGH else held_out, policy.buckets[0].at_least)


def brought_scale(connection: Connection, goal: str, number: int) -> PointScale | None:
    """The scale that a promotion would publish: that of the first model, unless somebody has set one before."""
    if models.champions(connection, goal)[0] or _policy(connection, goal)[0].scale != policies.Scale():
        return None
    return proposed_scale(connection, goal, number)


def policy_with(connection: Connection, goal: str, number: int) -> Policy:
    """The policy that there is once a model is promoted: the first one brings its scale with it."""
    policy = _policy(connection, goal)[0]
    find(connection, goal, number)
    scale = brought_scale(connection, goal, number)
    return policy if scale is None else _scaled(policy, scale)


def publish_scale(
    connection: Connection, goal: str, scale: PointScale, author: str, comment: str, now: datetime
) -> int:
    """Append the policy revision with this scale; returns its number. Raises `EditConflict`."""
    policy, current = _policy(connection, goal)
    return revisions.publish(
        connection, "policy", goal, _scaled(policy, scale).model_dump(mode="json"),
        after=current.revision, author=author, comment=comment, now=now,
    ).revision  # fmt: skip


def _scaled(policy: Policy, scale: PointScale) -> Policy:
    body = policy.model_dump(mode="json")
    body["scale"] |= asdict(scale)
    return policies.parse(body)


def _publish_scale(connection: Connection, goal: str, number: int, author: str, now: datetime) -> PointScale | None:
    """The scale that comes with the first model, unless somebody has set one before."""
    scale = brought_scale(connection, goal, number)
    if scale is None:
        return None
    comment = f"scale of model {number}: the median lead has 50, {scale.pdo:g} points double the odds"
    publish_scale(connection, goal, scale, author, comment, now)
    return scale


def _policy(connection: Connection, goal: str) -> tuple[Policy, Revision]:
    current = revisions.current(connection, "policy", goal)
    if current is None:
        raise ModelRefused(f"goal {goal} has no policy yet: run `leadgauge migrate`")
    return policies.parse(current.body), current


def _beside(told: dict[str, Any], champion: Registered | None) -> Figures | None:
    """How the champion did on the challenger's held-out people, if it is the one that was measured there."""
    if champion is None or told.get("champion_number") != champion.number:
        return None
    return Figures.read(told.get("champion"))


def _closed(connection: Connection, model: Registered) -> Figures | None:
    newest = drifts.newest(connection, model.goal, model.number)
    return Figures.read(newest.body.get("closed")) if newest else None
