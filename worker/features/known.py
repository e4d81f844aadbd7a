"""What was known about some people, each at their instant: what features are computed from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from connectors.records import ActivityKind
from worker.features.activities import distinct
from worker.features.acts import DAY, Acts
from worker.features.attributes import attribute_columns, changed_at
from worker.features.bots import automatic
from worker.features.catalogue import Catalogue
from worker.features.colleagues import Colleagues
from worker.features.facts import Facts
from worker.features.frame import existing
from worker.features.instant import visible
from worker.features.visits import Visits


class Known:
    """Everything here has one entry a person, in the order of `people`, and is made when it is first asked for.

    `people`: person_id, as_of, created_at (and account, where the facts have it) of who existed, by person_id.
    """

    def __init__(self, facts: Facts, catalogue: Catalogue, attributes: Collection[str], *, bots_count: bool) -> None:
        self.people = existing(facts)
        self._facts, self._catalogue, self._attributes = facts, catalogue, attributes
        self._bots_count = bots_count
        self._made: dict[str, pl.DataFrame] = {}

    def once(self, what: str, make: Callable[[Known], pl.DataFrame]) -> pl.DataFrame:
        """What `make` makes of this, made once however many features are computed from it."""
        if what not in self._made:
            self._made[what] = make(self)
        return self._made[what]

    def attribute(self, name: str) -> pl.Series:
        """The value held, typed as the catalogue says; null where it is missing."""
        return self._values.get_column(name)

    def days_held(self, name: str) -> pl.Series:
        """For how many days the attribute has held its value; null where it is missing."""
        return self.days_since(self._values.get_column(f"since:{name}"))

    def days_since(self, instants: pl.Series) -> pl.Series:
        """The days from `instants` to each person's own."""
        return (self.as_of - instants).dt.total_microseconds() / (DAY / timedelta(microseconds=1))

    @property
    def as_of(self) -> pl.Series:
        return self.people.get_column("as_of")

    @property
    def created_at(self) -> pl.Series:
        """When the first of the person's records was made."""
        return self.people.get_column("created_at")

    @cached_property
    def acts(self) -> Acts:
        """What they did, without what machines did in their name (unless that is to count)."""
        return self._all_acts if self._bots_count else self._all_acts.without(self._automatic)

    @cached_property
    def machine_acts(self) -> Acts:
        """What machines did in their name, and is left out of `acts`."""
        return self._all_acts.only({} if self._bots_count else self._automatic)

    @cached_property
    def visits(self) -> Visits:
        return Visits.of(self.acts, self.epoch)

    @cached_property
    def colleagues(self) -> Colleagues | None:
        """What others at their accounts did; None where the facts do not tell."""
        if self._facts.colleagues is None:
            return None
        return Colleagues.of(self._facts.colleagues, self.people)

    @cached_property
    def epoch(self) -> NDArray[np.float64]:
        """The instants in seconds of the epoch."""
        return self.as_of.dt.epoch("us").to_numpy() / 1_000_000

    @cached_property
    def changed_at(self) -> pl.Series:
        """When any attribute that sales does not fill last took on a value; null where none ever did."""
        return changed_at(self._visible_values, self._ids, self._catalogue)

    @cached_property
    def _ids(self) -> pl.DataFrame:
        return self.people.select("person_id")

    @property
    def _visible_values(self) -> pl.LazyFrame:
        return visible(self._facts.attributes.lazy(), self.people)

    @cached_property
    def _values(self) -> pl.DataFrame:
        return attribute_columns(self._visible_values, self._ids, self._catalogue, self._attributes, dated=True)

    @cached_property
    def _all_acts(self) -> Acts:
        rows = distinct(visible(self._facts.activities.lazy(), self.people))
        return Acts.of(rows, self.people.get_column("person_id"))

    @cached_property
    def _automatic(self) -> dict[ActivityKind, NDArray[np.bool_]]:
        return automatic(self._all_acts)
