"""Evidence of budget, authority, need and timeline: what is known, from where, how old it is, and how sure.

A field that somebody filled tells more than a job title or a form. Nothing here is a decision: what counts as known for
a stage is the policy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum

import polars as pl

from connectors.records import ActivityKind
from worker.features import timelines, titles
from worker.features.acts import DAY
from worker.features.catalogue import Catalogue
from worker.features.facts import Facts
from worker.features.known import Known
from worker.features.words import Phrases, each_once, folded, read_table


class Item(StrEnum):
    """In the order in which a rep asks."""

    BUDGET = "budget"
    AUTHORITY = "authority"
    NEED = "need"
    TIMELINE = "timeline"


FIELD, ACTIVITY = "field:", "activity:"
"""What a source is named by: `field:budget`, `activity:demo_request`."""

ASKED: Mapping[ActivityKind, float] = {
    ActivityKind.DEMO_REQUEST: 0.8,
    ActivityKind.INBOUND_CALL: 0.6,
    ActivityKind.FORM_SUBMISSION: 0.4,
}
"""Acts that state a need, whatever the fields say, and how sure each is when it is new."""

STATED, INFERRED = 0.9, 0.6
"""How sure a new value of a field is, and what a job title lets one infer. All these are our own judgement."""

HALF_LIFE = timedelta(days=365)
"""Evidence so old is half as sure."""

DECIDING = ("c_level", "vp", "director")
"""Seniorities from which authority is inferred where no field states it."""

ATTRIBUTES = frozenset({"budget", "authority", "title", "need", "timeline"})
"""What the evidence is read from, beside the acts in `ASKED`."""

_AUTHORITY = Phrases([(row["phrase"], row["authority"]) for row in read_table("authority.csv")])
_COLUMNS = ("value", "met", "source", "age_days", "confidence")


def evidence(facts: Facts, catalogue: Catalogue) -> pl.DataFrame:
    """person_id, item, value (text), met, source, age_days f64, confidence (0 to 1, two decimals): one row a person and
    item that anything tells of, by person and item.

    `met`: it speaks for a purchase; a stated budget of 0, a user who does not decide and "no plans" do not. `age_days`
    are those since the value was taken on, or since the act. Only what was known at each person's instant counts, as in
    `matrix`.
    """
    known = Known(facts, catalogue, ATTRIBUTES, bots_count=True)  # machines do none of the acts that count here
    ids = known.people.select("person_id")
    parts = [
        pl.concat([ids, told(known, item)], how="horizontal").with_columns(item=pl.lit(item.value, _ITEM))
        for item in Item
    ]
    found = pl.concat(parts).filter(pl.col("source").is_not_null())
    return found.select("person_id", "item", *_COLUMNS).sort("person_id", "item")


def told(known: Known, item: Item) -> pl.DataFrame:
    """The columns of `evidence` from `value` on, one row a person in the order of `known.people`; nulls where nothing
    tells. `known` must hold the attributes that the item is read from."""
    return known.once(f"bant:{item}", lambda known: _faded(_TOLD[item](known)))


def _faded(found: pl.DataFrame) -> pl.DataFrame:
    fading = (pl.col("age_days") * (-math.log(2) / (HALF_LIFE / DAY))).exp()
    return found.select(*_COLUMNS[:-1], confidence=(pl.col("sure") * fading).round(2))


def _budget(known: Known) -> pl.DataFrame:
    budget = known.attribute("budget")
    text = budget.cast(pl.String).str.strip_suffix(".0")
    return _stated(text, budget > 0, known.days_held("budget"), "budget")


def _authority(known: Known) -> pl.DataFrame:
    authority = each_once(known.attribute("authority"), lambda texts: _AUTHORITY.meanings(folded(texts)))
    stated = _stated(authority, authority == "decides", known.days_held("authority"), "authority")
    senior = titles.seniority(known.attribute("title")).is_in(DECIDING)
    decides = pl.Series([None, "decides"], dtype=pl.String).gather(senior.fill_null(False).cast(pl.UInt32))
    return _first(stated, _stated(decides, decides == "decides", known.days_held("title"), "title", INFERRED))


def _need(known: Known) -> pl.DataFrame:
    need = known.attribute("need")
    newest = known.acts.extreme(*ASKED, newest=True)
    kind = pl.col("kind")
    sure = {each.value: its for each, its in ASKED.items()}
    asked = newest.select(
        value=pl.coalesce("detail", kind),
        met=pl.when(kind.is_not_null()).then(True),
        source=pl.lit(ACTIVITY) + kind,
        age_days=known.acts.newest(*ASKED),
        sure=kind.replace_strict(sure, default=None, return_dtype=pl.Float64),
    )
    return _first(_stated(need, need.is_not_null(), known.days_held("need"), "need"), asked)


def _timeline(known: Known) -> pl.DataFrame:
    timeline = known.attribute("timeline")
    return _stated(timeline, months(timeline).is_not_null(), known.days_held("timeline"), "timeline")


def months(timeline: pl.Series) -> pl.Series:
    """How many months off the purchase is, by each text; null for no plan and for what cannot be read."""

    def answer(texts: pl.Series) -> pl.Series:
        return pl.Series([timelines.months(text) for text in texts], dtype=pl.Float64)

    return each_once(timeline, answer)


def _stated(value: pl.Series, met: pl.Series, age: pl.Series, field: str, sure: float = STATED) -> pl.DataFrame:
    """Nulls where there is no value."""
    rows = pl.DataFrame({"value": value, "met": met, "age_days": age})
    held = pl.col("value").is_not_null()
    return rows.select(
        "value",
        met=pl.when(held).then("met"),
        source=pl.when(held).then(pl.lit(FIELD + field)),
        age_days=pl.when(held).then("age_days"),
        sure=pl.when(held).then(sure),
    )


def _first(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Where `one` tells nothing, what the other does."""
    both = pl.concat([one, other.select(pl.all().name.prefix("other:"))], how="horizontal")
    nothing = pl.col("source").is_null()
    return both.select(
        pl.when(nothing).then(f"other:{name}").otherwise(name).alias(name) for name in one.columns
    )  # fmt: skip


_ITEM = pl.Enum([item.value for item in Item])
_TOLD: Mapping[Item, Callable[[Known], pl.DataFrame]] = {
    Item.BUDGET: _budget,
    Item.AUTHORITY: _authority,
    Item.NEED: _need,
    Item.TIMELINE: _timeline,
}
