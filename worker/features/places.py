"""Which country and region, and which sector, however a CRM spells them."""

from __future__ import annotations

import polars as pl

from worker.features.words import each_once, fold, folded, read_table

_COUNTRIES = read_table("countries.csv")
_REGIONS = {row["code"]: row["region"] for row in _COUNTRIES}
_CODES = {name: row["code"] for row in _COUNTRIES for name in (row["code"].lower(), *row["names"].split("|"))}
_INDUSTRIES = read_table("industries.csv")
_SECTORS = {name: row["sector"] for row in _INDUSTRIES for name in (fold(row["sector"]), *row["names"].split("|"))}


def country(names: pl.Series) -> pl.Series:
    """The ISO 3166-1 code of a name or code of a country in any of 16 languages; the folded text of any other."""
    return each_once(names, lambda distinct: folded(distinct).replace(_CODES))


def region(countries: pl.Series) -> pl.Series:
    """The part of the world that a code of `country` lies in; null for what is no code."""
    return countries.replace_strict(_REGIONS, default=None, return_dtype=pl.String)


def sector(industries: pl.Series) -> pl.Series:
    """The sector that an industry of a CRM belongs to; the folded text of one that no table knows."""
    return each_once(industries, lambda distinct: folded(distinct).replace(_SECTORS))
