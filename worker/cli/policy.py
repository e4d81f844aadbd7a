"""`leadgauge policy`: the thresholds that decide, as revisions with author and time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from worker.bootstrap import NotReady, Process
from worker.cli.revisions import author, show_history
from worker.cli.screen import emit, local, out
from worker.lifecycle import policy as policies
from worker.lifecycle.policy import Policy, PolicyError
from worker.settings import load
from worker.store import models, revisions
from worker.store.revisions import Revision
from worker.training import registry

app = typer.Typer(help="The thresholds that decide: show, set, history, revert, scale.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def show(as_json: AsJson = False) -> None:
    """The policy in force."""
    process = _open()
    with process.engine.connect() as connection:
        current = _current(process, connection)
    if as_json:
        emit({"revision": current.revision, "author": current.author, "at": current.created_at, "body": current.body})
        return
    out.print(f"Policy {current.revision} of goal {current.goal}, {local(current.created_at)} by {current.author}")
    policy = policies.parse(current.body)
    for name in policies.settings(policy):
        out.print(f"  {name} = {_value(policy, name)}")


@app.command("set")
def set_(
    assignments: Annotated[
        list[str],
        typer.Argument(metavar="SETTING=VALUE", help="As in mql.enter=75; `policy show` lists the settings."),
    ],
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why, for the history.")] = "",
) -> None:
    """Publish a new revision with some settings changed. Everybody is scored anew under it."""
    process = _open()
    with process.engine.begin() as connection:
        current = _current(process, connection)
        policy = policies.parse(current.body)
        for assignment in assignments:
            policy = policies.change(policy, assignment)
        if policy == policies.parse(current.body):
            out.print(f"policy {current.revision} says so already")
            return
        new = _publish(process, connection, policy, current.revision, comment or ", ".join(assignments))
    out.print(f"published policy {new.revision}")


@app.command()
def history(as_json: AsJson = False) -> None:
    """All revisions, newest first."""
    process = _open()
    with process.engine.connect() as connection:
        show_history("Policy", revisions.history(connection, "policy", process.settings.goal), as_json=as_json)


@app.command()
def revert(
    revision: Annotated[int, typer.Argument(help="The revision whose settings shall be in force again.")],
) -> None:
    """Publish an old revision's settings as a new revision."""
    process = _open()
    with process.engine.begin() as connection:
        current = _current(process, connection)
        old = revisions.get(connection, "policy", process.settings.goal, revision)
        if old is None:
            raise PolicyError(f"there is no policy {revision}; the newest is {current.revision}")
        policy = policies.parse(old.body)
        new = _publish(process, connection, policy, current.revision, f"revert to {revision}")
    out.print(f"published policy {new.revision}, with the settings of {revision}")


@app.command()
def scale(
    model: Annotated[
        int | None, typer.Option("--model", help="By this one's odds; left out: by those of the champion.")
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Put it in force. Everybody is scored anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Propose the scale on which 50 is the median lead and about one in twenty is hot."""
    process = _open()
    goal, now = process.settings.goal, process.now()
    with process.engine.begin() as connection:
        number = model if model is not None else models.champions(connection, goal)[1].get("")
        if number is None:
            raise PolicyError("no model scores, so there are no odds to put on a scale; name one with --model")
        held = policies.parse(_current(process, connection).body).scale
        proposed = registry.proposed_scale(connection, goal, number)
        if proposed is None:
            raise PolicyError(f"model {number} tells the leads too little apart for a scale of their odds")
        comment = f"scale of model {number}"
        published = publish and registry.publish_scale(connection, goal, proposed, author(), comment, now)
    if as_json:
        emit({"model": number, "held": held.model_dump(), "proposed": asdict(proposed), "published": published or None})
        return
    out.print(f"now       {held.reference_odds:g} odds are 50 points, {held.pdo:g} more points double them")
    out.print(f"proposed  {proposed.reference_odds:g} odds are 50 points, {proposed.pdo:g} more points double them")
    if published:
        out.print(f"published policy {published}")
    else:
        out.print("--publish puts it in force; every score changes with it, and 70 comes to mean other odds")


def _open() -> Process:
    process = Process(load())
    process.check_schema()
    return process


def _current(process: Process, connection: Connection) -> Revision:
    current = revisions.current(connection, "policy", process.settings.goal)
    if current is None:
        raise NotReady("the database holds no policy yet: run `leadgauge migrate`")
    return current


def _publish(process: Process, connection: Connection, policy: Policy, after: int, comment: str) -> Revision:
    return revisions.publish(
        connection, "policy", process.settings.goal, policy.model_dump(mode="json"),
        after=after, author=author(), comment=comment, now=process.now(),
    )  # fmt: skip


def _value(policy: Policy, name: str) -> Any:
    value: Any = policy.model_dump(mode="json")
    for part in name.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value
