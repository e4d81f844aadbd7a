"""Making the fields of the contract in CRM accounts, as an admin where the configured user is none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from connectors.catalog import SourceSettings
from connectors.errors import CrmError
from connectors.port import BUCKETS, Crm
from connectors.provisioning import Deed, Provisioning, Step
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.source import files
from worker.bootstrap import Process
from worker.embedded import EmbeddedError
from worker.lifecycle.policy import UNSCORED, PolicyError
from worker.settings import ConfigurationError
from worker.store.database import DatabaseError
from worker.store.migrate import NotReady


def provision(process: Process, source: str, *, dry_run: bool, auth: Path | None = None) -> Iterator[Step]:
    """What of the contract a CRM account lacks is made, or named in a dry run. Safe to repeat; nothing is ever taken
    away.

    `auth`: a file with the `auth` of somebody who may change the account's set-up, for this run alone. Raises
    `ConfigurationError`.
    """
    settings = next(its for its in process.settings.sources if its.name == source)
    crm = process.open(settings if auth is None else as_admin(settings, auth))
    try:
        if not isinstance(crm, Provisioning):
            yield Step(source, "fields", Deed.THERE, "its output has the columns that it needs")
            return
        yield from crm.provision(dry_run=dry_run, user=_writer(process, source, crm, auth), buckets=buckets(process))
    finally:
        crm.close()


def _writer(process: Process, source: str, admin: Provisioning, auth: Path | None) -> str | None:
    """The user that writes scores; None where it cannot even log in, so that a person must name it."""
    crm: Provisioning | Crm = admin if auth is None else process.crm(source)
    with suppress(CrmError):
        return crm.user() if isinstance(crm, Provisioning) else None
    return None


def as_admin(settings: SourceSettings, file: Path) -> SourceSettings:
    """A source with the credentials that a file holds in place of its own. Raises `ConfigurationError`."""
    try:
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        what = problem.strerror if isinstance(problem, OSError) else "it is no YAML"
        raise ConfigurationError(f"--auth names {file}, which cannot be read: {what}") from None
    auth = body.get("auth", body) if isinstance(body, Mapping) else body
    try:
        needed = [name for name, field in type(settings).model_fields.items() if field.is_required()]
        given = {name: getattr(settings, name) for name in needed}
        read = type(settings).model_validate({**given, "auth": auth})
    except ValidationError as problem:
        error: Any = problem.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in error["loc"])
        raise ConfigurationError(f"{file}: {place}: {error['msg']}; write an `auth` as under {settings.name}") from None
    return settings.model_copy(update={"auth": getattr(read, "auth", None)})


def buckets(process: Process) -> Sequence[str]:
    """The buckets of the policy in force, the shipped ones as long as there is none."""
    try:
        with process.engine.connect() as connection:
            return [*(bucket.name for bucket in process.goals.policy(connection).buckets), UNSCORED]
    except (NotReady, PolicyError, DatabaseError, EmbeddedError, ConfigurationError, DBAPIError):
        return BUCKETS


def write_source(sources: Collection[SourceSettings], names: Sequence[str], folder: Path) -> Sequence[Path]:
    """The SFDX source of the Salesforce account among these (else of the contract as it is shipped) into a folder;
    returns the files that were not as they are now. Raises `ConfigurationError`."""
    orgs = [its for its in sources if isinstance(its, SalesforceSettings)]
    if len(orgs) > 1:
        raise ConfigurationError(f"--write: say which org with --source; there are {', '.join(o.name for o in orgs)}")
    changed = []
    for path, text in files(orgs[0] if orgs else shipped(), tuple(names)).items():
        file = folder / path
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise ConfigurationError(f"{file} cannot be written: {problem.strerror}") from None
        changed.append(file)
    return changed


def shipped() -> SalesforceSettings:
    """An org with the contract's own names."""
    auth = {"type": "client_credentials", "consumer_key": "none", "consumer_secret": {"env": "NONE"}}
    return SalesforceSettings.model_validate({"kind": "salesforce", "name": "salesforce", "auth": auth})
