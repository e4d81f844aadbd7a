"""`leadgauge ledger`: every write, how it stands, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_type_hints

import typer

from worker.bootstrap import Process
from worker.cli.pause import known_sources, told
from worker.cli.revisions import author
from worker.cli.screen import Exit, ago, emit, local, note, out, table
from worker.settings import ConfigurationError, load
from worker.store import brakes, entries
from worker.store.entries import UNPROVED, Entry, Figure, Filter
from worker.store.ledger import State

app = typer.Typer(help="Every write to a CRM: how it stands, why, and what to do about it.", no_args_is_help=True)

_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LANES = ("inbound", "refresh", "backfill")

Source = Annotated[list[str] | None, typer.Option("--source", help="A configured CRM account; several times for more.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of rows.", show_default=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options by which a person says which rows are meant."""

    source: Source
    state: Annotated[list[State] | None, typer.Option("--state", help="One of the states; several times for more.")]
    code: Annotated[list[str] | None, typer.Option("--code", help="The vendor's code, or one of ours.")]
    person: Annotated[int | None, typer.Option("--person", help="The number of a person, as `explain` tells it.")]
    record: Annotated[str | None, typer.Option("--record", help="SOURCE/OBJECT/ID, or the id alone.")]
    older: Annotated[str | None, typer.Option("--older", help="Intended at least so long ago: 10min, 12h, 7d, 2w.")]

    def filter(self, process: Process, ids: Sequence[int] | None = None, *, dismissed: bool = False) -> Filter:
        older = None
        if self.older is not None:
            match = re.fullmatch(r"(\d{1,4})(min|h|d|w)", self.older.strip())
            if match is None:
                raise ConfigurationError(f"--older {self.older!r}: write 10min, 12h, 7d or 2w")
            older = int(match[1]) * _UNITS[match[2]]
        return Filter(
            tuple(ids or ()), tuple(known_sources(process, self.source)), tuple(self.state or ()),
            tuple(self.code or ()), self.person, self.record, older, dismissed,
        )  # fmt: skip

    def named(self, process: Process, ids: Sequence[int] | None) -> Filter:
        """A filter that a person has given: nothing at all would be everything."""
        which = self.filter(process, ids, dismissed=True)
        if which == Filter(dismissed=True):
            raise ConfigurationError("name rows by their numbers, or give a filter such as --code or --source")
        return which


def _asking(command: Callable[..., None]) -> Callable[..., None]:
    """The command with those options in place of its parameter `asked`."""
    shared = get_type_hints(Asked, include_extras=True)

    @wraps(command)
    def run(**given: Any) -> None:
        command(asked=Asked(**{name: given.pop(name) for name in shared}), **given)

    own = [its for name, its in signature(command, eval_str=True).parameters.items() if name != "asked"]
    options = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=its) for name, its in shared.items()]
    run.__signature__ = Signature([*own, *options])  # type: ignore[attr-defined]
    return run


@app.command("list")
@_asking
def list_(
    asked: Asked,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most.")] = 50,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Dismissed rows, too.")] = False,
    as_json: Json = False,
) -> None:
    """Rows, the newest first; without any filter those that have not landed. Ends with 1 if one needs a person."""
    process = _process()
    which = asked.filter(process, dismissed=dismissed)
    if which == Filter(dismissed=dismissed):
        which = Filter(states=UNPROVED, dismissed=dismissed)
    now = process.now()
    with process.engine.connect() as connection:
        found, total = entries.find(connection, which, now, limit), entries.count(connection, which, now)
        figures = entries.figures(connection, now - timedelta(days=1))
        stopped = brakes.pauses(connection)
    if as_json:
        emit({"rows": [_plain(entry) for entry in found], "total": total, "last_24_hours": [*map(_figured, figures)]})
    else:
        _show_figures(figures)
        _show(found, total, now)
        for each in stopped:
            note(told(each))
    process.close()
    if any(entry.state in (State.REFUSED, State.DRIFTED, State.PARKED) for entry in found):
        raise typer.Exit(Exit.NOT_WELL)


@app.command()
def show(row: Annotated[int, typer.Argument(help="The number of a row.")], as_json: Json = False) -> None:
    """One row with all that is known of it, and what was written to its record before."""
    process = _process()
    with process.engine.connect() as connection:
        found = entries.find(connection, Filter(ids=[row], dismissed=True), process.now(), 1)
        if not found:
            raise ConfigurationError(f"the ledger has no row {row}; `leadgauge ledger list` names those there are")
        past = [each for each in entries.past(connection, found[0]) if each.id != row]
    if as_json:
        emit(_plain(found[0]) | {"record_before": [_plain(each) for each in past]})
    else:
        _show_one(process, found[0])
        _show(past, len(past), process.now(), "The record's other rows")
    process.close()


@app.command()
def preview(
    source: Source = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Records at most.")] = 20,
    as_json: Json = False,
) -> None:
    """What would be written now, field by field, and what the CRM held when it was last read. Writes nothing."""
    process = _process()
    which = Filter(sources=known_sources(process, source), states=(State.INTENDED,))
    with process.engine.connect() as connection:
        found = entries.find(connection, which, process.now(), limit)
        total = entries.count(connection, which, process.now())
        held = process.held(connection)
    if as_json:
        rows = [
            {"id": each.id, "record": str(each.ref), "cause": each.cause,
             "changes": {name: {"held": was, "would_be": new} for name, (was, new) in each.differences().items()}}
            for each in found
        ]  # fmt: skip
        emit({"total": total, "held_back": list(held), "rows": rows})
    else:
        table(
            f"{total:,} records would be written; {len(found)} of them",
            ("record", "why", "field", "holds", "would be"),
            (
                (str(each.ref) if first else "", each.cause if first else "", name, was, new)
                for each in found
                for first, (name, (was, new)) in _marked(each.differences())
            ),
            text=[4],
        )
        if held:
            note(f"nothing is written to {', '.join(held)}: a dry run or a pause")
    process.close()


@app.command()
@_asking
def retry(asked: Asked, ids: Ids = None) -> None:
    """Write refused, drifted, parked or waiting rows now, once their cause is mended. Name rows, or give a filter."""
    process = _process()
    which = asked.named(process, ids)
    with process.engine.begin() as connection:
        done = entries.retry(connection, which, process.now())
    process.close()
    out.print(f"{done} writes are due now" if done else "no row of that filter can be tried again")


@app.command()
@_asking
def dismiss(
    asked: Asked,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the rows.")],
    ids: Ids = None,
) -> None:
    """Try rows no more and tell of them no more. A newer score of the record is written all the same."""
    process = _process()
    which = asked.named(process, ids)
    with process.engine.begin() as connection:
        try:
            done = entries.dismiss(connection, which, reason, author(), process.now())
        except ValueError as problem:
            raise ConfigurationError(f"--reason: {problem}") from None
    process.close()
    out.print(f"{done} rows dismissed" if done else "no row of that filter can be dismissed")


@app.command()
def figure(
    days: Annotated[int, typer.Option(min=1, max=366, help="How far back.")] = 7,
    as_json: Json = False,
) -> None:
    """Of the writes intended each day (UTC), how many are proved to have landed."""
    process = _process()
    now = process.now()
    with process.engine.connect() as connection:
        since = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
        figures = entries.figures(connection, since)
        left = entries.find(connection, Filter(states=UNPROVED), now, 20)
        total = entries.count(connection, Filter(states=UNPROVED), now)
    process.close()
    if as_json:
        emit({"days": [*map(_figured, figures)], "unproved": total, "newest": [_plain(entry) for entry in left]})
        return
    table(
        "Proved to have landed",
        ("day", "source", "intended", "verified", "unprovable", "dismissed", "share"),
        (
            (f.day, f.source, f"{f.intended:,}", f"{f.verified:,}", f.unprovable or "", f.dismissed or "", _share(f))
            for f in figures
        ),
        right=[2, 3, 4, 5, 6],
    )
    _show(left, total, now)


def _process() -> Process:
    process = Process(load())
    process.check_schema()
    return process


def _marked(items: Any) -> list[tuple[bool, Any]]:
    return [(n == 0, item) for n, item in enumerate(items.items())]


def _share(figure: Figure) -> str:
    """Never rounded up to all; nothing where nothing can be proved."""
    if figure.unprovable and figure.intended == figure.unprovable + figure.dismissed:
        return "-"
    return "100 %" if figure.share == 1 else f"{min(99.99, 100 * figure.share):.2f} %"


def _show_figures(figures: Sequence[Figure]) -> None:
    for source in sorted({each.source for each in figures}):
        its = [each for each in figures if each.source == source]
        summed = ("intended", "verified", "dismissed", "unprovable")
        last = Figure(source, its[0].day, *(sum(getattr(f, n) for f in its) for n in summed))
        out.print(
            f"[bold]{source}[/]  {last.verified:,} of {last.intended:,} writes of the last 24 hours are verified"
            f" ({_share(last)})" + (f", {last.unprovable:,} cannot be: it cannot be asked" if last.unprovable else "")
        )


def _show(found: Sequence[Entry], total: int, now: datetime, title: str = "Rows") -> None:
    if not found:
        out.print(f"{title}: none")
        return
    table(
        title if len(found) == total else f"{title}: {len(found)} of {total:,}",
        ("row", "record", "state", "intended", "tries", "what came of it"),
        (
            (each.id, each.ref, each.state, ago(each.intended_at, now), each.attempts, _came(each, now))
            for each in found
        ),
        right=[0, 4],
        text=[5],
    )


def _came(entry: Entry, now: datetime) -> str:
    said = " ".join(filter(None, (entry.code, entry.answer)))
    if entry.dismissed_at is not None:
        return f"dismissed by {entry.dismissed_by}: {entry.dismissed_why} ({said or 'nothing was said'})"
    if entry.state in (State.INTENDED, State.PARKED, State.REFUSED) and entry.due_at > now:
        return f"{said or entry.cause}; next {ago(entry.due_at, now)}"
    return said or entry.cause


def _show_one(process: Process, entry: Entry) -> None:
    now = process.now()
    page = process.crm(entry.ref.source).location(entry.ref) if entry.ref.source in process.sources else None
    lines = {
        "record": f"{entry.ref}  {page or ''}",
        "person": entry.person_id,
        "state": f"{entry.state}, {entry.attempts} tries, {entry.rounds} rounds against another writer",
        "what came of it": _came(entry, now),
        "changed by": entry.author,
        "why": f"{entry.cause} ({_LANES[entry.lane]})",
        "rules, policy": f"revisions {entry.rules_revision}, {entry.policy_revision}",
        "models": f"champions {entry.champions_revision}" if entry.champions_revision else None,
        "hash": entry.hash,
        "intended": local(entry.intended_at),
        "sent": local(entry.sent_at),
        "accepted": local(entry.accepted_at),
        "closed": local(entry.closed_at),
    }
    for name, value in lines.items():
        if value:
            out.print(f"{name:16} {value}", markup=False, soft_wrap=True)
    table(
        "Values",
        ("field", "meant", "last seen"),
        ((n, v, entry.held.get(n)) for n, v in entry.values.items()),
        text=[1],
    )


def _plain(entry: Entry) -> dict[str, Any]:
    return asdict(entry) | {"ref": None, "record": str(entry.ref), "lane": _LANES[entry.lane]}


def _figured(figure: Figure) -> dict[str, Any]:
    return asdict(figure) | {"share": figure.share}
