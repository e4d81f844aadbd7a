"""What the commands on policies work at: a goal, the policy in force, and its drafts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection, Engine

from worker.bootstrap import NotReady, Process
from worker.cli.revisions import author
from worker.lifecycle import policy as policies
from worker.lifecycle.policy import Policy, PolicyError
from worker.settings import load
from worker.store import drafts, revisions
from worker.store.drafts import Draft
from worker.store.revisions import EditConflict, Revision

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Goal = Annotated[str | None, typer.Option("--goal", help="Of this goal; left out: of the primary one.")]
Name = Annotated[str, typer.Option("--name", help="Which draft, where there are several.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why, for the history.")]


@dataclass(frozen=True, slots=True)
class Desk:
    """A goal's policies in the database."""

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

    def now(self) -> datetime:
        return self.process.now()

    def current(self, connection: Connection) -> Revision:
        """The policy in force. Raises `NotReady`."""
        current = revisions.current(connection, "policy", self.goal)
        if current is None:
            raise NotReady("the database holds no policy yet: run `leadgauge migrate`")
        return current

    def revision(self, connection: Connection, number: int) -> Revision:
        found = revisions.get(connection, "policy", self.goal, number)
        if found is None:
            raise PolicyError(f"there is no policy {number}; the newest is {self.current(connection).revision}")
        return found

    def publish(self, connection: Connection, policy: Policy, after: int, comment: str) -> Revision:
        """Append a revision after the one named. Raises `EditConflict`."""
        return revisions.publish(
            connection, "policy", self.goal, policy.model_dump(mode="json"),
            after=after, author=author(), comment=comment, now=self.now(),
        )  # fmt: skip

    def draft(self, connection: Connection, name: str) -> Draft:
        found = drafts.get(connection, self.goal, name)
        if found is None:
            raise PolicyError(f"there is no draft {name!r}; begin one with `leadgauge policy draft mql.enter=75`")
        return found

    def drafts(self, connection: Connection) -> Sequence[Draft]:
        return drafts.listed(connection, self.goal)

    def edit(self, connection: Connection, name: str, assignments: Sequence[str], *, rebase: bool) -> Draft:
        """Begin a draft, or change it; with `rebase` its changes are put on the policy in force first."""
        held, current = drafts.get(connection, self.goal, name), self.current(connection)
        if held is None and rebase:
            self.draft(connection, name)
        policy = policies.parse(held.body if held else current.body)
        based_on = held.based_on if held else current.revision
        if held is not None and rebase:
            base = policies.parse(self.revision(connection, held.based_on).body)
            body = _rebased(base.model_dump(mode="json"), held.body, current.body)
            policy, based_on = policies.parse(body), current.revision
        return drafts.save(
            connection, self.goal, name, policies.change(policy, *assignments).model_dump(mode="json"),
            based_on=based_on, version=held.version if held else 0, author=author(), now=self.now(),
        )  # fmt: skip

    def discard(self, connection: Connection, name: str) -> None:
        if not drafts.discard(connection, self.goal, name):
            self.draft(connection, name)

    def refuse_overtaken(self, connection: Connection, draft: Draft, current: Revision) -> None:
        """A draft that was begun from an older policy would undo what was published since, unseen."""
        if draft.based_on == current.revision:
            return
        base = policies.parse(self.revision(connection, draft.based_on).body)
        theirs = ", ".join(policies.differences(base, policies.parse(current.body)))
        raise EditConflict(
            f"draft {draft.name} was begun from policy {draft.based_on}, and {current.author} has published policy "
            f"{current.revision} since, which changes {theirs or 'nothing'}. Put the draft's changes on it with "
            f"`leadgauge policy draft --rebase --name {draft.name}`, look at `leadgauge policy diff`, and publish again"
        )


def _rebased(base: dict[str, object], draft: dict[str, object], current: dict[str, object]) -> dict[str, object]:
    """`current` with what the draft changed; of a part that both changed, the draft's settings."""
    result = dict(current)
    for name, wanted in draft.items():
        was, now = base.get(name), current.get(name)
        if wanted == was:
            continue
        both = isinstance(was, dict) and isinstance(now, dict) and isinstance(wanted, dict)
        result[name] = _rebased(was, wanted, now) if both else wanted  # type: ignore[arg-type]
    for name in base.keys() - draft.keys():
        result.pop(name, None)
    return result


def text_of(file: Path) -> str:
    """Raises `PolicyError` for a file that cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise PolicyError(f"{file} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise PolicyError(f"{file} is not UTF-8 text: byte {problem.start} is wrong") from None
