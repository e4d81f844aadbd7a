"""What the commands on policies work at: a goal, who types, and the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from worker.bootstrap import Process
from worker.cli import revisions
from worker.lifecycle.policy import PolicyError
from worker.settings import load
from worker.steering.policies import Agree

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Goal = Annotated[str | None, typer.Option("--goal", help="Of this goal; left out: of the primary one.")]
Name = Annotated[str, typer.Option("--name", help="Which draft, where there are several.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why, for the history.")]


@dataclass(frozen=True, slots=True)
class Desk:
    """A goal's policies, by whoever is at the keyboard."""

    process: Process
    goal: str

    @classmethod
    def open(cls, goal: str | None) -> Desk:
        process = Process(load())
        name, _ = process.settings.goal_named(goal)
        process.check_schema()
        return cls(process, name)

    @property
    def engine(self) -> Engine:
        return self.process.engine

    @property
    def author(self) -> str:
        return revisions.author()

    @property
    def agree(self) -> Agree:
        """What is asked before a policy is put in force."""
        return self.process.agree

    def now(self) -> datetime:
        return self.process.now()


def text_of(file: Path) -> str:
    """Raises `PolicyError` for a file that cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise PolicyError(f"{file} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise PolicyError(f"{file} is not UTF-8 text: byte {problem.start} is wrong") from None
