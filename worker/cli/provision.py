"""`leadgauge provision`: make the score fields in the CRMs, and say what was done and what is left to a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connectors.port import BUCKETS
from connectors.provisioning import Deed, Step
from worker.bootstrap import Process
from worker.cli.pause import known_sources
from worker.cli.screen import Exit, emit, err, error, note, out, table
from worker.settings import ConfigurationError, load
from worker.setup import provision as making

Told = Sequence[tuple[str, Step]]


def add_to(app: typer.Typer) -> None:
    app.command()(provision)


def provision(
    source: Annotated[list[str] | None, typer.Option("--source", help="Only this CRM account.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look, and make nothing.")] = False,
    auth: Annotated[
        Path | None, typer.Option("--auth", help="A YAML file with the `auth` of an admin, for this run alone.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write SFDX source for the Salesforce CLI here, and call nobody.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Make the score fields, permission sets and views in the CRMs. Only adds; safe to repeat.

    Needs more rights than the integration user should have: give those of an admin with --auth.
    """
    process = Process(load())
    names = known_sources(process, source) or process.sources
    if write is not None:
        _write(process, names, write)
        return
    if not names:
        raise ConfigurationError("no CRM is configured: run `leadgauge init`, or add one under `sources`")
    if auth is not None and len(names) > 1:
        raise ConfigurationError("--auth: say whose it is with --source")
    steps: list[tuple[str, Step]] = []
    with err.status("looking", spinner="dots") as status:
        for name in names:
            for step in making.provision(process, name, dry_run=dry_run, auth=auth):
                steps.append((name, step))
                status.update(f"{name}: {step.what}")
    process.close()
    if as_json:
        emit([{"source": name} | asdict(step) for name, step in steps])
    else:
        _show(steps)
    if any(step.deed is Deed.FAILED for _, step in steps):
        raise typer.Exit(Exit.NOT_WELL)


def _write(process: Process, names: Sequence[str], folder: Path) -> None:
    sources = [its for its in process.settings.sources if its.name in names]
    changed = making.write_source(sources, making.buckets(process) if sources else BUCKETS, folder)
    process.close()
    for file in changed:
        out.print(str(file), markup=False, soft_wrap=True)
    out.print(f"{len(changed)} files written" if changed else "all files are as they should be")


def _show(steps: Told) -> None:
    shown = [(name, step) for name, step in steps if step.deed in (Deed.MADE, Deed.WOULD)]
    if shown:
        table(
            "Made" if shown[0][1].deed is Deed.MADE else "Would be made",
            ("source", "where", "what", "note"),
            ((name, step.where, step.what, step.note) for name, step in shown),
            text=[2, 3],
        )
        out.print()
    for name, step in steps:
        if step.deed is Deed.BY_HAND:
            note(f"by hand, {name}, {step.where}: {step.what}. {step.note}")
        elif step.deed is Deed.FAILED:
            error(f"{name}, {step.where}, {step.what}: {step.note}")
    counted = Counter(step.deed for _, step in steps)
    out.print(", ".join(f"{counted[deed]} {deed}" for deed in Deed if counted[deed]))
