"""The value that each attribute had at an instant, as typed columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib.resources import files

import polars as pl

from connectors.records import Cause
from worker.features.catalogue import AttributeType, Catalogue
from worker.features.facts import INSTANT

_YES = ("true", "yes", "y", "t", "1", "on")
_NO = ("false", "no", "n", "f", "0", "off")


def attribute_columns(
    known: pl.LazyFrame, people: pl.DataFrame, catalogue: Catalogue, names: Collection[str], *, dated: bool = False
) -> pl.DataFrame:
    """`people` (person_id, ..) with one typed column for each of `names`, null where the value is missing; if `dated`
    also `since:<name>`, when each value that a CRM holds was taken on.

    `known` are the visible attribute rows. A record's value is its latest, and clearing a field clears it. Among the
    records of a person the latest value holds, and an account's value holds only where no record of the person's own
    has one. A value that does not parse is missing, and gives way to no older one.
    """
    columns_of_people = people.columns
    held = {catalogue.attributes[name].derived_from or name for name in names}
    columns = ("person_id", "value", "occurred_at", "known_at", "rank", "record")
    nobodys: list[pl.Expr] = []
    for name in sorted(held):  # one at a time, because a copy of all rows at once would cost more memory than the facts
        rows = known.filter(pl.col("name").cast(pl.String) == name).select(columns).collect()
        kind = catalogue.attributes[name].type
        if rows.is_empty():
            nobodys += [_typed(pl.lit(None, pl.String), kind).alias(name), pl.lit(None, INSTANT).alias(f"since:{name}")]
            continue
        typed = _valid(rows).select(
            "person_id", _typed(pl.col("value"), kind).alias(name), pl.col("occurred_at").alias(f"since:{name}")
        )
        people = people.join(typed, on="person_id", how="left", maintain_order="left")
    people = people.with_columns(nobodys)
    for name in sorted(names):
        if origin := catalogue.attributes[name].derived_from:
            people = people.with_columns(_DERIVATIONS[name](pl.col(origin)).alias(name))
    since = [pl.when(pl.col(name).is_not_null()).then(f"since:{name}").alias(f"since:{name}") for name in sorted(held)]
    return people.select(*columns_of_people, *sorted(names), *(since if dated else ()))


def changed_at(known: pl.LazyFrame, people: pl.DataFrame, catalogue: Catalogue) -> pl.Series:
    """When any attribute that sales does not fill last took on a value in a record of the person's own; null where
    none ever did. One instant a person, in the order of `people` (person_id)."""
    names = [name for name, attribute in catalogue.attributes.items() if attribute.cause is not Cause.SALES]
    own = known.filter((pl.col("rank") == 0) & pl.col("name").cast(pl.String).is_in(names))
    last = own.group_by("person_id").agg(pl.col("occurred_at").max()).collect()
    return people.join(last, on="person_id", how="left", maintain_order="left").get_column("occurred_at")


def _valid(rows: pl.DataFrame) -> pl.DataFrame:
    """At most one row a person. Most people have one row to start with, so only the others are sorted."""
    several = rows.get_column("person_id").is_duplicated()
    if not several.any():
        return rows
    once, repeated = rows.filter(~several), rows.filter(several)
    newest_first = ["occurred_at", "known_at", "value"]
    latest = repeated.sort(newest_first, descending=True, nulls_last=True).unique(
        ["person_id", "rank", "record"], keep="first", maintain_order=True
    )
    chosen = (
        latest.filter(pl.col("value").is_not_null())
        .sort("rank", *newest_first, "record", descending=[False, True, True, True, False])
        .unique("person_id", keep="first", maintain_order=True)
    )
    return pl.concat([once, chosen])


def _typed(value: pl.Expr, kind: AttributeType) -> pl.Expr:
    text = value.str.strip_chars()
    match kind:
        case AttributeType.TEXT:
            return pl.when(text != "").then(text)
        case AttributeType.NUMBER:
            number = text.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number)
        case AttributeType.FLAG:
            word = text.str.to_lowercase()
            return pl.when(word.is_in(_YES)).then(True).when(word.is_in(_NO)).then(False)
        case AttributeType.DATE:
            instant = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
            naive = text.str.replace(" ", "T", literal=True).str.to_datetime(
                "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False
            )
            day = text.str.to_datetime("%Y-%m-%d", time_unit="us", strict=False)
            return instant.fill_null(pl.coalesce(naive, day).dt.replace_time_zone("UTC")).cast(INSTANT)


def _free_mail(domain: pl.Expr) -> pl.Expr:
    return domain.str.to_lowercase().is_in(FREE_MAIL)


def _read_domains() -> tuple[str, ...]:
    lines = files("worker.features").joinpath("free_mail.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


FREE_MAIL = _read_domains()
"""Domains of free mailboxes, lower case."""

_DERIVATIONS: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {"free_mail": _free_mail}
