"""The catalogue of features: those that come with the product, and fields of the user's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import polars as pl

from connectors.records import Cause
from worker.features import bots
from worker.features.account import ACCOUNT
from worker.features.catalogue import Attribute, AttributeType, Catalogue
from worker.features.engagement import ENGAGEMENT
from worker.features.explicit import EXPLICIT
from worker.features.feature import Family, Feature, FeatureType
from worker.features.fit import FIT
from worker.features.known import Known
from worker.features.recipe import Compute, Recipe, declared
from worker.features.sales import SALES
from worker.features.timing import TIMING

JUDGED = frozenset(kind.value for kind in bots.JUDGED)
MACHINES = "bot_acts_filtered"
"""The feature that says how many acts were left out as a machine's."""
CUSTOM = "custom_"
"""What the feature of a field of the user's own is called by, before the field's name."""

_TYPES = {
    AttributeType.NUMBER: FeatureType.NUMBER,
    AttributeType.TEXT: FeatureType.CATEGORY,
    AttributeType.FLAG: FeatureType.FLAG,
    AttributeType.DATE: FeatureType.NUMBER,
}


@dataclass(frozen=True, slots=True)
class Features:
    """Which columns `matrix` makes, in this order. `bots_count`: acts that machines did count like people's own."""

    recipes: tuple[Recipe, ...]
    catalogue: Catalogue
    bots_count: bool = False

    @classmethod
    def shipped(cls) -> Features:
        """Those that come with the product."""
        return cls.of(Catalogue.shipped())

    @classmethod
    def of(cls, catalogue: Catalogue, *, bots_count: bool = False) -> Features:
        """Those that come with the product, and one for each attribute of `catalogue` that is declared a feature."""
        shelves = (FIT, ENGAGEMENT, ACCOUNT, EXPLICIT, TIMING, SALES)
        own = (
            _of_field(catalogue, name, attribute)
            for name, attribute in sorted(catalogue.attributes.items())
            if attribute.feature
        )
        recipes = (*(recipe for shelf in shelves for recipe in shelf.recipes), *own)
        return cls(tuple(map(_with_bots, recipes)) if bots_count else recipes, catalogue, bots_count)

    def upstream(self) -> Features:
        """These without what sales causes."""
        return replace(self, recipes=tuple(r for r in self.recipes if r.feature.cause is not Cause.SALES))

    def only(self, names: Collection[str]) -> Features:
        """Those of these names, in the order of `names`. Raises `ValueError` for one that is not here."""
        by_name = {recipe.feature.name: recipe for recipe in self.recipes}
        if unknown := [name for name in names if name not in by_name]:
            raise ValueError(
                f"no feature is named {', '.join(unknown)}; a feature of an attribute of yours is named "
                f"{CUSTOM}NAME, and needs `feature: true` under `attributes`"
            )
        return replace(self, recipes=tuple(by_name[name] for name in names))

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that they are computed from."""
        needs = {need for feature in self for need in feature.needs}
        return frozenset(needs & self.catalogue.attributes.keys())

    @property
    def stable(self) -> frozenset[str]:
        """The attributes among these that are taken to have held their earliest known value from the beginning."""
        return frozenset(name for name in self.attributes if self.catalogue.attributes[name].stable)

    @property
    def need_colleagues(self) -> bool:
        """Whether any of them is about others at the account: then `Facts.colleagues` is needed."""
        of_accounts = {recipe.feature.name for recipe in ACCOUNT.recipes}
        return any(feature.name in of_accounts for feature in self)

    def __iter__(self) -> Iterator[Feature]:
        return (recipe.feature for recipe in self.recipes)

    def __len__(self) -> int:
        return len(self.recipes)


def _with_bots(recipe: Recipe) -> Recipe:
    """The recipe, said to be another one where machines' acts make a difference: a model is trained on one of them."""
    if not set(recipe.feature.needs) & JUDGED:
        return recipe
    return replace(
        recipe, feature=replace(recipe.feature, unit=", ".join(filter(None, (recipe.feature.unit, "machines' too"))))
    )


def _of_field(catalogue: Catalogue, name: str, attribute: Attribute) -> Recipe:
    kind = _TYPES[attribute.type]
    label = attribute.label or name.replace("_", " ").capitalize()
    dated = attribute.type is AttributeType.DATE
    feature = declared(
        catalogue,
        CUSTOM + name,
        f"Days since {label}" if dated else label,
        kind,
        Family.FIT,
        needs=(name,),
        unit="days" if dated else "",
    )
    return Recipe(feature, _days_since(name) if dated else _value(name))


def _value(name: str) -> Compute:
    return lambda known: known.attribute(name)


def _days_since(name: str) -> Compute:
    """Negative for a day to come."""

    def compute(known: Known) -> pl.Series:
        return known.days_since(known.attribute(name))

    return compute
