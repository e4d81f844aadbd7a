"""The weekly check of every model that scores or watches: who comes today, and how those did who have matured since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from worker.features.facts import INSTANT
from worker.store import drifts, models
from worker.store.drifts import Check
from worker.store.models import Registered, State
from worker.training import drift
from worker.training.collection import collect
from worker.training.drift import Level, Matured, Report
from worker.training.history import read
from worker.training.measure import measure
from worker.training.population import History, population
from worker.training.promotion import Figures
from worker.training.refusal import ModelRefused
from worker.training.shop import Progress, Shop, people_of_today
from worker.training.snapshots import draw


def watch(shop: Shop, progress: Progress) -> Mapping[int, Level]:
    """Check the champions and the challengers in the shadow; stores a row for each, and returns their levels.

    A model that cannot be loaded is passed over: its own history says so.
    """
    with shop.engine.connect() as connection:
        watching = models.shadowing(connection, shop.name)
        listed = models.listing(connection, shop.name)
    chosen = [model for model in listed if model.state is State.CHAMPION or model.number in watching]
    progress(0.0, "reading the history")
    history = read(shop.arrow, shop.goal, shop.until)
    now, levels = shop.now(), {}
    for place, registered in enumerate(sorted(chosen, key=lambda m: m.number)):
        progress(0.1 + 0.9 * place / len(chosen), f"checking model {registered.number}")
        try:
            report = check(shop, registered, history)
        except ModelRefused:
            continue
        with shop.engine.begin() as connection:
            drifts.save(connection, shop.name, Check(registered.number, now, report.level.value, report.plain()))
        levels[registered.number] = report.level
    return levels


def check(shop: Shop, registered: Registered, history: History) -> Report:
    """One model against the people of today and those matured since its training. Raises `ModelRefused`."""
    model = shop.model(registered.number)
    names = [feature.name for feature in model.features]
    today = _of_segment(people_of_today(shop, history, names), registered.segment)
    said = model.log_odds(today) if today.height else np.empty(0)
    report = drift.compare(registered.manifest["reference"], today, said)
    matured = matured_since(shop, registered, history)
    if matured.is_empty():
        return report
    label = matured.get_column("label").to_numpy()
    log_odds = model.log_odds(matured)
    chance = 1 / (1 + np.exp(-log_odds))
    person, weight = (matured.get_column(name).to_numpy() for name in ("person_id", "weight"))
    since = Matured(
        people=matured.height,  # one instant each
        observed=int(label.sum()),
        expected=float(chance.sum()),
        spread=float(np.sqrt((chance * (1 - chance)).sum())),
        figures=measure(label, log_odds, person, weight),
    )
    held_out = Figures.read(registered.manifest.get("figures", {}).get("model"))
    return drift.judge_closed(report, held_out, since)


def matured_since(shop: Shop, registered: Registered, history: History) -> pl.DataFrame:
    """One instant a person, after the model was made, whose horizon has closed: nothing of it can have been learnt."""
    after = datetime.fromisoformat(registered.manifest["data"]["until"])
    people = population(history, shop.goal)
    spells = people.spells.with_columns(start=pl.max_horizontal("start", pl.lit(after, INSTANT)))
    later = replace(people, spells=spells.filter(pl.col("start") < pl.col("end")))
    drawn = draw(history, later, shop.goal, per_person=1, seed=registered.number)
    drawn = _of_segment(drawn.filter(pl.col("as_of") > after), registered.segment)
    names = [described["name"] for described in registered.manifest["features"]]
    parts = list(collect(shop.arrow, drawn, shop.features.only(names)))
    return pl.concat(parts) if parts else drawn.clear()


def _of_segment(people: pl.DataFrame, segment: str) -> pl.DataFrame:
    """The model of everybody is judged on everybody; who has one of their own is in both."""
    return people.filter(pl.col("segment") == segment) if segment else people
