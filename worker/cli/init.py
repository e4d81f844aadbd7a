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
    marketo: Annotated[
        str | None, typer.Option("--marketo", help="The instance's REST address, or Munchkin id.")
    ] = None,
    marketo_client: Annotated[str | None, typer.Option(help="The client id of the custom service.")] = None,
    marketo_secret: Annotated[
        str | None, typer.Option(help="Where the client secret lies: env:NAME or file:PATH.")
    ] = None,
    amplitude: Annotated[int | None, typer.Option("--amplitude", help="The number of an Amplitude project.")] = None,
    mixpanel: Annotated[int | None, typer.Option("--mixpanel", help="The number of a Mixpanel project.")] = None,
    mixpanel_user: Annotated[str | None, typer.Option(help="The name of its service account.")] = None,
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
    if marketo is not None:
        instance = {"host": marketo, "client": marketo_client, "secret": marketo_secret}
        given["marketo"] = [*given.get("marketo", ()), _said(instance)]
    if amplitude is not None:
        given["amplitude"] = [*given.get("amplitude", ()), {"project": amplitude}]
    if mixpanel is not None:
        project = {"project": mixpanel, "user": mixpanel_user}
        given["mixpanel"] = [*given.get("mixpanel", ()), _said(project)]
    if files is not None:
        given["files"] = [*given.get("files", ()), {"directory": files}]
    if not given:
        if not sys.stdin.isatty():
            kinds = "--salesforce, --hubspot, --marketo, --amplitude, --mixpanel, --files"
            raise ConfigurationError(f"nobody is there to ask: say {kinds} or --answers")
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
    if typer.confirm("Marketo?", default=False, err=True):
        given["marketo"] = [
            {
                "host": typer.prompt("  REST address (https://123-ABC-456.mktorest.com)", err=True),
                "client": typer.prompt("  client id of the custom service", err=True),
                "secret": typer.prompt("  client secret", default="env:MARKETO_SECRET", err=True),
            }
        ]
    if typer.confirm("Amplitude?", default=False, err=True):
        given["amplitude"] = [
            {
                "project": typer.prompt("  number of the project", type=int, err=True),
                "region": typer.prompt("  us or eu", default="us", err=True),
                "api_key": typer.prompt("  API key", default="env:AMPLITUDE_API_KEY", err=True),
                "secret": typer.prompt("  secret key", default="env:AMPLITUDE_SECRET_KEY", err=True),
            }
        ]
    if typer.confirm("Mixpanel?", default=False, err=True):
        given["mixpanel"] = [
            {
                "project": typer.prompt("  number of the project", type=int, err=True),
                "region": typer.prompt("  us, eu or in", default="us", err=True),
                "user": typer.prompt("  name of the service account", err=True),
                "secret": typer.prompt("  its secret", default="env:MIXPANEL_SECRET", err=True),
                "token": typer.prompt("  token of the project", default="env:MIXPANEL_TOKEN", err=True),
            }
        ]
    if not given:
        given["files"] = [{"directory": typer.prompt("A folder of CSV or Parquet exports", err=True)}]
    given["language"] = typer.prompt("Reasons in which language, en or ru", default="en", err=True)
    return given


def _next(told: Answers) -> None:
    for place in told.places:
        kind, _, where = place.partition(":")
        if kind == "env":
            _say(f"  a secret: set the variable {where}")
        elif not Path(where).is_file():
            _say(f"  a secret: put it into {where}, readable by you alone")
    _say("  then:     leadgauge doctor      looks whether all of it works, and names each fix")
    if told.places:
        _say("            leadgauge provision   makes the score fields (with --auth of an admin)")
    _say("            leadgauge up          reads, scores and writes from then on")


def _say(line: str) -> None:
    out.print(line, markup=False, soft_wrap=True)
