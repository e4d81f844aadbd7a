"""`leadgauge rules`: check a rule file, publish it, and see what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.bootstrap import NotReady, Process
from worker.cli.revisions import author, show_history
from worker.cli.screen import out
from worker.settings import ConfigurationError, load
from worker.store import revisions

app = typer.Typer(help="The rule file: check, publish, show, history.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The YAML file.")]


@app.command()
def check(file: File) -> None:
    """Say whether a rule file is right; every mistake with its line and what is allowed. Needs no database."""
    process = Process(load())
    rules = process.read_rules(_text(file), str(file))
    out.print(f"{file}: {len(rules.rules)} rules and {len(rules.guardrails)} guardrails, nothing wrong")


@app.command()
def publish(
    file: File, comment: Annotated[str, typer.Option("--comment", "-m", help="Why, for the history.")] = ""
) -> None:
    """Check a rule file and put it in force. Everybody is scored anew under it."""
    process = Process(load())
    process.check_schema()
    text = _text(file)
    process.read_rules(text, str(file))
    with process.engine.begin() as connection:
        current = revisions.current(connection, "rules", process.settings.goal)
        if current is None:
            raise NotReady("the database holds no rules yet: run `leadgauge migrate`")
        if current.body == text:
            out.print(f"rules {current.revision} say so already")
            return
        new = revisions.publish(
            connection, "rules", process.settings.goal, text,
            after=current.revision, author=author(), comment=comment or file.name, now=process.now(),
        )  # fmt: skip
    out.print(f"published rules {new.revision}")


@app.command()
def show() -> None:
    """The rules in force, as they were published."""
    process = Process(load())
    process.check_schema()
    with process.engine.connect() as connection:
        current = revisions.current(connection, "rules", process.settings.goal)
    if current is None:
        raise NotReady("the database holds no rules yet: run `leadgauge migrate`")
    typer.echo(current.body, nl=not current.body.endswith("\n"))


@app.command()
def history(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """All revisions, newest first."""
    process = Process(load())
    process.check_schema()
    with process.engine.connect() as connection:
        show_history("Rules", revisions.history(connection, "rules", process.settings.goal), as_json=as_json)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"{file} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise ConfigurationError(
            f"{file} is not UTF-8 text: byte {problem.start} is {problem.object[problem.start]:#x}"
        ) from None
