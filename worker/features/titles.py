"""What a job title says in nine languages: how senior, and in which department."""

from __future__ import annotations

import polars as pl

from worker.features.words import Phrases, each_once, folded, read_table

SENIORITIES = ("c_level", "vp", "director", "manager", "staff")
"""From the top. `staff` are individual contributors."""

_SENIORITY = Phrases([(row["phrase"], row["seniority"]) for row in read_table("seniority.csv")])
_DEPARTMENT = Phrases([(row["phrase"], row["department"]) for row in read_table("departments.csv")])


def seniority(titles: pl.Series) -> pl.Series:
    """One of `SENIORITIES`. A title that names no rank is `staff` if it is a word in an alphabet that the table knows,
    and none for nothing; else null."""

    def answer(distinct: pl.Series) -> pl.Series:
        text = folded(distinct)
        readable = text.str.contains(r"[\p{Latin}\p{Cyrillic}]{2}") & ~text.str.contains(_NOTHING)
        ranked = _SENIORITY.meanings(text).rename("ranked")
        return pl.select(pl.coalesce(ranked, pl.when(readable).then(pl.lit("staff")))).to_series()

    return each_once(titles, answer)


def department(titles: pl.Series) -> pl.Series:
    """One of the departments of the table, or null where the title names none."""
    return each_once(titles, lambda distinct: _DEPARTMENT.meanings(folded(distinct)))


_NOTHING = r"^(n a|na|none|unknown|other|test|not provided|null|keine angabe|unbekannt|autre|otro|нет|brak)$"
