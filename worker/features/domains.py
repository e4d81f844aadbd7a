"""What the domain of a mailbox says of the company behind it."""

from __future__ import annotations

from importlib.resources import files

import polars as pl

from worker.features.attributes import FREE_MAIL


def _read(name: str) -> frozenset[str]:
    lines = files("worker.features").joinpath(name).read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


DISPOSABLE = _read("disposable_mail.txt")
"""Domains of throw-away mailboxes, lower case."""

SORTS = ("company", "free", "disposable")


def sort_of(domains: pl.Series) -> pl.Series:
    """One of `SORTS`; null for a missing domain."""
    domain = pl.col("domain").str.to_lowercase()
    sort = (
        pl.when(domain.is_in(sorted(DISPOSABLE)))
        .then(pl.lit("disposable"))
        .when(domain.is_in(FREE_MAIL))
        .then(pl.lit("free"))
        .when(domain.is_not_null())
        .then(pl.lit("company"))
    )
    return domains.to_frame("domain").select(sort).to_series()


def same_company(domains: pl.Series, websites: pl.Series) -> pl.Series:
    """Whether the mailbox is at the company's own domain or under it, or the reverse; null where either is missing."""
    host = pl.col("website").str.to_lowercase().str.extract(r"^\s*(?:[a-z]+://)?(?:www\.)?([^/:?#\s]+)", 1)
    domain = pl.col("domain").str.to_lowercase()
    dotted, under = pl.concat_str(pl.lit("."), host), pl.concat_str(pl.lit("."), domain)
    same = (host == domain) | domain.str.ends_with(dotted) | host.str.ends_with(under)
    return pl.DataFrame({"domain": domains, "website": websites}).select(same).to_series()
