"""Nothing of a person and no secret gets into a log, whoever wrote the text."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from worker.log import redact
from worker.store import database


@pytest.mark.parametrize(
    ("said", "kept_out"),
    [
        ("Contact already exists: ann.lee@example.com", "ann.lee"),
        ("Key (key)=(ann@example.co.uk) already exists", "ann@"),
        ("<Ann@Example.COM>, 'bob@example.org'", "Example"),
        ("Authorization: Bearer pat-na1-1234", "1234"),
        ("token=abcdef&x=1", "abcdef"),
        ("password: hunter2", "hunter2"),
        ("postgresql://user:hunter2@db/leadgauge", "hunter2"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
    ],
)
def test_addresses_and_secrets_are_taken_out(said: str, kept_out: str) -> None:
    assert kept_out not in redact(said)


@pytest.mark.parametrize("said", ["pulled hubspot/contacts/9014", "rules revision 3", "200 writes, 2 refused", ""])
def test_what_is_harmless_stays(said: str) -> None:
    assert redact(said) == said


def test_an_error_of_the_database_does_not_name_its_rows(database_url: str) -> None:
    engine = database.connect(database_url)
    with engine.connect() as connection, pytest.raises(DBAPIError) as failed:
        connection.execute(text("SELECT 1 / 0, CAST(:email AS text)"), {"email": "ann@example.com"})
    assert "ann" not in str(failed.value)
    engine.dispose()
