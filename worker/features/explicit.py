"""What they say they want: budget, authority, need and timeline, each with where it is from and how old it is."""

from __future__ import annotations

import polars as pl

from connectors.records import ActivityKind
from worker.features import timelines, titles
from worker.features.acts import DAY
from worker.features.feature import Family, FeatureType
from worker.features.known import Known
from worker.features.recipe import Shelf
from worker.features.words import Phrases, each_once, folded

EXPLICIT = Shelf(Family.EXPLICIT)

ASKED = (ActivityKind.DEMO_REQUEST, ActivityKind.FORM_SUBMISSION, ActivityKind.INBOUND_CALL)
"""Acts that state a need, whatever the fields say."""

DECIDING = ("c_level", "vp", "director")
"""Seniorities from which authority is inferred where no field states it."""

_AUTHORITY = Phrases(
    [
        ("no authority", "user"),
        ("not *", "user"),
        ("unknown", "unknown"),
        ("unbekannt", "unknown"),
        ("decision maker", "decides"),
        ("decides", "decides"),
        ("economic buyer", "decides"),
        ("buyer", "decides"),
        ("entscheid*", "decides"),
        ("decideur*", "decides"),
        ("decisor*", "decides"),
        ("decisore", "decides"),
        ("tomador* de decis*", "decides"),
        ("beslisser", "decides"),
        ("лпр", "decides"),
        ("decyzyjn*", "decides"),
        ("yes", "decides"),
        ("true", "decides"),
        ("influenc*", "influences"),
        ("champion", "influences"),
        ("recommend*", "influences"),
        ("evaluator", "influences"),
        ("beeinfluss*", "influences"),
        ("prescri*", "influences"),
        ("user", "user"),
        ("end user", "user"),
        ("anwender*", "user"),
        ("utilisateur*", "user"),
        ("usuario", "user"),
        ("no", "user"),
        ("false", "user"),
    ]
)


@EXPLICIT.feature("Budget (log10)", needs=("budget",), unit="powers of ten")
def budget_log(known: Known) -> pl.Series:
    budget = pl.col("budget")
    return known.attribute("budget").to_frame("budget").select(pl.when(budget > 0).then(budget.log10())).to_series()


@EXPLICIT.feature("Budget stated", FeatureType.FLAG, needs=("budget",))
def budget_stated(known: Known) -> pl.Series:
    return known.attribute("budget").fill_null(0) > 0


@EXPLICIT.feature("Days since the budget was stated", needs=("budget",), unit="days")
def budget_age_days(known: Known) -> pl.Series:
    return known.days_held("budget")


@EXPLICIT.feature("Time to the purchase", needs=("timeline",), unit="months")
def timeline_months(known: Known) -> pl.Series:
    def answer(texts: pl.Series) -> pl.Series:
        return pl.Series([timelines.months(text) for text in texts], dtype=pl.Float64)

    return each_once(known.attribute("timeline"), answer)


@EXPLICIT.feature("Days since the timeline was stated", needs=("timeline",), unit="days")
def timeline_age_days(known: Known) -> pl.Series:
    return known.days_held("timeline")


@EXPLICIT.feature("Where the need is stated", FeatureType.CATEGORY, needs=("need", *ASKED))
def need_source(known: Known) -> pl.Series:
    """`field`, or `act` where only a request tells; null where nothing does."""
    asked = known.acts.newest(*ASKED).is_not_null()
    field = known.attribute("need").is_not_null()
    source = pl.when("field").then(pl.lit("field")).when("asked").then(pl.lit("act"))
    return pl.DataFrame({"field": field, "asked": asked}).select(source).to_series()


@EXPLICIT.feature("Days since the need was stated", needs=("need", *ASKED), unit="days")
def need_age_days(known: Known) -> pl.Series:
    ages = pl.DataFrame({"field": known.days_held("need"), "act": known.acts.newest(*ASKED)})
    return ages.select(pl.coalesce("field", "act")).to_series()


@EXPLICIT.feature("Authority", FeatureType.CATEGORY, needs=("authority", "title"))
def authority(known: Known) -> pl.Series:
    """`decides`, `influences`, `user` or `unknown` as stated; else inferred from the title."""
    stated = each_once(known.attribute("authority"), lambda texts: _AUTHORITY.meanings(folded(texts)))
    inferred = titles.seniority(known.attribute("title")).is_in(DECIDING)
    rank = pl.when("inferred").then(pl.lit("decides"))
    return pl.DataFrame({"stated": stated, "inferred": inferred}).select(pl.coalesce("stated", rank)).to_series()


@EXPLICIT.feature("Where the authority is known from", FeatureType.CATEGORY, needs=("authority", "title"))
def authority_source(known: Known) -> pl.Series:
    held = pl.DataFrame({name: known.attribute(name).is_not_null() for name in ("authority", "title")})
    source = pl.when("authority").then(pl.lit("field")).when("title").then(pl.lit("title"))
    return held.select(source).to_series()


@EXPLICIT.feature("Days since the authority was stated", needs=("authority",), unit="days")
def authority_age_days(known: Known) -> pl.Series:
    return known.days_held("authority")


@EXPLICIT.feature(
    "Of budget, authority, need and timeline known",
    needs=("budget", "authority", "title", "need", "timeline", *ASKED),
    unit="of 4",
)
def bant_known(known: Known) -> pl.Series:
    items = pl.DataFrame(
        {
            "budget": budget_stated(known),
            "authority": authority(known) == "decides",
            "need": need_source(known).is_not_null(),
            "timeline": timeline_months(known).is_not_null(),
        }
    )
    return items.select(pl.sum_horizontal(pl.all().fill_null(False).cast(pl.Float64))).to_series()


@EXPLICIT.feature("Demo requests, 90 days", needs=(ActivityKind.DEMO_REQUEST,), unit="requests", monotone=1)
def demo_requests_90d(known: Known) -> pl.Series:
    return known.acts.count(ActivityKind.DEMO_REQUEST, within=90 * DAY)


@EXPLICIT.feature("Days since the last demo request", needs=(ActivityKind.DEMO_REQUEST,), unit="days")
def days_since_demo_request(known: Known) -> pl.Series:
    return known.acts.newest(ActivityKind.DEMO_REQUEST)
