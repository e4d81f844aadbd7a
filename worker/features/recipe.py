"""How a feature is declared: one small function with a label, and the rest follows from what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from connectors.records import ActivityKind, Cause
from worker.features.catalogue import Attribute, Catalogue
from worker.features.feature import Family, Feature, FeatureType
from worker.features.known import Known

Compute = Callable[[Known], pl.Series]
Need = str | ActivityKind

_OF_ACTS = "acts that had happened and were known by then"
_OF_VALUES = "the value held then, by the CRM's field history and our own"
_ASSUMED = "; before we watched, the earliest value known of the record (assumed)"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A feature and what computes it: one value a person, in the order of `Known.people`."""

    feature: Feature
    compute: Compute


@dataclass(frozen=True, slots=True)
class Shelf:
    """The recipes of one module, in the order in which they are written."""

    family: Family
    recipes: list[Recipe] = field(default_factory=list)

    def feature(
        self,
        label: str,
        type: FeatureType = FeatureType.NUMBER,
        *,
        needs: Sequence[Need],
        unit: str = "",
        monotone: int = 0,
        name: str | None = None,
        cause: Cause | None = None,
        as_of: str | None = None,
    ) -> Callable[[Compute], Compute]:
        """Declare the function under it as a feature; its name is the function's unless given.

        Its cause is that of what it needs: sales if sales causes any of it, unknown if anything's is. It is stable if
        all that it needs is.
        """

        def declare(compute: Compute) -> Compute:
            self.recipes.append(
                Recipe(
                    declared(
                        Catalogue.shipped(),
                        name or compute.__name__,
                        label,
                        type,
                        self.family,
                        needs=needs,
                        unit=unit,
                        monotone=monotone,
                        cause=cause,
                        as_of=as_of,
                    ),
                    compute,
                )
            )
            return compute

        return declare


def declared(
    catalogue: Catalogue,
    name: str,
    label: str,
    type: FeatureType,
    family: Family,
    *,
    needs: Sequence[Need],
    unit: str = "",
    monotone: int = 0,
    cause: Cause | None = None,
    as_of: str | None = None,
) -> Feature:
    """The feature, with what follows from its needs in `catalogue`."""
    attributes = [catalogue.attributes[need] for need in needs if not isinstance(need, ActivityKind)]
    kinds = [need for need in needs if isinstance(need, ActivityKind)]
    stable = bool(attributes) and not kinds and all(attribute.stable for attribute in attributes)
    rules = [*([_OF_VALUES] if attributes else []), *([_OF_ACTS] if kinds else [])]
    return Feature(
        name=name,
        label=label,
        type=type,
        family=family,
        cause=cause or _cause(attributes, kinds),
        unit=unit,
        needs=tuple(str(getattr(need, "value", need)) for need in needs),
        as_of=as_of or "; ".join(rules) + (_ASSUMED if stable else ""),
        monotone=monotone,
        stable=stable,
    )


def _cause(attributes: Sequence[Attribute], kinds: Sequence[ActivityKind]) -> Cause | None:
    if not attributes and not kinds:
        return None
    causes = {*(attribute.cause for attribute in attributes), *(kind.cause for kind in kinds)}
    if Cause.SALES in causes:
        return Cause.SALES
    if None in causes:
        return None
    return Cause.PROSPECT if Cause.PROSPECT in causes else Cause.SYSTEM
