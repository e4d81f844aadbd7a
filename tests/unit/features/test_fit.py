from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.unit.features.making import facts, value
from worker.features.domains import DISPOSABLE, same_company, sort_of
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.features.places import country, region, sector
from worker.features.words import fold, read_table


def known(name: str, **held: str) -> Any:
    rows = [value(attribute, text) for attribute, text in held.items()]
    return matrix(facts(rows), Features.shipped().only([name])).get_column(name).item()


def one(series: pl.Series) -> Any:
    return series.item()


@pytest.mark.parametrize("row", read_table("countries.csv"), ids=lambda row: row["code"])
def test_every_name_of_a_country_leads_to_its_code_and_region(row: dict[str, str]) -> None:
    names = [row["code"], row["code"].lower(), *row["names"].split("|")]
    codes = country(pl.Series([name.upper() for name in names if name != "i"]))
    assert set(codes) == {row["code"]}
    assert one(region(pl.Series([row["code"]]))) == row["region"]


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("Germany", "DE", "Western Europe"),
        ("Deutschland", "DE", "Western Europe"),
        ("  германия ", "DE", "Western Europe"),
        ("U.S.A.", "US", "Northern America"),
        ("Côte d\u2019Ivoire", "CI", "Africa"),
        ("Россия", "RU", "Eastern Europe"),
        ("Atlantis", "atlantis", None),
        ("?", None, None),
        (None, None, None),
    ],
)
def test_a_country_is_known_by_any_of_its_names(text: str | None, code: str | None, part: str | None) -> None:
    codes = country(pl.Series([text], dtype=pl.String))
    assert (one(codes), one(region(codes))) == (code, part)


@pytest.mark.parametrize("row", read_table("industries.csv"), ids=lambda row: row["sector"])
def test_every_industry_of_the_table_leads_to_its_sector(row: dict[str, str]) -> None:
    names = row["names"].split("|")
    assert [name for name in names if fold(name) != name] == []
    assert set(sector(pl.Series([name.upper() for name in names]))) == {row["sector"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COMPUTER_SOFTWARE", "software"),  # HubSpot
        ("HOSPITAL_HEALTH_CARE", "healthcare"),
        ("Technology", "software"),  # Salesforce
        ("Not For Profit", "non_profit"),
        ("Food & Beverage", "food"),
        ("Space elevators", "space elevators"),
    ],
)
def test_industries_of_two_crms_are_one_sector(text: str, expected: str) -> None:
    assert one(sector(pl.Series([text]))) == expected


@pytest.mark.parametrize(
    ("domain", "sort"),
    [
        ("gmail.com", "free"),
        ("GMX.de", "free"),
        ("Mailinator.com", "disposable"),
        ("acme.example", "company"),
        (None, None),
    ],
)
def test_a_mailbox_is_a_companys_free_or_thrown_away(domain: str | None, sort: str | None) -> None:
    assert one(sort_of(pl.Series([domain], dtype=pl.String))) == sort


def test_the_list_of_disposable_domains_is_lower_case() -> None:
    assert all(domain == domain.strip().lower() for domain in DISPOSABLE)
    assert len(DISPOSABLE) > 5000


@pytest.mark.parametrize(
    ("domain", "website", "same"),
    [
        ("acme.com", "https://www.acme.com/about?x=1", True),
        ("mail.acme.com", "acme.com", True),
        ("acme.com", "http://shop.acme.com:8080", True),
        ("ACME.com", "WWW.acme.COM", True),
        ("notacme.com", "acme.com", False),
        ("gmail.com", "acme.com", False),
        (None, "acme.com", None),
        ("acme.com", None, None),
        ("acme.com", " ", None),
    ],
)
def test_a_mailbox_is_at_the_companys_website(domain: str | None, website: str | None, same: bool | None) -> None:
    assert one(same_company(pl.Series([domain], dtype=pl.String), pl.Series([website], dtype=pl.String))) == same


@pytest.mark.parametrize(
    ("employees", "band"),
    [
        ("1", "1-10"),
        ("10", "1-10"),
        ("11", "11-50"),
        ("5000", "1001-5000"),
        ("5001", "over 5000"),
        ("0", None),
        ("-3", None),
    ],
)
def test_companies_come_in_sizes(employees: str, band: str | None) -> None:
    assert known("size_band", employees=employees) == band


def test_sizes_are_powers_of_ten() -> None:
    assert known("employees_log", employees="1000") == pytest.approx(3)
    assert known("revenue_log", annual_revenue="1e6") == pytest.approx(6)
    assert known("revenue_log", annual_revenue="0") is None


def test_what_is_given_at_all() -> None:
    assert known("company_given", company="Acme") is True
    assert known("title_given") is False
    assert known("has_phone") is None
    assert known("lead_source", lead_source="Trade Show") == "trade show"
