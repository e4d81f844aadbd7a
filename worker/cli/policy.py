"""`leadgauge policy`: the thresholds that decide, as revisions with author and time."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli import drafting, rescoring, whatif
from worker.cli.drafting import AsJson, Comment, Desk, Goal
from worker.cli.revisions import show_history
from worker.cli.screen import emit, local, note, out, table
from worker.lifecycle.document import read, write
from worker.lifecycle.policy import Policy, PolicyError, parse, settings
from worker.steering import policies
from worker.steering.policies import Changes, Published
from worker.store import models, stages
from worker.training import registry

app = typer.Typer(
    help="The thresholds that decide: show, set, draft, diff, capacity, replay, publish, history, revert, scale.",
    no_args_is_help=True,
)

whatif.add_to(app)

Watch = Annotated[bool, typer.Option("--watch", help="Stay until everybody is scored by it, and show how far it is.")]

Assignments = Annotated[
    list[str], typer.Argument(metavar="SETTING=VALUE", help="As in mql.enter=75; `policy show` lists the settings.")
]


@app.command()
def show(
    name: Annotated[str | None, typer.Option("--draft", help="This draft instead of what is in force.")] = None,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As a file that `policy publish` reads.")] = False,
    as_json: AsJson = False,
    goal: Goal = None,
) -> None:
    """The policy in force."""
    desk = Desk.open(goal)
    with desk.engine.connect() as connection:
        current = policies.current(connection, desk.goal)
        body = policies.draft(connection, desk.goal, name).body if name else current.body
        policy = parse(body)
        unheard = stages.unheard(connection, policy)
    if as_yaml:
        typer.echo(write(policy), nl=False)
        return
    if as_json:
        emit({"revision": current.revision, "author": current.author, "at": current.created_at, "body": body})
        return
    what = f"Draft {name}" if name else f"Policy {current.revision}"
    out.print(f"{what} of goal {current.goal}, {local(current.created_at)} by {current.author}")
    shipped = settings(Policy())
    for setting, value in settings(policy).items():
        was = "" if shipped.get(setting) == value else f"   (shipped: {_said(shipped.get(setting))})"
        out.print(f"  {setting} = {_said(value)}{was}", markup=False, soft_wrap=True)
    if unheard:
        note(f"statuses in the CRM that move nobody, as no list under `sales` has them: {', '.join(unheard)}")


@app.command("set")
def set_(assignments: Assignments, comment: Comment = "", watch: Watch = False, goal: Goal = None) -> None:
    """Publish a new revision with some settings changed. Everybody is scored anew under it."""
    desk = Desk.open(goal)
    with desk.engine.begin() as connection:
        done = policies.assign(connection, desk.goal, assignments, desk.author, comment, desk.now(), desk.agree)
    _tell(done)
    _follow(desk, done, watch=watch)


@app.command()
def draft(
    assignments: Annotated[
        list[str] | None, typer.Argument(metavar="SETTING=VALUE", help="As for `set`; left out: the drafts there are.")
    ] = None,
    name: drafting.Name = "draft",
    rebase: Annotated[bool, typer.Option("--rebase", help="Put its changes on the policy now in force.")] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Throw it away.")] = False,
    goal: Goal = None,
) -> None:
    """Prepare a policy without putting it in force: begin or edit a draft. `policy diff` and `policy replay` show what
    it would do, `policy publish` puts it in force."""
    desk = Desk.open(goal)
    if discard:
        with desk.engine.begin() as connection:
            policies.discard(connection, desk.goal, name)
        out.print(f"discarded draft {name}")
    elif assignments or rebase:
        who, now = desk.author, desk.now()
        with desk.engine.begin() as connection:
            if rebase:
                edited = policies.rebase(connection, desk.goal, name, who, now)
            if assignments:
                edited = policies.edit(connection, desk.goal, name, assignments, who, now)
        out.print(f"draft {name}, begun from policy {edited.based_on}: `leadgauge policy diff` shows what it changes")
    else:
        with desk.engine.connect() as connection:
            drafts = policies.drafts(connection, desk.goal)
        table(
            "Drafts",
            ("name", "begun from", "edited", "author"),
            [(d.name, f"policy {d.based_on}", local(d.updated_at), d.author) for d in drafts],
        )


@app.command()
def diff(
    revision: Annotated[int | None, typer.Argument(help="A revision to compare with; left out: the draft.")] = None,
    name: drafting.Name = "draft",
    as_json: AsJson = False,
    goal: Goal = None,
) -> None:
    """What a draft, or an older revision, says otherwise than the policy in force."""
    desk = Desk.open(goal)
    with desk.engine.connect() as connection:
        current = policies.current(connection, desk.goal)
        if revision is None:
            body = policies.draft(connection, desk.goal, name).body
        else:
            body = policies.revision(connection, desk.goal, revision).body
    changed = policies.difference(current.body, body)
    other = f"draft {name}" if revision is None else f"policy {revision}"
    if as_json:
        emit({"revision": current.revision, "other": other, "changed": changed})
        return
    _show_changes(changed, f"policy {current.revision}", other)


@app.command()
def publish(
    file: Annotated[Path | None, typer.Argument(help="A YAML file; left out: the draft.")] = None,
    comment: Comment = "",
    name: drafting.Name = "draft",
    watch: Watch = False,
    goal: Goal = None,
) -> None:
    """Put a draft, or what a file says, in force. What a file does not mention stays. Everybody is scored anew."""
    desk = Desk.open(goal)
    who, now = desk.author, desk.now()
    with desk.engine.begin() as connection:
        if file is not None:
            held = policies.current(connection, desk.goal)
            known = desk.process.vocabulary.catalogue.attributes
            policy = read(drafting.text_of(file), str(file), parse(held.body), known)
            why = comment or file.name
            done = policies.publish(connection, desk.goal, policy, held.revision, who, why, now, desk.agree)
        else:
            done = policies.publish_draft(connection, desk.goal, name, who, comment, now, desk.agree)
    _tell(done)
    if done.changes:
        _show_changes(done.changes, f"policy {done.revision.revision - 1}", f"policy {done.revision.revision}")
    _follow(desk, done, watch=watch)


@app.command()
def history(as_json: AsJson = False, goal: Goal = None) -> None:
    """All revisions, newest first."""
    desk = Desk.open(goal)
    with desk.engine.connect() as connection:
        show_history("Policy", policies.history(connection, desk.goal), as_json=as_json)


@app.command()
def revert(
    revision: Annotated[int, typer.Argument(help="The revision whose settings shall be in force again.")],
    watch: Watch = False,
    goal: Goal = None,
) -> None:
    """Publish an old revision's settings as a new revision."""
    desk = Desk.open(goal)
    with desk.engine.begin() as connection:
        done = policies.revert(connection, desk.goal, revision, desk.author, desk.now(), desk.agree)
    _tell(done, f", with the settings of {revision}")
    _follow(desk, done, watch=watch)


def _tell(done: Published, how: str = "") -> None:
    number = done.revision.revision
    out.print(f"published policy {number}{how}" if done.changes else f"policy {number} says so already")


def _follow(desk: Desk, done: Published, *, watch: bool) -> None:
    """Stay until everybody is scored by what was published."""
    if watch and done.changes:
        with desk.engine.connect() as connection:
            scale = desk.process.goals.scale(connection, desk.goal)
        rescoring.follow(desk.engine, scale, desk.now)


@app.command()
def scale(
    model: Annotated[
        int | None, typer.Option("--model", help="By this one's odds; left out: by those of the champion.")
    ] = None,
    put: Annotated[bool, typer.Option("--publish", help="Put it in force. Everybody is scored anew.")] = False,
    as_json: AsJson = False,
    goal: Goal = None,
) -> None:
    """Propose the scale on which 50 is the median lead and about one in twenty is hot."""
    desk = Desk.open(goal)
    with desk.engine.begin() as connection:
        number = model if model is not None else models.champions(connection, desk.goal)[1].get("")
        if number is None:
            raise PolicyError("no model scores, so there are no odds to put on a scale; name one with --model")
        held = parse(policies.current(connection, desk.goal).body).scale
        proposed = registry.proposed_scale(connection, desk.goal, number)
        if proposed is None:
            raise PolicyError(f"model {number} tells the leads too little apart for a scale of their odds")
        comment = f"scale of model {number}"
        published = put and registry.publish_scale(connection, desk.goal, proposed, desk.author, comment, desk.now())
    if as_json:
        emit({"model": number, "held": held.model_dump(), "proposed": asdict(proposed), "published": published or None})
        return
    out.print(f"now       {held.reference_odds:g} odds are 50 points, {held.pdo:g} more points double them")
    out.print(f"proposed  {proposed.reference_odds:g} odds are 50 points, {proposed.pdo:g} more points double them")
    if published:
        out.print(f"published policy {published}")
    else:
        out.print("--publish puts it in force; every score changes with it, and 70 comes to mean other odds")


def _show_changes(changed: Changes, one: str, other: str) -> None:
    if not changed:
        out.print(f"{other} says the same as {one}")
        return
    table(
        "",
        ("setting", one, other),
        [(setting, _said(was), _said(now)) for setting, (was, now) in changed.items()],
        text=[1, 2],
    )


def _said(value: Any) -> str:
    """A setting as `set` takes it."""
    match value:
        case None:
            return "-"
        case str():
            return value
        case list() if all(isinstance(item, str) for item in value):
            return ",".join(value)
    return json.dumps(value)
