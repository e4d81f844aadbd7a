"""Who they are."""

from __future__ import annotations

import polars as pl

from worker.features import domains, places, titles
from worker.features.feature import Family, FeatureType
from worker.features.known import Known
from worker.features.recipe import Shelf

FIT = Shelf(Family.FIT)

_BANDS = ((10, "1-10"), (50, "11-50"), (200, "51-200"), (1000, "201-1000"), (5000, "1001-5000"))
"""The most employees of each band."""


@FIT.feature("Industry", FeatureType.CATEGORY, needs=("industry",))
def industry(known: Known) -> pl.Series:
    return places.sector(known.attribute("industry"))


@FIT.feature("Employees (log10)", needs=("employees",), unit="powers of ten")
def employees_log(known: Known) -> pl.Series:
    return _log10(known.attribute("employees"))


@FIT.feature("Company size", FeatureType.CATEGORY, needs=("employees",))
def size_band(known: Known) -> pl.Series:
    employees = pl.col("employees")
    bands = [pl.when(employees <= most).then(pl.lit(name)) for most, name in _BANDS]
    band = pl.when(employees > 0).then(pl.coalesce(*bands, pl.lit("over 5000")))
    return known.attribute("employees").to_frame("employees").select(band).to_series()


@FIT.feature("Annual revenue (log10)", needs=("annual_revenue",), unit="powers of ten")
def revenue_log(known: Known) -> pl.Series:
    return _log10(known.attribute("annual_revenue"))


@FIT.feature("Seniority", FeatureType.CATEGORY, needs=("title",))
def seniority(known: Known) -> pl.Series:
    return titles.seniority(known.attribute("title"))


@FIT.feature("Department", FeatureType.CATEGORY, needs=("title",))
def department(known: Known) -> pl.Series:
    return titles.department(known.attribute("title"))


@FIT.feature("Job title given", FeatureType.FLAG, needs=("title",))
def title_given(known: Known) -> pl.Series:
    return known.attribute("title").is_not_null()


@FIT.feature("Country", FeatureType.CATEGORY, needs=("country",))
def country(known: Known) -> pl.Series:
    return places.country(known.attribute("country"))


@FIT.feature("Region", FeatureType.CATEGORY, needs=("country",))
def region(known: Known) -> pl.Series:
    return places.region(places.country(known.attribute("country")))


@FIT.feature("Kind of mailbox", FeatureType.CATEGORY, needs=("email_domain",))
def mailbox(known: Known) -> pl.Series:
    return domains.sort_of(known.attribute("email_domain"))


@FIT.feature("E-mail domain is the company's", FeatureType.FLAG, needs=("email_domain", "website"))
def company_match(known: Known) -> pl.Series:
    return domains.same_company(known.attribute("email_domain"), known.attribute("website"))


@FIT.feature("Company given", FeatureType.FLAG, needs=("company",))
def company_given(known: Known) -> pl.Series:
    return known.attribute("company").is_not_null()


@FIT.feature("Has a phone number", FeatureType.FLAG, needs=("has_phone",))
def has_phone(known: Known) -> pl.Series:
    return known.attribute("has_phone")


@FIT.feature("E-mail bounces", FeatureType.FLAG, needs=("bounced",), monotone=-1)
def bounced(known: Known) -> pl.Series:
    return known.attribute("bounced")


@FIT.feature("Lead source", FeatureType.CATEGORY, needs=("lead_source",))
def lead_source(known: Known) -> pl.Series:
    return known.attribute("lead_source").str.to_lowercase()


def _log10(numbers: pl.Series) -> pl.Series:
    """Null for what is no size at all."""
    number = pl.col("number")
    return numbers.to_frame("number").select(pl.when(number > 0).then(number.log10())).to_series()
