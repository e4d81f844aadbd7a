from __future__ import annotations

from collections.abc import Iterable

import polars as pl
import pytest

from worker.features.titles import SENIORITIES, department, seniority
from worker.features.words import fold, folded, read_table

RANKS = read_table("seniority.csv")
DEPARTMENTS = read_table("departments.csv")


def of(titles: Iterable[str | None]) -> list[str | None]:
    return seniority(pl.Series(list(titles), dtype=pl.String)).to_list()


def bare(phrase: str) -> str:
    """A title that consists of the phrase."""
    return phrase.replace("* ", " ").strip("* ")


def test_every_phrase_of_the_table_is_a_title_of_its_rank() -> None:
    titles = [bare(row["phrase"]).upper() for row in RANKS]
    found = dict(zip(titles, of(titles), strict=True))
    assert {title: rank for title, rank in found.items() if rank is None} == {}
    wrong = {
        row["phrase"]: (found[bare(row["phrase"]).upper()], row["seniority"])
        for row in RANKS
        if found[bare(row["phrase"]).upper()] != row["seniority"]
    }
    assert wrong == SHADOWED


SHADOWED: dict[str, tuple[str, str]] = {}
"""Phrases that alone mean something else, because an earlier one holds: none."""


def test_every_phrase_of_the_table_names_its_department() -> None:
    phrases = [row["phrase"] for row in DEPARTMENTS]
    found = department(pl.Series([bare(phrase) for phrase in phrases])).to_list()
    wrong = {
        phrase: (told, row["department"])
        for phrase, told, row in zip(phrases, found, DEPARTMENTS, strict=True)
        if told != row["department"]
    }
    assert wrong == {}


@pytest.mark.parametrize("table", [RANKS, DEPARTMENTS], ids=["seniority", "departments"])
def test_the_tables_are_folded_and_say_nothing_twice(table: list[dict[str, str]]) -> None:
    meanings: dict[str, set[str]] = {}
    for row in table:
        assert all(fold(word.strip("*")) == word.strip("*") for word in row["phrase"].split())
        meanings.setdefault(row["phrase"], set()).add(row.get("seniority") or row["department"])
    assert [phrase for phrase, all_of_it in meanings.items() if len(all_of_it) > 1] == []


def test_nine_languages_are_known_and_every_rank() -> None:
    assert {row["language"] for row in RANKS} == {"en", "de", "fr", "es", "it", "pt", "nl", "ru", "pl"}
    assert {row["language"] for row in DEPARTMENTS} == {"en", "de", "fr", "es", "it", "pt", "nl", "ru", "pl"}
    assert {row["seniority"] for row in RANKS} == set(SENIORITIES)


@pytest.mark.parametrize(
    ("title", "rank"),
    [
        ("Chief Executive Officer", "c_level"),
        ("CTO", "c_level"),
        ("C.E.O.", "c_level"),
        ("Founder & CEO", "c_level"),
        ("Co-Founder", "c_level"),
        ("Managing Director", "c_level"),
        ("Finance Director (CFO)", "c_level"),
        ("Owner", "c_level"),
        ("Product Owner", "staff"),
        ("President", "c_level"),
        ("Vice President of Marketing", "vp"),
        ("Vice-President", "vp"),
        ("SVP Operations", "vp"),
        ("Assistant Vice President", "vp"),
        ("Assistant to the CEO", "staff"),
        ("Executive Assistant to the President", "staff"),
        ("Assistant Manager", "manager"),
        ("Assistant Director", "director"),
        ("Account Executive", "staff"),
        ("Director, Revenue Operations", "director"),
        ("Head of Marketing", "director"),
        ("Chief of Staff", "director"),
        ("Chief Accountant", "director"),
        ("Sales Operations Manager", "manager"),
        ("Team Lead CRM", "manager"),
        ("HR Business Partner", "staff"),
        ("Partner", "c_level"),
        ("Channel Partner Manager", "manager"),
        ("Principal Engineer", "staff"),
        ("Software Engineer", "staff"),
        ("Marketing Coordinator", "staff"),
        ("Student", "staff"),
        ("Geschäftsführerin", "c_level"),
        ("Geschaeftsfuehrer", "c_level"),
        ("Vorstandsvorsitzende", "c_level"),
        ("Technischer Vorstand", "c_level"),
        ("Assistentin der Geschäftsführung", "staff"),
        ("Referentin des Vorstands", "staff"),
        ("Bereichsvorstand Vertrieb", "vp"),
        ("Prokurist", "vp"),
        ("Leiter IT", "director"),
        ("Vertriebsleiterin", "director"),
        ("Direktor Einkauf", "director"),
        ("Abteilungsleiter Logistik", "manager"),
        ("Teamleiterin Vertrieb", "manager"),
        ("Projektleiter", "manager"),
        ("Marketing-Manager", "manager"),
        ("Sachbearbeiter", "staff"),
        ("Werkstudent", "staff"),
        ("Président-directeur général", "c_level"),
        ("PDG", "c_level"),
        ("Directrice financière (DAF)", "c_level"),
        ("Directeur général adjoint", "vp"),
        ("Vice-présidente Ventes", "vp"),
        ("Directeur commercial", "director"),
        ("Directeur adjoint", "director"),
        ("Responsable marketing", "manager"),
        ("Responsable de division", "director"),
        ("Chef de projet", "manager"),
        ("Assistante de direction", "staff"),
        ("Ingénieure logiciel", "staff"),
        ("Director general", "c_level"),
        ("Consejera delegada", "c_level"),
        ("Vicepresidenta de Marketing", "vp"),
        ("Directora comercial", "director"),
        ("Jefa de proyecto", "manager"),
        ("Analista", "staff"),
        ("Amministratore Delegato", "c_level"),
        ("Direttrice generale", "c_level"),
        ("Direttore vendite", "director"),
        ("Responsabile acquisti", "manager"),
        ("Impiegato", "staff"),
        ("Diretor executivo", "c_level"),
        ("Sócio-gerente", "c_level"),
        ("Diretora de marketing", "director"),
        ("Gerente de vendas", "manager"),
        ("Estagiário", "staff"),
        ("Algemeen directeur", "c_level"),
        ("Eigenaar", "c_level"),
        ("Commercieel directeur", "director"),
        ("Hoofd inkoop", "director"),
        ("Teamleider", "manager"),
        ("Verkoper", "staff"),
        ("Генеральный директор", "c_level"),
        ("Финансовый директор", "c_level"),
        ("Основатель", "c_level"),
        ("Заместитель генерального директора", "vp"),
        ("Вице-президент по продажам", "vp"),
        ("Помощник генерального директора", "staff"),
        ("Директор по маркетингу", "director"),
        ("Заместитель директора", "director"),
        ("Начальник управления", "director"),
        ("Начальник отдела", "manager"),
        ("Руководитель отдела продаж", "manager"),
        ("Менеджер проектов", "manager"),
        ("Инженер-программист", "staff"),
        ("Prezes Zarządu", "c_level"),
        ("Członek zarządu", "c_level"),
        ("Właściciel", "c_level"),
        ("Wiceprezes", "vp"),
        ("Dyrektor handlowy", "director"),
        ("Kierownik działu", "manager"),
        ("Specjalista ds. marketingu", "staff"),
        ("代表取締役", None),
        ("n/a", None),
        ("Unknown", None),
        ("-", None),
        ("x", None),
        (None, None),
    ],
)
def test_a_title_has_a_rank(title: str | None, rank: str | None) -> None:
    assert of([title]) == [rank]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("VP Sales", "sales"),
        ("Sales Operations Manager", "sales"),
        ("Marketing Analyst", "marketing"),
        ("Chief Marketing Officer", "marketing"),
        ("CTO", "engineering"),
        ("Chief Information Officer", "it"),
        ("Head of IT", "it"),
        ("Director of Information Technology", "it"),
        ("CFO", "finance"),
        ("Personal Assistant", None),
        ("Personalleiterin", "hr"),
        ("Leiter Einkauf", "procurement"),
        ("Vertriebsleiter", "sales"),
        ("Werkstudent", None),
        ("Softwareentwicklerin", "engineering"),
        ("Directrice des achats", "procurement"),
        ("Directeur des systèmes d'information", "it"),
        ("Directora de recursos humanos", "hr"),
        ("Responsabile acquisti", "procurement"),
        ("Diretor financeiro", "finance"),
        ("Hoofd inkoop", "procurement"),
        ("Директор по маркетингу", "marketing"),
        ("Начальник отдела закупок", "procurement"),
        ("Kierownik sprzedaży", "sales"),
        ("Geschäftsführer", "management"),
        ("CEO", "management"),
        ("Janitor", None),
        (None, None),
    ],
)
def test_a_title_names_a_department(title: str | None, expected: str | None) -> None:
    assert department(pl.Series([title], dtype=pl.String)).to_list() == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "Geschäftsführer",
        "C.E.O. / Owner",
        "Łódź ŁÓDŹ",
        "\u0130zmir \u0131",
        "straße",
        "Инженёр",
        "обʼєднані",
        "R&D",
        "æther",
    ],
)
def test_a_column_folds_as_a_text_does(text: str) -> None:
    assert folded(pl.Series([text])).to_list() == [fold(text)]
