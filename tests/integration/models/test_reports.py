"""The report that is kept with a model: written, shown, and without whoever was erased."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from connectors.records import RecordRef
from tests.integration.cli.product import Product
from tests.integration.models.conftest import GOAL, NOW, House
from tests.integration.models.history import history
from worker.store import erasures, labels, reports
from worker.sync.apply import apply


def lead(person: int) -> str:
    return f'<div class="lead" data-person="{person}"><b>62 %</b> Country: DE, of {person}</div><!--/lead-->'


def with_report(house: House, page: str) -> int:
    number = house.register()
    with house.process.engine.begin() as connection:
        connection.execute(
            text("UPDATE model SET report = :page WHERE number = :number"),
            {"page": reports.packed(page), "number": number},
        )
    return number


def kept(house: House, number: int) -> str:
    with house.process.engine.connect() as connection:
        page = reports.page(connection, GOAL, number)
    assert page is not None
    return page


def test_who_is_erased_is_cut_out_of_every_report_and_so_is_who_is_nobody_any_more(house: House) -> None:
    house.meet(3)
    rows = house.rows("SELECT s.person_id, s.key FROM subject s JOIN record r ON r.subject_id = s.id ORDER BY s.key")
    gone, stays = rows[0], rows[1]
    merged_away = 999_999
    page = "<main>" + lead(gone.person_id) + lead(stays.person_id) + lead(merged_away) + "</main>"
    numbers = [with_report(house, page), with_report(house, page)]
    with house.process.engine.begin() as connection:
        erasures.erase(connection, [RecordRef("crm", "Lead", gone.key)], NOW)
    for number in numbers:
        left = kept(house, number)
        assert lead(stays.person_id) in left
        assert f'"{gone.person_id}"' not in left
        assert f"of {gone.person_id}<" not in left
        assert str(merged_away) not in left
        assert left.count("This lead was erased") == 2


@pytest.fixture
def product(house: House, tmp_path: Path) -> Product:
    addresses = house.process.addresses
    environment = {
        "LEADGAUGE_DATABASE_URL": addresses.database,
        "LEADGAUGE_REDIS_URL": addresses.redis,
        "LEADGAUGE_CLOCK": NOW.isoformat(),
    }
    return Product(tmp_path, environment)


def test_a_report_is_written_to_a_file_and_a_model_without_one_says_so(
    house: House, product: Product, tmp_path: Path
) -> None:
    number = with_report(house, "<main>gr\u00f6\u00dfer</main>")
    file = tmp_path / "report.html"
    assert product.run("model", "show", str(number), "--report", str(file)).code == 0
    assert file.read_text(encoding="utf-8") == "<main>gr\u00f6\u00dfer</main>"
    bare = product.run("model", "show", str(house.register()), "--report", str(file))
    assert bare.code == 2
    assert "came without a report" in bare.err


def test_a_deal_of_several_people_brings_its_amount_once(house: House) -> None:
    with house.process.engine.begin() as connection:
        apply(connection, history(80, NOW), NOW)
        connection.execute(
            text("""
            INSERT INTO outcome_person (outcome_id, subject_id)
            SELECT o.id, s.id FROM outcome o CROSS JOIN subject s
            WHERE o.id = (SELECT min(id) FROM outcome) AND s.id IN (
                SELECT subject_id FROM record WHERE kind = 'person' AND subject_id NOT IN (
                    SELECT subject_id FROM outcome_person) ORDER BY subject_id LIMIT 3)
            """)
        )
    deals = labels.decided(house.process.arrow, reach="contacts_or_account")
    closed = house.rows("SELECT count(*) AS n, sum(amount) AS amount FROM outcome WHERE status <> 'open'")[0]
    assert deals.height == closed.n + 3
    assert deals["won"].all()
    assert deals["amount"].sum() == pytest.approx(closed.amount)
    assert sorted(deals["amount"].unique().to_list()) == [250.0, 1000.0]
