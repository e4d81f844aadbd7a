"""A retrained model that moves from the champion only as far as the data ask.

Two models of nearly the same people differ by chance as well as by what changed, and every point of difference is a
lead that sales sees in another bucket for no reason. So a challenger is a mean of the champion and the fresh model, in
log-odds, and the share of the fresh one is the smallest that is not measurably worse than the best: nearly the champion
where nothing changed, the fresh model alone where it proves better. Trees and tables add up as before, and so do their
reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from worker.scoring.model import Model
from worker.scoring.model_parts import Axis, Cells, Floats, Shape, Surface, Tables, Trees
from worker.training.candidates import added_up, scaled
from worker.training.table import Table

SHARES = (0.2, 0.4, 0.7, 1.0)
"""Of the fresh model. Never 0: a challenger that is the champion would be no retraining."""
_SURE = 2.0
"""Standard errors by which a share must be worse than the best to be called so."""
_MOST_GROWN, _MOST_TREES, _MOST_PAIRS = 6, 300, 150
"""What a mixed model may be made of, so that it scores about as fast as a fresh one: draws of boosted trees (and
forests), trees of all forests together, and tables of pairs. They would add up with every anchoring."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """`share` of the fresh model in `model`, and why, in a sentence."""

    model: Model
    share: float
    reason: str


def anchored(fresh: Model, champion: Model, unseen: Table, said: Floats) -> Anchored:
    """The smallest share of `fresh` whose log-loss is within two standard errors of the best share's.

    `unseen` are rows that the champion did not learn from, one a person; `said` what models that had not seen them
    either, of the fresh one's kind, say of them (log-odds). The error is of *paired* differences, person by person.
    """
    if why := _apart(fresh, champion):
        return Anchored(fresh, 1.0, why)
    beside = champion.log_odds(unseen.frame) if len(unseen) else np.zeros(0)
    lost = {share: _losses((1 - share) * beside + share * said, unseen.label) for share in SHARES}
    weight = unseen.weight
    means = {share: float(np.average(loss, weights=weight)) if len(unseen) else 0.0 for share, loss in lost.items()}
    best = min(SHARES, key=means.__getitem__)
    share = next(one for one in SHARES if means[one] - means[best] <= _SURE * _error(lost[one] - lost[best], weight))
    reason = (
        f"{share:.0%} of the fresh model and {1 - share:.0%} of the champion: the smallest share that is not "
        f"measurably worse than {best:.0%} on {len(unseen):,} people whom the champion had not learnt from"
    )
    return Anchored(fresh if share == 1 else near(fresh, champion, share, unseen), share, reason)


def mixed(fresh: Model, champion: Model, share: float) -> Model:
    """The model whose log-odds are `share` those of `fresh` and the rest the champion's, for every row."""
    features = fresh.features
    place = {feature.name: number for number, feature in enumerate(features)}
    places = [place[feature.name] for feature in champion.features]
    axes, ours, theirs = list(fresh.axes), _same(fresh.axes), dict[int, Cells]()
    for number, axis in zip(places, champion.axes, strict=True):
        axes[number] = _refined(fresh.axes[number], axis)
        ours[number] = _found(axes[number], fresh.axes[number])
        theirs[number] = _found(axes[number], axis)
    parts = [scaled(_moved(part, tuple(range(len(features))), ours, axes), share) for part in fresh.parts]
    parts += [scaled(_moved(part, tuple(places), theirs, axes), 1 - share) for part in champion.parts]
    return Model(features, fresh.kind, fresh.base_rate, True, tuple(axes), added_up(parts, 0.0))


def _apart(fresh: Model, champion: Model) -> str:
    """Why the two cannot be mixed; empty where they can."""
    if not (fresh.signal and champion.signal):
        return "there is no signal in one of the two"
    known = {feature.name: feature for feature in fresh.features}
    gone = [feature.name for feature in champion.features if feature.name not in known]
    if gone:
        return f"the champion knows {gone[0]}, which is left out now"
    changed = any(known[feature.name].type is not feature.type for feature in champion.features)
    return "a feature is of another type than it was" if changed else ""


def near(fresh: Model, champion: Model, share: float, rows: Table) -> Model:
    """`mixed`, of no more parts than a model may have: the least of either give their weight to the others of their
    kind, which learnt nearly the same from nearly the same people. The mean over `rows` is that of `mixed`."""
    own = max(1, round(_MOST_GROWN * share))
    made = mixed(_joined(fresh, own), _joined(champion, _MOST_GROWN - own), share)
    tables = [_fewer(part) for part in made.parts if isinstance(part, Tables)]
    grown = [part for part in made.parts if isinstance(part, Trees)]
    forests = _trimmed([part for part in grown if part.votes])
    made = replace(made, parts=added_up([*tables, *(part for part in grown if not part.votes), *forests], 0.0))
    if not len(rows):
        return made
    whole = share * fresh.log_odds(rows.frame) + (1 - share) * champion.log_odds(rows.frame)
    moved = float(np.average(whole - made.log_odds(rows.frame), weights=rows.weight))
    return replace(made, parts=added_up(made.parts, moved))


def _joined(model: Model, most: int) -> Model:
    """With at most so many draws of boosted trees, and so many forests."""
    parts = list(model.parts)
    for votes in (False, True):
        while len(own := [part for part in parts if isinstance(part, Trees) and part.votes is votes]) > most:
            least = min(own, key=lambda part: abs(part.scale))
            factor = 1 + least.scale / sum(part.scale for part in own if part is not least)
            parts = [
                scaled(part, factor) if isinstance(part, Trees) and part.votes is votes else part
                for part in parts
                if part is not least
            ]
    return replace(model, parts=tuple(parts))


def _trimmed(forests: list[Trees]) -> list[Trees]:
    """Each with as many of its trees as its weight is worth of all that there may be: their mean is of fewer votes."""
    total = sum(abs(forest.scale) for forest in forests)
    return [_first(forest, max(1, round(_MOST_TREES * abs(forest.scale) / total))) for forest in forests]


def _first(forest: Trees, count: int) -> Trees:
    """The first trees of a forest; each one's nodes follow those of the one before."""
    if count >= forest.roots.size:
        return forest
    end = int(forest.roots[count])
    nodes = {name: getattr(forest, name)[:end] for name in ("feature", "cut", "low", "left", "right", "value")}
    return replace(forest, roots=forest.roots[:count], depths=forest.depths[:count], **nodes)


def _fewer(part: Tables) -> Tables:
    """With the tables of pairs that say most."""
    if len(part.surfaces) <= _MOST_PAIRS:
        return part
    strength = [float(np.square(surface.values).mean()) for surface in part.surfaces]
    kept = np.sort(np.argsort(strength)[-_MOST_PAIRS:])
    return replace(part, surfaces=tuple(part.surfaces[place] for place in kept))


def _losses(log_odds: Floats, label: NDArray[np.bool_]) -> Floats:
    """Of each row, in nats: log(1 + exp(-margin))."""
    lost: Floats = np.logaddexp(0.0, np.where(label, -log_odds, log_odds))
    return lost


def _error(difference: Floats, weight: Floats) -> float:
    """The standard error of the weighted mean; infinite where there is nobody to tell by."""
    if difference.size < 2:
        return float("inf")
    share = weight / weight.sum()
    mean = float(share @ difference)
    return sqrt(float(share**2 @ (difference - mean) ** 2))


def _same(axes: Sequence[Axis]) -> dict[int, Cells]:
    return {number: np.arange(axis.size, dtype=np.int16) for number, axis in enumerate(axes)}


def _refined(one: Axis, other: Axis) -> Axis:
    """The cells that both cut: each lies within one cell of either."""
    if one.is_category:
        return replace(one, levels=tuple(dict.fromkeys((*one.levels, *other.levels))))
    return replace(one, edges=np.union1d(one.edges, other.edges))


def _found(refined: Axis, axis: Axis) -> Cells:
    """By cell of `refined`, the cell of `axis` that it lies in."""
    cells = np.empty(refined.size, np.int16)
    cells[-1] = axis.size - 1
    if axis.is_category:
        known = {level: number for number, level in enumerate(axis.levels)}
        cells[:-1] = [*(known.get(level, len(axis.levels)) for level in refined.levels), len(axis.levels)]
    else:
        cells[:-1] = [*np.searchsorted(axis.edges, refined.edges), axis.edges.size]
    return cells


def _moved(
    part: Tables | Trees, places: tuple[int, ...], cells: dict[int, Cells], axes: Sequence[Axis]
) -> Tables | Trees:
    """The part over other axes: `places` of its features among them, and by such a place the old cell of each new."""
    if isinstance(part, Trees):
        order = [np.zeros(axis.size, np.int16) for axis in axes]
        for old, new in enumerate(places):
            order[new] = part.order[old][cells[new]]
        at = np.array(places, np.int16)
        return replace(part, order=tuple(order), feature=at[part.feature])
    shapes = tuple(Shape(places[shape.feature], shape.values[cells[places[shape.feature]]]) for shape in part.shapes)
    surfaces = tuple(
        Surface(
            places[surface.first],
            places[surface.second],
            surface.rows[cells[places[surface.first]]],
            surface.columns[cells[places[surface.second]]],
            surface.values,
        )
        for surface in part.surfaces
    )
    return Tables(part.base, shapes, surfaces)
