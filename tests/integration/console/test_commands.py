"""`leadgauge user`: accounts, roles, sessions and tokens from the keyboard."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from worker.bootstrap import Process
from worker.cli import console as commands
from worker.cli.main import app
from worker.console.passwords import right
from worker.settings import ConfigurationError, Settings, load
from worker.store import accounts, sessions
from worker.store.accounts import AccountError
from worker.store.sessions import Kind

Run = Callable[..., str]


@pytest.fixture
def run(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[Run, Process]]:
    """A command as a person types it, with what they type into it; returns what it printed."""
    opened: list[Process] = []

    class Kept(Process):
        def __init__(self, settings: Settings) -> None:
            super().__init__(settings)
            opened.append(self)

    monkeypatch.setattr(commands, "Process", Kept)
    monkeypatch.setenv("LEADGAUGE_DATABASE_URL", database_url)
    monkeypatch.setenv("LEADGAUGE_REDIS_URL", "redis://127.0.0.1:1/0")

    def run(*words: str, typed: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        app(words, standalone_mode=False)
        return capsys.readouterr().out

    held = Kept(load())
    held.migrate()
    yield run, held
    for process in opened:
        process.close()


def test_accounts_from_the_keyboard(run: tuple[Run, Process]) -> None:
    user, process = run
    assert "open on this machine" in user("user", "list")
    said = user("user", "add", "ann", "--role", "admin")
    made_up = said.split("password: ")[1].split()[0]
    user("user", "add", "bob", "--password-stdin", typed="a sentence that is long\n")
    with process.engine.connect() as connection:
        ann, bob = accounts.named(connection, "ANN"), accounts.named(connection, "bob")
    assert ann is not None
    assert bob is not None
    assert right(made_up, ann.password)
    assert right("a sentence that is long", bob.password)
    assert bob.account.role == "viewer"
    user("user", "role", "bob", "publisher")
    token = user("user", "token", "bob", "--label", "a report", "--days", "3").strip()
    assert token.startswith("lgk_")
    told = {account["name"]: account for account in json.loads(user("user", "list", "--json"))}
    assert told["bob"]["role"] == "publisher"
    assert [session["label"] for session in told["bob"]["sessions"]] == ["a report"]
    assert token not in json.dumps(told)
    with process.engine.begin() as connection:
        session = sessions.use(connection, token, process.now(), process.settings.console.idle)
        assert session is not None
        assert session.kind is Kind.TOKEN
    user("user", "revoke", "bob", "--disable")
    with process.engine.begin() as connection:
        assert sessions.use(connection, token, process.now(), process.settings.console.idle) is None
        noted = connection.execute(text("SELECT action || ' ' || subject FROM audit ORDER BY id")).scalars().all()
    assert noted == [
        "account.add ann", "account.add bob", "account.role bob", "token.add bob", "account.disable bob",
    ]  # fmt: skip
    assert "disabled" in user("user", "list")


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (("role", "nobody", "admin"), "", "no account is named 'nobody'"),
        (("role", "ann", "viewer"), "", "the only admin"),
        (("revoke", "ann", "--disable"), "", "the only admin"),
        (("revoke", "ann", "--session", "7"), "", "has no session 7"),
        (("add", "ANN"), "", "an account named 'ANN' already"),
        (("add", " "), "", "1 to 200 characters"),
        (("add", "eve", "--password-stdin"), "short\n", "at least 12"),
        (("add", "eve", "--password-stdin"), "", "nothing on standard input"),
    ],
)
def test_what_cannot_be_is_said(run: tuple[Run, Process], words: tuple[str, ...], typed: str, said: str) -> None:
    user, process = run
    with process.engine.begin() as connection:
        accounts.add(connection, "ann", accounts.Role.ADMIN, process.now(), password="x")
    with pytest.raises((AccountError, ConfigurationError), match=said):
        user("user", *words, typed=typed)
