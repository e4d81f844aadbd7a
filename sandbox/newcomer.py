"""For trying to set a client up on the practice CRMs: credentials in files, and CRMs that have no score fields yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.companion import Companion
from sandbox.hubspot.catalog import SCORE_GROUP, SCORE_PROPERTIES
from sandbox.hubspot.portal import Portal
from sandbox.salesforce.baseline import ADMIN_USERNAME
from sandbox.salesforce.objects import score_fields
from sandbox.salesforce.org import Org
from sandbox.tls import write_private


def strip(org: Org, portal: Portal) -> None:
    """Take the score fields out of both, as it was before anybody made them."""
    names = {field.name for field in score_fields()}
    for object in ("Lead", "Contact"):
        for name in names & org.schema[object].fields.keys():
            org.drop_field(object, name)
        for layout in org.layouts.of(object):
            del layout.metadata["layoutSections"][1:]
    for name in SCORE_PROPERTIES:
        portal.schemas["contacts"].drop(name)
    portal.schemas["contacts"].groups.pop(SCORE_GROUP, None)


def hand_out(directory: Path, ca: Path, address: Mapping[str, Any], beside: Mapping[str, Companion]) -> None:
    """Write the secrets into files of their own, `answers.yaml` for `leadgauge init --answers`, and `admin.yaml` with
    the credentials of the org's administrator for `leadgauge provision --auth`. All are readable by the owner alone."""
    salesforce, hubspot = address["salesforce"], address["hubspot"]
    secrets = {"salesforce.secret": salesforce["consumer_secret"], "hubspot.token": hubspot["token"]}
    for name, secret in secrets.items():
        write_private(directory / name, secret.encode())
    org = {
        "url": salesforce["login_url"], "key": salesforce["consumer_key"],
        "secret": f"file:{directory / 'salesforce.secret'}", "time_zone": "Europe/Berlin", "ca_bundle": str(ca),
    }  # fmt: skip
    account = {"secret": f"file:{directory / 'hubspot.token'}", "host": hubspot["url"], "ca_bundle": str(ca)}
    admin = {
        "type": "jwt_bearer", "consumer_key": salesforce["consumer_key"], "username": ADMIN_USERNAME,
        "private_key": {"file": salesforce["private_key_file"]},
    }  # fmt: skip
    others = {}
    for name, companion in beside.items():
        place = partial(_placed, directory, name, address[name])
        others[name] = [{**companion.answers(address[name], place), "ca_bundle": str(ca)}]
    write_private(directory / "answers.yaml", _yaml(salesforce=[org], hubspot=[account], **others))
    write_private(directory / "admin.yaml", _yaml(auth=admin))


def _placed(directory: Path, name: str, told: Mapping[str, Any], secret: str) -> str:
    """A secret in a file of its own, and where that lies."""
    path = directory / f"{name}.{secret}"
    write_private(path, str(told[secret]).encode())
    return f"file:{path}"


def _yaml(**body: Any) -> bytes:
    """JSON is YAML; a line for each entry is easier to read."""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in body.items()).encode()
