"""From history to challengers: snapshots, leakage, fit, figures on people held out, and registration.

One run makes a model of everybody, and one of each segment that is large enough. What it makes is stored in one
transaction, together with the end of the request: a run that was given up stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import Connection

from worker.lifecycle.policy import Scale
from worker.store import models, shadow
from worker.store.models import Registered, Stored
from worker.store.shadow import Said
from worker.training import drift, leakage, rates, registry
from worker.training.anchor import Anchored, anchored
from worker.training.artefact import pack
from worker.training.collection import snapshots
from worker.training.fills import days_to_filling
from worker.training.fit import Fit, fit
from worker.training.history import read
from worker.training.measure import measure
from worker.training.preview import NEEDED
from worker.training.promotion import Figures
from worker.training.refusal import ModelRefused
from worker.training.reporting import Trained, plain, reported, stored
from worker.training.shop import Progress, Shop, people_of_today, shadowed
from worker.training.table import Table

if TYPE_CHECKING:
    from worker.rescoring.basis import Trained as Scorer
    from worker.scoring.model import Model

HELD_OUT = 0.25
"""The newest share of the snapshots: no choice is made on them, and all figures are theirs."""
QUANTILES = 201
ENOUGH_TODAY = 200


class RulesOnly(Exception):
    """There is too little to learn from. The text has the figures and what is needed."""


class Unwilling(Exception):
    """What was asked for cannot be done. The text says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    """A challenger before it is registered. `figures` are those of the held-out people, None without signal."""

    segment: str
    model: Model
    artefact: Stored
    manifest: Mapping[str, Any]
    report: bytes | None
    figures: Figures | None
    shadow: Mapping[int, Said]


def train(shop: Shop, seed: int, progress: Progress) -> list[Made]:
    """Challengers for the goal, that of everybody first.

    Raises `RulesOnly` where no model can be made of everybody, `Unwilling` for an override of what is no feature.
    """
    if strange := sorted(shop.overrides.keys() - {feature.name for feature in shop.features}):
        raise Unwilling(f"the policy's `overrides` name {strange[0]}, which is no feature; docs/features.md lists them")
    progress(0.0, "reading the history")
    history = read(shop.arrow, shop.goal, shop.until)
    share = _part(progress, 0.02, 0.4, "building snapshots")
    try:
        rules = shop.basis.rules if shop.basis is not None else None
        collected = snapshots(shop.arrow, shop.goal, shop.features, shop.until, progress=share, rules=rules)
    except ValueError as nobody:
        raise RulesOnly(f"rules only: {nobody}") from None
    table, segment = collected.table, collected.segment
    _enough(table, "")
    progress(0.4, "looking at the people of today")
    today = people_of_today(shop, history, [feature.name for feature in table.features])
    fills = days_to_filling(shop, history, table)
    shares = [("", np.ones(len(table), bool)), *_segments(shop, table, segment)]
    made = []
    for place, (name, rows) in enumerate(shares):
        share = _part(progress, 0.45 + 0.55 * place / len(shares), 0.45 + 0.55 * (place + 1) / len(shares), "")
        whom = today if not name else today.filter(pl.col("segment") == name)
        said = rates.of_rules(collected.fired.filter(rows), table.take(rows))
        made.append(_make(shop, name, table.take(rows), whom, fills, said, seed, share))
    return made


def register(connection: Connection, shop: Shop, made: Sequence[Made], author: str, reason: str) -> list[int]:
    """Store the challengers with what they say of the people of today; returns their numbers."""
    numbers = []
    for one in made:
        number = models.register(
            connection, shop.name, one.segment, one.model.kind, one.artefact, one.manifest, one.report,
            author, reason, shop.now(),
        )  # fmt: skip
        shadow.save(connection, shop.name, number, one.shadow, shop.now())
        numbers.append(number)
    return numbers


def hold_out(table: Table, horizon: timedelta) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Rows to fit on, rows to judge on, and in words how they were told apart.

    The newest quarter is held out, and what is fitted on was labelled before it began. Where too little is left of
    either, people are held out by chance, each whole.
    """
    assert table.at is not None, "snapshots have instants"
    begins = np.sort(table.at)[int((1 - HELD_OUT) * len(table))]
    earlier = np.flatnonzero(table.at + np.timedelta64(horizon) <= begins)
    newest = np.flatnonzero(table.at >= begins)
    if all(_classes(table, rows) >= NEEDED for rows in (earlier, newest)):
        return earlier, newest, f"the newest {HELD_OUT:.0%} of the snapshots, fitted on what had matured before"
    people, of_row = np.unique(table.person, return_inverse=True)
    chosen = np.random.default_rng(0).random(people.size) < HELD_OUT
    held = chosen[of_row]
    words = f"{HELD_OUT:.0%} of the people by chance (too little history to hold out the newest)"
    return np.flatnonzero(~held), np.flatnonzero(held), words


def _make(
    shop: Shop,
    segment: str,
    table: Table,
    today: pl.DataFrame,
    fills: Mapping[str, NDArray[np.float64]],
    of_rules: Mapping[str, float],
    seed: int,
    progress: Callable[[float], None],
) -> Made:
    rows, held, how = hold_out(table, shop.goal.horizon)
    learned, judged = table.take(rows).one_each(), table.take(held).one_each()
    missing = {name: today.get_column(name).null_count() / max(today.height, 1) for name in table.frame.columns}
    verdicts = leakage.judge(
        learned, live=missing if today.height else None, fills=fills, overrides=shop.overrides, seed=seed
    )
    progress(0.15)
    kept = leakage.kept(verdicts)
    champion = _champion(shop, segment)
    fitted = fit(
        learned.only(kept), seed=seed, horizon=shop.goal.horizon, incumbent=champion.kind if champion else None,
        progress=lambda done, _: progress(0.15 + 0.7 * done),
    )  # fmt: skip
    anchor = _anchored(shop, champion, fitted, learned)
    fitted = replace(fitted, model=anchor.model) if anchor else fitted
    model = fitted.model
    said = model.log_odds(judged.frame)
    figures = measure(judged.label, said, judged.person, judged.weight) if model.signal else None
    beside, others = _rivals(shop, champion, judged)
    progress(0.85)
    says = model.log_odds(today)
    report = reported(shop, Trained(segment, fitted, learned, judged, verdicts, how, others, says), seed)
    assert table.at is not None, "snapshots have instants"
    manifest = {
        "goal": shop.name,
        "segment": segment,
        "label": str(shop.goal),
        "definition": shop.goal.model_dump(mode="json"),
        "seed": seed,
        "held_out": how,
        "data": {
            "first": _iso(table.at.min()),
            "learned": _iso(table.at[rows].max()),
            "last": _iso(table.at.max()),
            "until": shop.until.isoformat(),
            "rows": len(table),
            "people": len(np.unique(table.person)),
            "conversions": len(np.unique(table.person[table.label])),
        },
        "figures": {
            "model": asdict(figures) if figures else None,
            "champion": asdict(beside) if beside else None,
            "champion_number": champion.number if champion else None,
        },
        "validation": plain(report) if report else None,
        "anchor": {"share": anchor.share, "reason": anchor.reason} if anchor else None,
        "left_out": [_told(verdict) for verdict in verdicts if not verdict.kept],
        "overridden": [_told(verdict) for verdict in verdicts if verdict.override],
        **_references(model, judged, said, today),
        "log_odds": [float(value) for value in np.quantile(said, np.linspace(0, 1, QUANTILES))],
        "rates": rates.measured(learned.only(kept), model.axes).plain() if model.signal else {},
        "rule_rates": of_rules,
    }
    artefact, whole = pack(model, manifest, shop.key)
    shown = shadowed(shop, today, _candidate(shop, model, manifest, says))
    progress(1.0)
    return Made(segment, model, artefact, whole, stored(report) if report else None, figures, shown)


def _anchored(shop: Shop, champion: Registered | None, fitted: Fit, learned: Table) -> Anchored | None:
    """The fresh model, held near the champion; None without one that can be used."""
    if champion is None:
        return None
    try:
        model = shop.model(champion.number)
    except (ModelRefused, ValueError):
        return None
    assert learned.at is not None, "snapshots have instants"
    data = champion.manifest["data"]
    seen_until = np.datetime64(datetime.fromisoformat(data.get("learned", data["last"])).replace(tzinfo=None))
    rows = np.flatnonzero((learned.at > seen_until) & np.isfinite(fitted.oof))
    return anchored(fitted.model, model, learned.take(rows).one_each(), fitted.oof[rows])


def _candidate(shop: Shop, model: Model, manifest: Mapping[str, Any], says: NDArray[np.float64]) -> Scorer:
    """The model as it would score: with the scale that it would bring, were it the first. `says`: of those people of
    today whom it is for."""
    from worker.rescoring.basis import Trained as Scorer

    scale = None
    if shop.basis is not None and not shop.basis.champions and shop.basis.policy.scale == Scale():
        scale = registry.scale_of(says.tolist(), manifest["log_odds"], shop.basis.policy)
    return Scorer(0, model, conversions=manifest["data"]["conversions"], brings=scale)


def _references(model: Model, judged: Table, said: NDArray[np.float64], today: pl.DataFrame) -> dict[str, Any]:
    """What drift is measured against: the people of the day of the training, who are those that the model is for; the
    held-out snapshots where there are too few of them. How these two differ is told once, not every week."""
    trained = drift.reference(judged.frame, judged.weight, model.features, said)
    if today.height < ENOUGH_TODAY:
        return {"reference": trained, "live_against_training": []}
    says = model.log_odds(today)
    live = drift.reference(today, np.ones(today.height), model.features, says)
    return {"reference": live, "live_against_training": list(drift.compare(trained, today, says).why)[:10]}


def _rivals(
    shop: Shop, champion: Registered | None, judged: Table
) -> tuple[Figures | None, Mapping[str, NDArray[np.float64]]]:
    """The champion's figures on the same people, and what it says of them; nothing without one that can be used."""
    if champion is None:
        return None, {}
    try:
        said = shop.model(champion.number).log_odds(judged.frame)
    except (ModelRefused, ValueError):
        return None, {}
    return measure(judged.label, said, judged.person, judged.weight), {f"champion (model {champion.number})": said}


def _enough(table: Table, segment: str) -> None:
    converted = len(np.unique(table.person[table.label]))
    others = len(np.unique(table.person)) - converted
    if min(converted, others) < NEEDED:
        whom = f" in segment {segment}" if segment else ""
        raise RulesOnly(
            f"rules only: {converted} people{whom} converted and {others} did not, {NEEDED} of each are needed; "
            "`leadgauge label` shows the counts by month"
        )


def _segments(shop: Shop, table: Table, segment: pl.Series) -> list[tuple[str, NDArray[np.bool_]]]:
    """The segments that are large enough for a model of their own, by name."""
    found = []
    for name in sorted(segment.drop_nulls().unique().to_list()) if shop.goal.segment else []:
        rows = (segment == name).fill_null(False).to_numpy()
        if _classes(table, np.flatnonzero(rows)) >= shop.goal.segment_minimum:
            found.append((name, rows))
    return found


def _classes(table: Table, rows: NDArray[np.int64]) -> int:
    """The people of the rarer class."""
    person, label = table.person[rows], table.label[rows]
    converted = len(np.unique(person[label]))
    return min(converted, len(np.unique(person)) - converted)


def _champion(shop: Shop, segment: str) -> Registered | None:
    """Who scores the segment now."""
    with shop.engine.connect() as connection:
        _, roster = models.champions(connection, shop.name)
        number = roster.get(segment, roster.get(""))
        return models.get(connection, shop.name, number) if number is not None else None


def _told(verdict: leakage.Verdict) -> dict[str, Any]:
    return {
        "feature": verdict.feature,
        "verdict": verdict.level.value,
        "why": verdict.sentence,
        "override": verdict.override,
    }


def _iso(instant: np.datetime64) -> str:
    return f"{instant.astype('datetime64[us]')}+00:00"


def _part(progress: Progress, first: float, last: float, step: str) -> Callable[[float], None]:
    """Progress of a part, as a share of the whole."""
    return lambda done: progress(first + (last - first) * min(1.0, done), step)
