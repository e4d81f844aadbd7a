"""Two that wait for each other: PostgreSQL ends one of them, and nobody has to be told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, text

from connectors.port import Page
from connectors.records import AccountRecord, RecordRef
from tests.chaos.conftest import until
from tests.contract.connectors.crm_contract import START
from worker.store.subjects import lock_identity
from worker.sync.apply import Applied, apply

WAITS = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"""


def accounts(engine: Engine, *ids: str, name: str) -> Applied:
    records = [AccountRecord(RecordRef("acme", "Account", id), START, START, name) for id in ids]
    with engine.begin() as connection:
        return apply(connection, Page(cursor={}, done=True, accounts=records), START)


def test_a_page_that_lost_in_a_deadlock_is_stored_again(engine: Engine) -> None:
    accounts(engine, "1", name="Before")
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as other, engine.connect() as watch:
            watch = watch.execution_options(isolation_level="AUTOCOMMIT")  # a transaction sees one and the same moment
            other.execute(text("SET LOCAL deadlock_timeout = '30 s'"))  # it is not the one that looks first
            lock_identity(other)
            page = pool.submit(accounts, engine, "1", "2", name="After")
            until(lambda: watch.execute(text(WAITS)).scalar_one() == 1, 30, "the page waits for who is who")
            other.execute(text("SELECT 1 FROM record FOR UPDATE"))
        assert page.result(60).seen == 2
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM record")).scalars().all() == ["After", "After"]
