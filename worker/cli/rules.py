"""`leadgauge rules`: check a rule file, publish it, and see what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.bootstrap import Process
from worker.cli import replaying
from worker.cli.drafting import AsJson, Desk
from worker.cli.revisions import author, show_history
from worker.cli.screen import out
from worker.settings import ConfigurationError, load
from worker.store import revisions
from worker.store.migrate import NotReady

app = typer.Typer(help="The rule file: check, publish, show, history.", no_args_is_help=True)

Goal = Annotated[str | None, typer.Option("--goal", help="One of `goals`; the primary one if left out.")]
File = Annotated[Path, typer.Argument(help="The YAML file.")]


@app.command()
def check(file: File) -> None:
    """Say whether a rule file is right; every mistake with its line and what is allowed. Needs no database."""
    process = Process(load())
    rules = process.vocabulary.read_rules(_text(file), str(file))
    out.print(f"{file}: {len(rules.rules)} rules and {len(rules.guardrails)} guardrails, nothing wrong")


@app.command()
def publish(
    file: File,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why, for the history.")] = "",
    goal: Goal = None,
) -> None:
    """Check a rule file and put it in force. Everybody is scored anew under it."""
    process, name = _open(goal)
    text = _text(file)
    process.vocabulary.read_rules(text, str(file))
    with process.engine.begin() as connection:
        current = revisions.current(connection, "rules", name)
        if current is not None and current.body == text:
            out.print(f"rules {current.revision} say so already")
            return
        new = revisions.publish(
            connection, "rules", name, text,
            after=current.revision if current else 0, author=author(), comment=comment or file.name, now=process.now(),
        )  # fmt: skip
    out.print(f"published rules {new.revision}{'' if goal is None else f' of goal {name}'}")


@app.command()
def replay(file: File, days: replaying.Days = 90, as_json: AsJson = False, goal: Goal = None) -> None:
    """What a rule file would have done in the last days, beside what is in force: everybody's scores are told again by
    both, and who becomes and who ceases to be marketing qualified, and the writes to the CRM."""
    desk = Desk.open(goal)
    rules = desk.process.vocabulary.read_rules(_text(file), str(file))
    replaying.show(desk, desk.process.goals.drafted(desk.goal, rules=rules), days, file.name, as_json=as_json)


@app.command()
def show(goal: Goal = None) -> None:
    """The rules in force, as they were published."""
    process, name = _open(goal)
    with process.engine.connect() as connection:
        current = revisions.current(connection, "rules", name)
    if current is None:
        raise NotReady(
            "the database holds no rules yet: run `leadgauge migrate`" if name == process.settings.goal
            else f"goal {name} has no rules: a model scores it, once one is promoted, or rules that you publish"
        )  # fmt: skip
    typer.echo(current.body, nl=not current.body.endswith("\n"))


@app.command()
def history(goal: Goal = None, as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """All revisions, newest first."""
    process, name = _open(goal)
    with process.engine.connect() as connection:
        show_history("Rules", revisions.history(connection, "rules", name), as_json=as_json)


def _open(goal: str | None) -> tuple[Process, str]:
    process = Process(load())
    process.check_schema()
    return process, process.settings.goal_named(goal)[0]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"{file} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise ConfigurationError(
            f"{file} is not UTF-8 text: byte {problem.start} is {problem.object[problem.start]:#x}"
        ) from None
