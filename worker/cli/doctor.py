"""`leadgauge doctor`: everything that a person may have to put right, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from connectors.examination import COUNTED
from connectors.port import Problem
from worker.bootstrap import Process
from worker.cli.pause import known_sources
from worker.cli.screen import Exit, emit, err, error, note, out, table
from worker.settings import ConfigurationError, config_file, load
from worker.setup.checks import problems
from worker.setup.facts import Database, Facts, Redis, Source
from worker.setup.gather import gather

OUTSIDE = frozenset({"database", "redis", "broker", "unreachable", "auth", "quota", "protocol"})
"""Codes of what cannot be used at all, for the exit code."""
WRONG = frozenset({"configuration", "no_source", "secret", "unusable", "same_account"})
"""Codes of what is wrong here, in the configuration."""


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    source: Annotated[list[str] | None, typer.Option("--source", help="Look at this CRM account alone.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 for what is worth knowing, too.")] = False,
) -> None:
    """Look at the configuration, database, Redis, clocks and every CRM; name what is wrong, where, and the fix.

    Changes nothing. Ends with 0 if the work can be done, else with 1, 2 (configuration) or 3 (something outside).
    """
    try:
        process = Process(load())
    except ConfigurationError as wrong:
        _finish(None, _of_configuration(wrong), as_json, strict)
        return
    known_sources(process, source)
    with err.status("looking", spinner="dots") as status:
        facts = gather(process, source or (), lambda what: status.update(f"looking at {what}"))
    process.close()
    _finish(facts, problems(facts), as_json, strict)


def _of_configuration(wrong: ConfigurationError) -> Sequence[Problem]:
    """The settings name place, mistake and what is allowed in each line."""
    where, fix = str(config_file() or "environment"), "correct the setting that the line names"
    return [Problem("configuration", where, line, fix) for line in str(wrong).splitlines()]


def _finish(facts: Facts | None, found: Sequence[Problem], as_json: bool, strict: bool) -> None:
    if as_json:
        emit(_told(facts, found))
    else:
        _show(facts, found)
    fatal = {problem.code for problem in found if problem.fatal}
    if fatal & WRONG:
        raise typer.Exit(Exit.WRONG)
    if fatal & OUTSIDE:
        raise typer.Exit(Exit.UNAVAILABLE)
    if fatal or (strict and found):
        raise typer.Exit(Exit.NOT_WELL)


def _told(facts: Facts | None, found: Sequence[Problem]) -> dict[str, Any]:
    told: dict[str, Any] = {"well": not any(problem.fatal for problem in found)}
    if facts is not None:
        told |= {
            "now": facts.now, "host": asdict(facts.host), "database": _server(facts.database),
            "redis": _server(facts.redis), "sources": {its.name: _source(its) for its in facts.sources},
        }  # fmt: skip
    return told | {"problems": [asdict(problem) for problem in found]}


def _server(its: Database | Redis) -> dict[str, Any]:
    told = asdict(its)
    told["ahead_seconds"] = round(told.pop("ahead").total_seconds(), 3)
    return told


def _source(its: Source) -> dict[str, Any]:
    seen = its.examination
    return {
        "kind": its.kind,
        "account": seen and seen.account,
        "objects": seen and seen.objects,
        "calls": asdict(seen.quota) if seen and seen.quota else None,
        "problems": len(seen.problems) if seen else None,
    }


def _show(facts: Facts | None, found: Sequence[Problem]) -> None:
    if facts is not None:
        table("Leadgauge", ("what", "how it is"), _lines(facts), text=[1])
        out.print()
    found = list(gathered(found))
    for problem in found:
        (error if problem.fatal else note)(f"{problem.where}: {problem.what}; {problem.fix}")
    fatal = sum(problem.fatal for problem in found)
    if not found:
        out.print("[bold green]All is well.[/]")
    elif not fatal:
        out.print(f"The work can be done. Worth knowing: {len(found)}.")
    else:
        out.print(f"To be put right before the work can be done: {fatal}. Worth knowing beside: {len(found) - fatal}.")


def gathered(found: Sequence[Problem]) -> Iterator[Problem]:
    """The score fields that an object lacks in one line: of a new account that is all of them."""
    missing: dict[str, list[str]] = {}
    for problem in found:
        if problem.code == "field_missing":
            object, _, name = problem.where.rpartition(".")
            missing.setdefault(object, []).append(name)
    for problem in found:
        object, _, name = problem.where.rpartition(".")
        names = missing.get(object, ()) if problem.code == "field_missing" else ()
        if len(names) < 3:
            yield problem
        elif name == names[0]:
            what = f"{len(names)} score fields do not exist or are hidden: {', '.join(names)}"
            fix = "run `leadgauge provision`, which grants them, too; or say under `fields` what they are called"
            yield Problem(problem.code, object, what, fix)


def _lines(facts: Facts) -> Iterator[tuple[str, str]]:
    host, database, redis = facts.host, facts.database, facts.redis
    yield "version", f"Leadgauge {host.leadgauge}, Python {host.python}"
    yield "configuration", str(host.config) if host.config else "the environment alone"
    kind = "embedded, " if database.embedded else ""
    if not database.problem:
        version = f"{database.version // 10_000}.{database.version % 10_000}"
        yield "database", f"{kind}PostgreSQL {version}, schema {database.schema}"
    if not redis.problem:
        kind = "embedded, " if redis.embedded else ""
        version = ".".join(map(str, redis.version))
        yield "redis", f"{kind}{redis.kind} {version}, {redis.eviction or 'eviction unknown'}"
    for its in facts.sources:
        if its.examination is not None:
            yield its.name, "; ".join(filter(None, _parts(its)))


def _parts(its: Source) -> Iterator[str]:
    seen = its.examination
    assert seen is not None
    yield seen.account or its.kind
    if seen.quota:
        yield f"{max(0, seen.quota.limit - seen.quota.used):,} of {seen.quota.limit:,} calls left"
    yield ", ".join(f"{_count(count)} {object}" for object, count in seen.objects.items())


def _count(count: int | None) -> str:
    if count is None:
        return "uncounted"
    return f"{count:,}+" if count >= COUNTED else f"{count:,}"
