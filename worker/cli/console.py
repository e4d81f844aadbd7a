"""`leadgauge console` runs the console; `leadgauge user` says who may use it."""

from __future__ import annotations

import secrets
import sys
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy import Connection

from worker import log
from worker.bootstrap import Process
from worker.cli.revisions import author
from worker.cli.screen import ago, emit, local, note, out, table
from worker.settings import ConfigurationError, load
from worker.store import accounts, audit, sessions
from worker.store.accounts import AccountError, Role
from worker.store.audit import Via
from worker.store.sessions import Kind

user = typer.Typer(help="Who may use the console: add, list, role, password, revoke, token.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="As in `leadgauge user list`.")]
RoleOption = Annotated[Role, typer.Option("--role", help="Each may do what those before it may.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def add_to(app: typer.Typer) -> None:
    app.command()(console)
    app.add_typer(user, name="user")


def console(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8700,
) -> None:
    """Run the console: what runs, how it does, and what to do about it, in a browser and as a JSON API."""
    from worker.console.serve import serve

    settings = load()
    process = Process(settings, "console")
    process.check_schema()
    process.meter.keep()
    log.configure(settings.log_level, as_json=settings.log_json)
    where = settings.console_url or f"http://{'localhost' if host in ('127.0.0.1', '::1') else host}:{port}"
    out.print(f"The console is at {where}. Ctrl-C stops it.")
    try:
        serve(process, host, port)
    finally:
        process.close()


@user.command()
def add(name: Annotated[str, typer.Argument(help="What they sign in as.")], role: RoleOption = Role.VIEWER,
        from_stdin: FromStdin = False) -> None:  # fmt: skip
    """Make an account. From the first one on nobody uses the console without signing in."""
    from worker.console.passwords import hashed

    process = _process()
    if not name.strip() or len(name) > 200:
        raise AccountError("a name has 1 to 200 characters")
    password, shown = _password(from_stdin)
    with process.engine.begin() as connection:
        account = accounts.add(connection, name.strip(), role, process.now(), password=hashed(password))
        _note(process, connection, "account.add", account.name, role=role)
    process.close()
    out.print(f"{account.name} may use the console as {role}", markup=False)
    if shown:
        out.print(f"password: {password}", markup=False)
        note("it is shown this once; it can be changed in the console, under the name")
    if role is not Role.ADMIN:
        note("`leadgauge user role NAME admin` makes somebody an admin; without one, accounts are changed here")


@user.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Who may use the console, and who is signed in."""
    process = _process()
    now = process.now()
    with process.engine.connect() as connection:
        found = accounts.listed(connection)
        open_ones = sessions.listed(connection, now)
    process.close()
    if as_json:
        emit([{"name": a.name, "role": a.role, "disabled_at": a.disabled_at, "provider": a.subject is not None,
               "sessions": [{"id": s.id, "kind": s.kind, "label": s.label, "seen_at": s.seen_at, "ends_at": s.ends_at}
                            for s in open_ones if s.account.id == a.id]} for a in found])  # fmt: skip
        return
    if not found:
        out.print("nobody: the console is open on this machine, and on no other; `leadgauge user add NAME` ends that")
        return
    table(
        "Accounts",
        ("name", "role", "signs in by", "since", "state"),
        ((a.name, a.role, "provider" if a.subject else "password", local(a.created_at),
          "disabled" if a.disabled_at else "") for a in found),
    )  # fmt: skip
    if open_ones:
        table(
            "Sessions",
            ("number", "name", "what", "last used", "ends"),
            ((s.id, s.account.name, s.label, ago(s.seen_at, now), local(s.ends_at)) for s in open_ones),
            right=[0],
        )


@user.command()
def role(name: Name, role: Annotated[Role, typer.Argument(help="Each may do what those before it may.")]) -> None:
    """Say what somebody may do."""
    process = _process()
    with process.engine.begin() as connection:
        account = accounts.find(connection, name)
        accounts.set_role(connection, account, role)
        _note(process, connection, "account.role", account.name, role=role, was=account.role)
    process.close()
    out.print(f"{account.name} may use the console as {role}", markup=False)


@user.command()
def password(name: Name, from_stdin: FromStdin = False) -> None:
    """Give somebody a new password, and sign them out everywhere."""
    from worker.console.passwords import hashed

    process = _process()
    new, shown = _password(from_stdin)
    with process.engine.begin() as connection:
        account = accounts.find(connection, name)
        accounts.set_password(connection, account, hashed(new))
        sessions.end_all(connection, account, process.now())
        _note(process, connection, "account.password", account.name)
    process.close()
    out.print(f"password: {new}" if shown else f"{account.name} has a new password", markup=False)


@user.command()
def revoke(
    name: Name,
    session: Annotated[int | None, typer.Option("--session", help="This one alone, as in `user list`.")] = None,
    disable: Annotated[bool, typer.Option("--disable", help="And let them in no more.")] = False,
    enable: Annotated[bool, typer.Option("--enable", help="Let them in again.")] = False,
) -> None:
    """End somebody's sessions and tokens, at once."""
    process = _process()
    now = process.now()
    with process.engine.begin() as connection:
        account = accounts.find(connection, name)
        if enable:
            accounts.enable(connection, account)
            _note(process, connection, "account.enable", account.name)
        elif session is not None:
            if session not in {each.id for each in sessions.listed(connection, now, account)}:
                raise AccountError(f"{account.name} has no session {session}; `leadgauge user list` names them")
            sessions.end(connection, session, now)
            _note(process, connection, "session.end", str(session), account=account.name)
        else:
            if disable:
                accounts.disable(connection, account, now)
            ended = sessions.end_all(connection, account, now)
            action = "account.disable" if disable else "session.end"
            _note(process, connection, action, account.name, sessions=ended)
    process.close()
    out.print(f"{account.name} may come in again" if enable else f"done: {account.name} is signed out", markup=False)


@user.command()
def token(
    name: Name,
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "a program",
    days: Annotated[int, typer.Option("--days", min=1, max=730, help="How long it lasts.")] = 90,
) -> None:
    """Make a token for the JSON API: whoever has it may do what the account may. Shown once."""
    process = _process()
    now, secret = process.now(), f"lgk_{secrets.token_urlsafe(32)}"
    with process.engine.begin() as connection:
        account = accounts.find(connection, name)
        sessions.begin(connection, account, Kind.TOKEN, secret, label[:120], now, now + timedelta(days=days))
        _note(process, connection, "token.add", account.name, label=label[:120], days=days)
    process.close()
    typer.echo(secret)


def _process() -> Process:
    process = Process(load())
    process.check_schema()
    return process


def _password(from_stdin: bool) -> tuple[str, bool]:
    """A password, and whether we made it up: then it must be shown."""
    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
        if not given:
            raise ConfigurationError("--password-stdin: there was nothing on standard input")
        return given, False
    if sys.stdin.isatty():
        given = typer.prompt("Password (empty: one is made up)", default="", hide_input=True, show_default=False)
        if given:
            if typer.prompt("Once more", hide_input=True) != given:
                raise ConfigurationError("the two are not the same")
            return str(given), False
    return secrets.token_urlsafe(15), True


def _note(process: Process, connection: Connection, action: str, subject: str, **detail: object) -> None:
    audit.note(connection, audit.Entry(process.now(), author(), Via.CLI, action, subject, detail))
