"""Faults planted in real accounts, databases and files: the doctor finds each, says where it is and names the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from connectors.port import Problem
from sandbox.salesforce.access import Sharing
from tests.contract.connectors.hubspot_site import TOKEN
from tests.contract.connectors.practice import Host
from tests.integration.setup.bench import HUBSPOT, Bench, bench
from worker import embedded
from worker.settings import ConfigurationError
from worker.store import brakes


@dataclass(frozen=True)
class Fault:
    """How to plant it, and what must be found: the problem's code, its place, words of its fix."""

    what: str
    code: str
    where: str
    fix: str
    plant: Callable[[Bench], object]
    fatal: bool = True


def field(object: str, name: str, **changes: object) -> Callable[[Bench], object]:
    """An admin changes the definition of a field."""

    def plant(its: Bench) -> None:
        sobject = its.org.org.schema[object]
        its.org.org.add_field(object, replace(sobject.fields[name], **changes))  # type: ignore[arg-type]

    return plant


def access(kind: str, name: str) -> Callable[[Bench], object]:
    return lambda its: getattr(its.org.org.access, kind).add(name)


def allow(permission: str) -> Callable[[Bench], object]:
    def plant(its: Bench) -> None:
        (rights,) = its.org.org.rows("UserPermissionAccess")
        its.org.org.update("UserPermissionAccess", rights["Id"], {permission: True})

    return plant


def crowd(its: Bench) -> None:
    """Contacts that others own, and that are theirs alone."""
    for _ in range(8):
        its.org.contact()
    its.org.org.access.sharing["Contact"] = Sharing.PRIVATE


def bare(its: Bench) -> None:
    for layout in its.org.org.layouts.of("Contact"):
        layout.metadata["layoutSections"] = layout.metadata["layoutSections"][:1]


def definition(name: str, **changes: object) -> Callable[[Bench], object]:
    def plant(its: Bench) -> None:
        schema = its.portal.portal.schemas["contacts"]
        held = schema.get(name)
        assert held is not None
        schema.put(replace(held, **changes))  # type: ignore[arg-type]

    return plant


def scopes(*, more: Sequence[str] = (), less: Sequence[str] = ()) -> Callable[[Bench], object]:
    return lambda its: its.tokens.update({TOKEN: its.tokens[TOKEN].union(more).difference(less)})


def salesforce(**changes: object) -> Callable[[Bench], object]:
    return lambda its: its.salesforce.update(changes)


def hubspot(**changes: object) -> Callable[[Bench], object]:
    return lambda its: its.hubspot.update(changes)


IN_SALESFORCE = [
    Fault("a field is hidden", "field_missing", "sf/Lead.Lead_Score__c", "leadgauge provision",
          access("hidden", "Lead.Lead_Score__c")),
    Fault("a field cannot be edited", "field_read_only", "sf/Contact.Lead_Score_Action__c", "grant edit access",
          access("read_only", "Contact.Lead_Score_Action__c")),
    Fault("a field of another type", "field_type", "sf/Lead.Title", "of type datetime",
          salesforce(fields={"mql_date": "Title"})),
    Fault("a short text", "field_short", "sf/Lead.Lead_Score_Reasons__c", "widen it to 255",
          field("Lead", "Lead_Score_Reasons__c", length=40), fatal=False),
    Fault("a short number", "field_short", "sf/Lead.Lead_Score_Probability__c", "100 needs 3",
          field("Lead", "Lead_Score_Probability__c", precision=3)),
    Fault("a picklist without a value", "picklist_value_missing", "sf/Lead.Lead_Score_Bucket__c", "add the values",
          field("Lead", "Lead_Score_Bucket__c", values=("warm", "nurture", "cold", "unscored"))),
    Fault("on no layout", "off_layout", "sf/Contact", "leadgauge provision", bare, fatal=False),
    Fault("records that sharing keeps from edits", "records_read_only", "sf/Lead", "sharing rule",
          lambda its: its.org.org.access.sharing.update({"Lead": Sharing.READ_ONLY})),
    Fault("records that sharing hides", "records_hidden", "sf/Contact", "View All on Contact", crowd, fatal=False),
    Fault("more rights than needed", "too_many_rights", "sf", "Leadgauge writer is enough",
          allow("PermissionsModifyAllData"), fatal=False),
    Fault("an object is hidden", "object_missing", "sf/CampaignMember", "list campaign_members under `without`",
          access("hidden_objects", "CampaignMember")),
    Fault("a history is hidden", "history_unseen", "sf/LeadHistory", "switch on field history",
          access("hidden_objects", "LeadHistory"), fatal=False),
    Fault("an attribute that is nowhere", "attribute_missing", "sf/Lead.Nope__c", "create it",
          salesforce(attributes={"budget": "Nope__c"}), fatal=False),
    Fault("another time zone", "time_zone", "sf", "set time_zone to Europe/Berlin",
          salesforce(time_zone="UTC"), fatal=False),
    Fault("a status that the org lacks", "stage_value_missing", "sf/Lead.Status", "lead_status.stages.mql",
          salesforce(lead_status={"stages": {"mql": "Nope"}})),
    Fault("a clock that is wrong", "clock", "sf", "NTP",
          lambda its: its.org.clock.advance(timedelta(hours=1)), fatal=False),
]  # fmt: skip
IN_HUBSPOT = [
    Fault("a property is archived", "field_missing", "hs/contacts.lead_gauge_score", "leadgauge provision",
          lambda its: its.portal.portal.schemas["contacts"].archive("lead_gauge_score", 1)),
    Fault("a property is computed", "field_read_only", "hs/contacts.hs_analytics_last_url", "fields: {action:",
          hubspot(fields={"action": "hs_analytics_last_url", "mql_date": "jobtitle"})),
    Fault("a property of another type", "field_type", "hs/contacts.jobtitle", "fields: {mql_date:", lambda its: None),
    Fault("an option is missing", "picklist_value_missing", "hs/contacts.lead_gauge_bucket", "add the options hot",
          lambda its: definition("lead_gauge_bucket", options=tuple(
              option for option in its.portal.portal.schemas["contacts"].get("lead_gauge_bucket").options  # type: ignore[union-attr]
              if option.value != "hot"))(its)),
    Fault("a property is hidden", "off_layout", "hs/contacts", "show it",
          definition("lead_gauge_grade", hidden=True), fatal=False),
    Fault("more scopes than needed", "too_many_rights", "hs", "take them away",
          scopes(more=["crm.objects.deals.write"]), fatal=False),
    Fault("a scope is missing", "object_missing", "hs/form_submissions", "grant the scope forms",
          scopes(less=["forms"])),
    Fault("no scope to write", "write_denied", "hs/contacts", "crm.objects.contacts.write",
          scopes(less=["crm.objects.contacts.write"])),
    Fault("an attribute that is nowhere", "attribute_missing", "hs/contacts.nope", "attributes: {budget: null}",
          hubspot(attributes={"budget": "nope"}), fatal=False),
    Fault("a status that the account lacks", "stage_value_missing", "hs/contacts.hs_lead_status",
          "lead_status.stages.mql", hubspot(lead_status={"stages": {"mql": "NOPE"}})),
]  # fmt: skip


@pytest.fixture(scope="module")
def ill(
    directory: Path, salesforce_host: Host, hubspot_host: Host, module_database_url: str, servers: embedded.Addresses
) -> Iterator[Sequence[Problem]]:
    """What is found where all of these are planted, so that none hides another."""
    with bench(directory, salesforce_host, hubspot_host, module_database_url, servers) as its:
        for fault in (*IN_SALESFORCE, *IN_HUBSPOT):
            fault.plant(its)
        yield its.found()


def missing(fault: Fault, found: Sequence[Problem]) -> str:
    """Empty where the fault was found; else all that was."""
    for problem in found:
        placed = problem.code == fault.code and problem.where == fault.where and problem.fatal is fault.fatal
        if placed and fault.fix in problem.fix:
            return ""
    return "\n".join(map(str, found))


@pytest.mark.parametrize("fault", [*IN_SALESFORCE, *IN_HUBSPOT], ids=lambda fault: f"{fault.where}: {fault.what}")
def test_a_fault_in_an_account_is_found(fault: Fault, ill: Sequence[Problem]) -> None:
    assert missing(fault, ill) == ""


def test_an_installation_that_is_well_has_no_problem(well: Bench) -> None:
    found = well.found()
    assert [problem.code for problem in found] == ["database_fsync"], "the tests' server is not for keeps"


def test_a_configuration_that_cannot_be_read_is_told_by_its_line(well: Bench) -> None:
    well.salesforce["apiversion"] = "62.0"
    with pytest.raises(ConfigurationError, match=r"leadgauge\.yaml:\d+: `sources\.0\.apiversion.*is no setting"):
        well.found()


def world_readable(its: Bench) -> None:
    file = its.directory / "token"
    file.write_text(TOKEN, "utf-8")
    file.chmod(0o644)
    its.hubspot["auth"] = {"type": "token", "token": {"file": str(file)}}


def twice(its: Bench) -> None:
    its.config["sources"].append({**its.hubspot, "name": "hs2"})


def in_database(statement: str) -> Callable[[Bench], object]:
    def plant(its: Bench) -> None:
        process = its.process()
        with process.engine.begin() as connection:
            connection.execute(text(statement))
        process.close()

    return plant


def pause(its: Bench) -> None:
    process = its.process()
    with process.engine.begin() as connection:
        brakes.pause(connection, "hs", "a storm", "ada", datetime(2026, 3, 2, tzinfo=UTC))
    process.close()


ALONE = [
    Fault("a wrong secret", "auth", "hs", "run the check again", lambda its: its.patch.setenv(HUBSPOT, "pat-wrong")),
    Fault("a version that is not offered", "api_version", "sf", "set api_version", salesforce(api_version="99.0")),
    Fault("no such authority", "unusable", "sf", "correct the configuration", salesforce(ca_bundle="/nowhere.pem")),
    Fault("a variable that is not set", "secret", "hs", "put it there", lambda its: its.patch.delenv(HUBSPOT)),
    Fault("a secret for all to read", "secret_open", "hs", "chmod 600", world_readable, fatal=False),
    Fault("one account twice", "same_account", "hs2", "take one of them out", twice),
    Fault("no database", "database", "database", "LEADGAUGE_DATABASE_URL",
          lambda its: its.config.update(database_url="postgresql://nobody@127.0.0.1:1/none")),
    Fault("no Redis", "redis", "redis", "LEADGAUGE_REDIS_URL",
          lambda its: its.config.update(redis_url="redis://127.0.0.1:1/0")),
    Fault("no broker", "broker", "redis", "LEADGAUGE_BROKER_URL",
          lambda its: its.config.update(broker_url="redis://127.0.0.1:1/0")),
    Fault("a dry run", "dry_run", "hs", "writes.dry_run", hubspot(writes={"dry_run": True}), fatal=False),
    Fault("a source that was renamed", "source_gone", "old", "old name", in_database(
        "INSERT INTO stream (source, name, role, due_at, complete_due_at)"
        " VALUES ('old', 'contacts', 'pull', now(), now())"
    ), fatal=False),
    Fault("writing is paused", "paused", "hs", "leadgauge resume --source hs", pause, fatal=False),
    Fault("an empty bucket", "bucket_empty", "goal default", "move the bucket", in_database(
        "INSERT INTO score_history (goal, person_id, as_of, status, bucket, rules_revision, policy_revision)"
        " VALUES ('default', 1, now() - interval '40 days', 'scored', 'hot', 1, 1)"
    ), fatal=False),
    Fault("no policy", "policy", "database", "leadgauge migrate", in_database("DELETE FROM policy")),
    Fault("an older schema", "schema", "database", "leadgauge migrate",
          in_database("DROP TABLE alembic_version"), fatal=False),
]  # fmt: skip
"""In an order in which none is in the way of the next: the database is the same for all."""


LOOKED_AT = {
    "a wrong secret": ("hs",), "a version that is not offered": ("sf",), "no such authority": ("sf",),
    "one account twice": ("hs", "hs2"),
}  # fmt: skip
"""The accounts that must be asked; for the others none need be."""


@pytest.mark.parametrize("fault", ALONE, ids=lambda fault: fault.what)
def test_a_fault_that_stops_or_stands_alone_is_found(fault: Fault, well: Bench) -> None:
    fault.plant(well)
    assert missing(fault, well.found(*LOOKED_AT.get(fault.what, ("none",)))) == ""


def test_at_least_25_are_planted() -> None:
    assert len([*IN_SALESFORCE, *IN_HUBSPOT, *ALONE]) >= 25
