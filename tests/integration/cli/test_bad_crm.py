"""A CRM that cannot be used: a line says what, where and what to do; nothing is lost; the cause gone, all goes on."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.cli.product import Product
from tests.integration.sandbox.sandbox_process import Sandbox

CLOSED = "https://localhost:1"


@dataclass(frozen=True)
class Row:
    """Changes of either source, with those under `auth` apart, and of the environment; what must be said of it."""

    what: str
    says: tuple[str, ...]
    salesforce: dict[str, Any] = field(default_factory=dict)
    hubspot: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    code: int = 3


def token(file: str) -> dict[str, Any]:
    return {"auth": {"type": "token", "token": {"file": file}}}


def key(file: str) -> dict[str, Any]:
    return {"auth": {"type": "jwt_bearer", "consumer_key": "k", "username": "worker", "private_key": {"file": file}}}


KEY_AT, TOKEN_AT = "salesforce, `sources.0.auth.private_key`:", "hubspot, `sources.1.auth.token`:"
ROWS = [
    Row("unreachable", ("salesforce: https://localhost:1: localhost:1 cannot be reached", "check the address",
        "hubspot: https://localhost:1 cannot be reached", "check host"), {"login_url": CLOSED}, {"host": CLOSED}),
    Row("authority unknown", ("salesforce: ", "name the authority in ca_bundle", "hubspot: ", "as ca_bundle"),
        {"ca_bundle": None}, {"ca_bundle": None}),
    Row("no such file of authorities", ("salesforce: ca_bundle /no.pem is no readable PEM file",),
        {"ca_bundle": "/no.pem"}, code=2),
    Row("wrong secrets", ("salesforce: ", "login was refused", "credentials", "hubspot: ", "401",
        "put a valid one in its place; then run the check again"),
        environment={"SECRET_SALESFORCE": "geheim", "SECRET_HUBSPOT": "pat-geheim"}),
    Row("unset variables", ("`sources.0.auth.consumer_secret`: the environment variable SECRET_SALESFORCE is not set",
        f"{TOKEN_AT} the environment variable SECRET_HUBSPOT is not set"),
        environment={"SECRET_SALESFORCE": "", "SECRET_HUBSPOT": ""}, code=2),
    Row("empty files", (f"{KEY_AT} the secret's file empty is empty", f"{TOKEN_AT} the secret's file empty is empty"),
        key("empty"), token("empty"), code=2),
    Row("no files", (f"{KEY_AT} the secret's file nothere cannot be read: No such file",
        f"{TOKEN_AT} the secret's file . cannot be read: Is a directory"), key("nothere"), token("."), code=2),
    Row("files are no text", (f"{KEY_AT} the secret's file binary is not UTF-8",
        f"{TOKEN_AT} the secret's file binary is not UTF-8"),
        key("binary"), token("binary"), code=2),
    Row("key is no key", ("private_key is not an RSA private key in PEM",), key("prose"), {"fields": {"score": "n"}}),
    Row("fields are not there", ("salesforce/Lead.Nope__c: ", "salesforce/Contact.Nope__c: ", "create it",
        "hubspot/contacts.nope: ", "create it with type number"),
        {"fields": {"score": "Nope__c"}}, {"fields": {"score": "nope"}}),
    Row("nobody declared the attribute", ("salesforce: attributes.budgt: no attribute is named 'budgt'", "budget"),
        {"attributes": {"budgt": "Budget__c"}}, code=2),
    Row("nobody is that org", ("`sources` hubspot names the Salesforce org 'acme', which no source is",
        "there are salesforce"), hubspot={"salesforce": "acme"}, code=2),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.what for row in ROWS])
def test_what_is_wrong_is_said_and_nothing_is_lost(row: Row, product: Product) -> None:
    for name, content in (("empty", b""), ("binary", b"\xff\xfe\x00"), ("prose", b"geheim\nword\n")):
        (product.directory / name).write_bytes(content)
    product.hidden.append("geheim")
    config, before = deepcopy(product.config), product.state()
    for source, change in zip(config["sources"], (row.salesforce, row.hubspot), strict=True):
        source |= change
    ended = product.run("sync", "--once", config=config, **row.environment)
    assert ended.code == row.code, ended.said
    assert [part for part in row.says if part not in ended.err] == [], ended.err
    assert ended.out == ""
    assert product.state() == before


def test_a_secret_that_is_missing_stops_its_own_source_only(product: Product) -> None:
    ended = product.run("sync", "--once", "--json", SECRET_HUBSPOT="")
    assert ended.code == 3
    assert ended.err == f"error: {TOKEN_AT} the environment variable SECRET_HUBSPOT is not set\n"
    done = json.loads(ended.out)
    assert done["seen"] > 0
    assert done["problems"].keys() == {"hubspot"}
    status = product.run("status")
    assert status.code == 1
    assert re.search(
        r"^error: needs a person: hubspot, \d+ streams: `sources.1.auth.token`: ", status.err, re.MULTILINE
    )
    assert status.err.count("sources.1.auth.token") == 1, "told once"
    assert "salesforce/" not in status.err
    assert product.run("sync", "--once").code == 0


def test_machines_get_a_document_when_no_source_is_well_too(product: Product) -> None:
    config = deepcopy(product.config)
    for source in config["sources"]:
        source["ca_bundle"] = None
    ended = product.run("sync", "--once", "--json", config=config)
    assert ended.code == 3
    done = json.loads(ended.out)
    assert (done["seen"], done["unproved"]) == (0, 0)
    assert done["problems"].keys() == {"salesforce", "hubspot"}
    assert ended.err.count("as ca_bundle") == 1, "advice is given once"


def test_fields_go_and_come_back(product: Product, practice: Sandbox) -> None:
    lead = {"object": "Lead", "field": "Lead_Score__c"}
    contact = {"object": "contacts", "property": "lead_gauge_score"}
    before = product.state()
    assert practice.call("salesforce", "POST", "/sandbox/schema", lead | {"remove": True}).ok
    assert practice.call("hubspot", "POST", "/sandbox/schema", contact | {"archive": True}).ok
    gone = product.run("sync", "--once")
    assert practice.call("salesforce", "POST", "/sandbox/schema", lead | {"restore": True}).ok
    assert practice.call("hubspot", "POST", "/sandbox/schema", contact | {"restore": True}).ok
    assert gone.code == 3
    # A line for each, in a pipe too, where nobody knows how wide the screen is.
    first, second = gone.err.splitlines()
    assert first.startswith("error: salesforce/Lead.Lead_Score__c: ")
    assert second.startswith("error: hubspot/contacts.lead_gauge_score: ")
    assert all("create it" in line for line in (first, second))
    assert product.state() == before
    back = product.run("sync", "--once")
    assert (back.code, back.err) == (0, "")
    assert product.state()[1:] == before[1:]


def test_a_crm_that_was_never_read_keeps_nobody_of_the_other_waiting(product: Product, database_url: str) -> None:
    config = deepcopy(product.config)
    config["sources"][0]["fields"] = {"score": "Nope__c"}
    first = product.run("sync", "--once", "--json", config=config, LEADGAUGE_DATABASE_URL=database_url)
    assert first.code == 3
    done = json.loads(first.out)
    assert done["sent"] == done["verified"] > 0
    assert done["problems"].keys() == {"salesforce"}
    status = product.run("status", config=config, LEADGAUGE_DATABASE_URL=database_url)
    assert status.code == 1
    assert re.search(r"needs a person: salesforce[^:]*: salesforce/Lead.Nope__c: ", status.err)
