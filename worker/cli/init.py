"""`leadgauge init`: a commented configuration out of a few answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.screen import err, out
from worker.settings import ConfigurationError
from worker.setup.answers import Answers
from worker.setup.init import answered, read_answers, write


def add_to(app: typer.Typer) -> None:
    app.command()(init)


def init(
    file: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("leadgauge.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="A YAML file of answers, for several accounts.")
    ] = None,
    salesforce: Annotated[str | None, typer.Option("--salesforce", help="The org's My Domain address.")] = None,
    salesforce_key: Annotated[str | None, typer.Option(help="The consumer key of the External Client App.")] = None,
    salesforce_user: Annotated[str | None, typer.Option(help="The integration user's name, for JWT and a key.")] = None,
    salesforce_secret: Annotated[
        str | None, typer.Option(help="Where secret or private key lie: env:NAME, file:PATH.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="The org's time zone, as in Europe/Berlin.")] = None,
    hubspot: Annotated[bool, typer.Option("--hubspot", help="There is a HubSpot account.")] = False,
    hubspot_secret: Annotated[str | None, typer.Option(help="Where its token lies: env:NAME or file:PATH.")] = None,
    files: Annotated[Path | None, typer.Option("--files", help="A folder of exports, to try without a CRM.")] = None,
    language: Annotated[str | None, typer.Option(help="What reasons are said in: en or ru.")] = None,
) -> None:
    """Write a configuration from options, from a file, or by asking. It names where secrets lie and never holds one."""
    given: dict[str, Any] = dict(read_answers(answers)) if answers is not None else {}
    if salesforce is not None:
        org = {"url": salesforce, "key": salesforce_key, "user": salesforce_user, "secret": salesforce_secret,
               "time_zone": time_zone}  # fmt: skip
        given["salesforce"] = [*given.get("salesforce", ()), _said(org)]
    if hubspot or hubspot_secret is not None:
        given["hubspot"] = [*given.get("hubspot", ()), _said({"secret": hubspot_secret})]
    if files is not None:
        given["files"] = [*given.get("files", ()), {"directory": files}]
    if not given:
        if not sys.stdin.isatty():
            raise ConfigurationError("nobody is there to ask: say --salesforce, --hubspot, --files or --answers")
        given = _asked()
    if language is not None:
        given["language"] = language
    told = answered(given)
    write(told, file, force=force)
    out.print(f"wrote {file}", markup=False)
    _next(told)


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was not said: for that there are defaults, or a line that it is missing."""
    return {name: value for name, value in options.items() if value is not None}


def _asked() -> dict[str, Any]:
    """The answers of a person at a terminal. Secrets are not asked for, only where they lie."""
    given: dict[str, Any] = {}
    err.print("Which CRMs? Return takes what stands in brackets. Secrets are not asked for, only where they lie.")
    if typer.confirm("Salesforce?", default=True, err=True):
        org: dict[str, Any] = {
            "url": typer.prompt("  My Domain address (https://acme.my.salesforce.com)", err=True),
            "key": typer.prompt("  consumer key of the External Client App", err=True),
        }
        if typer.confirm("  by JWT and a private key (else by client credentials)?", default=False, err=True):
            org["user"] = typer.prompt("  name of the integration user", err=True)
            org["secret"] = typer.prompt("  private key", default="file:salesforce.key", err=True)
        else:
            org["secret"] = typer.prompt("  consumer secret", default="env:SALESFORCE_SECRET", err=True)
        org["time_zone"] = typer.prompt("  time zone of the org", default="UTC", err=True)
        given["salesforce"] = [org]
    if typer.confirm("HubSpot?", default=not given, err=True):
        account = {
            "secret": typer.prompt("  service key or token", default="env:HUBSPOT_TOKEN", err=True),
            "starter": typer.confirm("  Free or Starter?", default=False, err=True),
        }
        given["hubspot"] = [account]
    if not given:
        given["files"] = [{"directory": typer.prompt("A folder of CSV or Parquet exports", err=True)}]
    given["language"] = typer.prompt("Reasons in which language, en or ru", default="en", err=True)
    return given


def _next(told: Answers) -> None:
    places = [*(its.secret for its in told.salesforce), *(its.secret for its in told.hubspot)]
    for place in places:
        kind, _, where = place.partition(":")
        if kind == "env":
            _say(f"  a secret: set the variable {where}")
        elif not Path(where).is_file():
            _say(f"  a secret: put it into {where}, readable by you alone")
    _say("  then:     leadgauge doctor      looks whether all of it works, and names each fix")
    if places:
        _say("            leadgauge provision   makes the score fields (with --auth of an admin)")
    _say("            leadgauge up          reads, scores and writes from then on")


def _say(line: str) -> None:
    out.print(line, markup=False, soft_wrap=True)
