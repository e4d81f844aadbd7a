"""The companies of the practice world."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

from faker import Factory

from sandbox.world.vocabulary import COUNTRIES, INDUSTRIES, SIZES, Country

T = TypeVar("T")

POOL = 400
"""Distinct names drawn from faker per locale; drawing each anew would cost more than the rest of a person."""

_CYRILLIC = str.maketrans(
    dict(
        zip(
            "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
            "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh sch _ y _ e yu ya".replace("_", "").split(" "),
            strict=True,
        )
    )
)
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "æ": "ae"})


@dataclass(frozen=True, slots=True)
class Company:
    """One company; `revenue` in dollars a year."""

    number: int
    name: str
    domain: str
    industry: str
    employees: int
    revenue: int
    country: Country
    scanned: bool
    """Its mail gateway opens every mail and clicks every link before the reader sees them."""
    competitor: bool


class Names:
    """Pools of names of one locale, drawn once with a fixed seed."""

    def __init__(self, locale: str, seed: int) -> None:
        generator = Factory.create(locale, providers=["faker.providers.person", "faker.providers.company"])
        generator.seed_instance(seed)
        self.first = tuple(generator.format("first_name") for _ in range(POOL))
        self.last = tuple(generator.format("last_name") for _ in range(2 * POOL))
        self.company = tuple(generator.format("company") for _ in range(2 * POOL))


def name_pools(seed: int) -> dict[str, Names]:
    """Names by faker locale."""
    return {locale: Names(locale, seed) for locale in sorted({country.locale for country in COUNTRIES})}


def make_companies(count: int, names: dict[str, Names], dice: random.Random) -> list[Company]:
    """`count` companies with distinct domains."""
    countries = Weighted(COUNTRIES, [country.share for country in COUNTRIES])
    industries = Weighted(tuple(INDUSTRIES), list(INDUSTRIES.values()))
    sizes = Weighted(SIZES, [share for _, _, share in SIZES])
    taken: set[str] = set()
    companies = []
    for number in range(count):
        country, industry = countries.draw(dice), industries.draw(dice)
        least, most, _ = sizes.draw(dice)
        employees = round(least * (most / least) ** dice.random())
        name = dice.choice(names[country.locale].company)
        domain = f"{slug(name)}.{country.suffix}"
        if domain in taken:
            name, domain = f"{name} {number}", f"{slug(name)}-{number}.{country.suffix}"
        taken.add(domain)
        companies.append(
            Company(
                number=number,
                name=name,
                domain=domain,
                industry=industry,
                employees=employees,
                revenue=1000 * round(employees * dice.lognormvariate(11.8, 0.5) / 1000),
                country=country,
                scanned=dice.random() < 0.06,
                competitor=dice.random() < 0.008,
            )
        )
    return companies


class Weighted(Generic[T]):
    """Draws from `values` with the given weights."""

    def __init__(self, values: Sequence[T], weights: Sequence[float]) -> None:
        self._values = values
        self._bounds = list(accumulate(weights))

    def draw(self, dice: random.Random) -> T:
        return dice.choices(self._values, cum_weights=self._bounds)[0]


def slug(text: str) -> str:
    """`text` in ASCII letters, digits and hyphens, as it would stand in an address."""
    latin = text.lower().translate(_CYRILLIC).translate(_GERMAN)
    plain = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "company"
