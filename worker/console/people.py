"""Access: who may use the console, who is signed in, and one's own password."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import Response

from worker.console import passwords
from worker.console.desk import Administering, Desk, Viewing
from worker.console.going import back
from worker.console.visitor import NotAllowed
from worker.store import accounts, sessions
from worker.store.accounts import AccountError, Role

pages, api = APIRouter(), APIRouter(tags=["access"])

Name = Annotated[str, Form(min_length=1, max_length=200)]


@pages.get("/access")
def page(desk: Viewing, changed: bool = False) -> Response:
    own = desk.who.session.account if desk.who.session else None
    admin = desk.who.role is Role.ADMIN
    with desk.engine.connect() as connection:
        everybody = accounts.listed(connection) if admin else ()
        open_ones = sessions.listed(connection, desk.now(), None if admin else own) if admin or own else ()
    return desk.render(
        "access.html", own=own, accounts=everybody, sessions=open_ones, roles_all=list(Role), admin=admin,
        changed=changed, shortest=passwords.SHORTEST,
    )  # fmt: skip


@pages.post("/access/password")
def password(
    desk: Viewing, old: Annotated[str, Form(max_length=2000)], new: Annotated[str, Form(max_length=2000)]
) -> Response:
    """One's own. Whoever else is signed in as oneself is not any more."""
    session = desk.who.session
    if session is None:
        raise NotAllowed("nobody is signed in, so there is no password to change")
    with desk.engine.connect() as connection:
        held = accounts.named(connection, session.account.name)
    if held is None or not passwords.right(old, held.password):
        raise AccountError("the old password is not right")
    kept = passwords.hashed(new)
    with desk.engine.begin() as connection:
        accounts.set_password(connection, session.account, kept)
        sessions.end_all(connection, session.account, desk.now(), but=session.id)
        desk.note(connection, "account.password", session.account.name)
    return back(desk, "/access?changed=1")


@pages.post("/access/sessions/end")
def end(desk: Viewing, session: Annotated[int, Form()]) -> Response:
    """One's own, or as an admin anybody's."""
    with desk.engine.begin() as connection:
        own = desk.who.session.account if desk.who.session else None
        mine = {each.id for each in sessions.listed(connection, desk.now(), own)} if own else set()
        if desk.who.role is not Role.ADMIN and session not in mine:
            raise NotAllowed("this session is somebody else's")
        sessions.end(connection, session, desk.now())
        desk.note(connection, "session.end", str(session))
    return back(desk, "/access")


@pages.post("/access/role")
def role(desk: Administering, name: Name, role: Annotated[Role, Form()]) -> Response:
    _set_role(desk, name, role)
    return back(desk, "/access")


@pages.post("/access/disable")
def disable(desk: Administering, name: Name) -> Response:
    _disable(desk, name)
    return back(desk, "/access")


@pages.post("/access/enable")
def enable(desk: Administering, name: Name) -> Response:
    with desk.engine.begin() as connection:
        account = accounts.find(connection, name)
        accounts.enable(connection, account)
        desk.note(connection, "account.enable", account.name)
    return back(desk, "/access")


@api.get("/me", summary="Who you are, and what you may do")
def me(desk: Viewing) -> dict[str, Any]:
    return {"name": desk.who.name, "role": desk.who.role, "via": desk.who.via}


@api.get("/accounts", summary="Who may use the console")
def listed(desk: Administering) -> list[dict[str, Any]]:
    with desk.engine.connect() as connection:
        return [asdict(account) for account in accounts.listed(connection)]


@api.put("/accounts/{name}/role", summary="Say what somebody may do", status_code=204)
def put_role(desk: Administering, name: str, role: Role) -> None:
    _set_role(desk, name, role)


@api.delete("/accounts/{name}", summary="Disable an account and end its sessions", status_code=204)
def delete(desk: Administering, name: str) -> None:
    _disable(desk, name)


def _set_role(desk: Desk, name: str, role: Role) -> None:
    with desk.engine.begin() as connection:
        account = accounts.find(connection, name)
        accounts.set_role(connection, account, role)
        desk.note(connection, "account.role", account.name, role=role, was=account.role)


def _disable(desk: Desk, name: str) -> None:
    with desk.engine.begin() as connection:
        account = accounts.find(connection, name)
        accounts.disable(connection, account, desk.now())
        sessions.end_all(connection, account, desk.now())
        desk.note(connection, "account.disable", account.name)
