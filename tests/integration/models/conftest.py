"""A product with some people and a model made by hand, on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from connectors.port import Page
from connectors.records import Activity, ActivityKind, LeadRecord, RecordRef, RecordState, ScoreField
from worker.bootstrap import Process
from worker.features.feature import Feature
from worker.lifecycle import policy as policies
from worker.rescoring.batch import Rescored, rescore
from worker.scoring.model import Model
from worker.scoring.model_parts import Axis, Shape, Tables
from worker.settings import Settings
from worker.store import models, revisions
from worker.sync.apply import apply
from worker.training.artefact import pack

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
COUNTRIES = ("DE", "US", "FR")
WRITABLE = {"crm": frozenset(ScoreField)}
GOAL = "default"


def by_hand(features: Mapping[str, Feature], base: float = -3.0) -> Model:
    """Pricing-page views and the country: tables that anybody can look up."""
    return Model(
        features=(features["pricing_views_30d"], features["country"]),
        kind="additive",
        base_rate=0.05,
        signal=True,
        axes=(Axis(np.array([0.0, 2.0])), Axis(np.empty(0), levels=("DE", "US"), is_category=True)),
        parts=(Tables(base, (Shape(0, np.array([-0.4, 0.6, 1.8, 0.0])), Shape(1, np.array([0.5, -0.2, 0.0, 0.1])))),),
    )


@dataclass
class House:
    """The product with its clock in hand."""

    process: Process
    time: list[datetime]

    def later(self, **passed: float) -> None:
        self.time[0] += timedelta(**passed)

    def meet(self, people: int, first: int = 0) -> None:
        """Leads from three countries, the third of them with three looks at the prices, the second with one."""
        refs = [RecordRef("crm", "Lead", f"{n:04}") for n in range(first, first + people)]
        born = self.time[0] - timedelta(days=30)
        leads = [
            LeadRecord(ref, RecordState.OPEN, born, born, attributes={"country": COUNTRIES[n % 2 + (n % 5 == 0)]})
            for n, ref in enumerate(refs, first)
        ]
        looks = [
            Activity(
                RecordRef("crm", "Visit", f"{ref.id}-{look}"), ActivityKind.PRICING_PAGE_VIEW, (ref,),
                occurred_at=born + timedelta(days=20 + look), recorded_at=born + timedelta(days=20 + look),
            )
            for n, ref in enumerate(refs, first)
            for look in range((0, 1, 3)[n % 3])
        ]  # fmt: skip
        with self.process.engine.begin() as connection:
            apply(connection, Page(cursor={}, done=True, leads=leads, activities=looks, backfill=True), self.time[0])

    def rescore(self) -> int:
        """Everybody who is due; returns how many that were."""
        done = 0
        while (last := self._once()).people:
            assert not last.mismatched
            done += last.people
        return done

    def _once(self) -> Rescored:
        process = self.process
        return rescore(
            process.engine, process.arrow, process.goals.bases(), 0, 1, timedelta(days=365), WRITABLE, self.time[0]
        )

    def register(self, model: Model | None = None, **manifest: Any) -> int:
        """A challenger of everybody."""
        made = model or by_hand({feature.name: feature for feature in self.process.vocabulary.features})
        artefact, whole = pack(made, {"goal": GOAL, **manifest}, self.process.goals.model_key)
        with self.process.engine.begin() as connection:
            return models.register(
                connection, GOAL, manifest.get("segment", ""), made.kind, artefact, whole, None, "ann", "", self.time[0]
            )

    def wanted(self) -> dict[int, dict[str, Any]]:
        """What each person's record shall hold, by the newest row of the ledger; when it was scored left out."""
        rows = self.rows("SELECT DISTINCT ON (person_id) person_id, values FROM ledger ORDER BY person_id, id DESC")
        return {row.person_id: {k: v for k, v in row.values.items() if k != "scored_at"} for row in rows}

    def rows(self, query: str) -> list[Any]:
        with self.process.engine.connect() as connection:
            return list(connection.execute(text(query)))

    def dirty(self) -> None:
        with self.process.engine.begin() as connection:
            connection.execute(text("UPDATE person SET dirty_at = changed_at"))


@pytest.fixture
def house(database_url: str, redis_url: str) -> Iterator[House]:
    time = [NOW]
    process = Process(Settings.model_validate({"database_url": database_url, "redis_url": redis_url}))
    process.now = lambda: time[0]  # type: ignore[method-assign]
    process.migrate()
    with process.engine.begin() as connection:  # every difference is written, so that the ledger can be compared
        exact = policies.change(policies.Policy(), "materiality.points=0").model_dump(mode="json")
        revisions.publish(connection, "policy", GOAL, exact, after=1, author="ann", comment="", now=NOW)
    yield House(process, time)
    process.close()


def alter(house: House, number: int, query: str) -> None:
    """Change a stored model behind the product's back."""
    with house.process.engine.begin() as connection:
        connection.execute(text(f"UPDATE model SET {query} WHERE number = {number}"))


def configure(process: Process, **settings: object) -> None:
    """As if it had been started with these."""
    process.settings = process.settings.model_copy(update=settings)
    process.__dict__.pop("goals", None)


def without_memory(house: House) -> None:
    """As another process would see it."""
    house.process.__dict__.pop("goals", None)


__all__ = ["GOAL", "NOW", "House", "alter", "by_hand", "configure", "replace", "without_memory"]
