"""What the field contract needs is made in both CRMs, once, and nothing that is there is changed or lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from connectors.provisioning import Deed, Step
from connectors.records import ScoreField
from sandbox.newcomer import strip
from tests.integration.setup.bench import Bench
from worker.settings import ConfigurationError
from worker.setup.provision import provision


def run(its: Bench, source: str, *, dry_run: bool = False, admin: bool = True) -> list[Step]:
    file = its.directory / "admin.yaml"
    file.write_text(yaml.safe_dump({"auth": its.as_admin()}), "utf-8")
    process = its.process()
    try:
        return list(provision(process, source, dry_run=dry_run, auth=file if admin and source == "sf" else None))
    finally:
        process.close()


def counted(steps: list[Step]) -> Mapping[Deed, int]:
    return Counter(step.deed for step in steps if step.deed is not Deed.BY_HAND)


@pytest.fixture
def bare(well: Bench) -> Bench:
    strip(well.org.org, well.portal.portal)
    well.tokens[next(iter(well.tokens))] |= {"crm.schemas.contacts.write"}
    return well


def test_an_empty_org_gets_all_of_it_once_and_the_doctor_is_content(bare: Bench) -> None:
    org = bare.org.org
    before = org.dump()["tables"]
    planned = run(bare, "sf", dry_run=True)
    assert {step.deed for step in planned} == {Deed.WOULD, Deed.BY_HAND}
    assert org.dump()["tables"] == before, "a dry run makes nothing"
    assert "Lead_Score__c" not in org.schema["Lead"].fields

    made = run(bare, "sf")
    assert counted(made).keys() == {Deed.MADE}, made
    described = org.schema["Lead"].fields
    assert (described["Lead_Score__c"].precision, described["Lead_Score_Probability__c"].scale) == (3, 1)
    assert described["Lead_Score_Bucket__c"].values == ("hot", "warm", "nurture", "cold", "unscored")
    assert [row["DeveloperName"] for row in org.rows("ListView")] == ["Leadgauge_Hot_First"] * 2
    assert [problem for problem in bare.found("sf") if problem.where.startswith("sf")] == []

    again = run(bare, "sf")
    assert counted(again).keys() == {Deed.THERE}
    assert counted(again)[Deed.THERE] == counted(made)[Deed.MADE]


def test_what_an_admin_changed_stays_and_what_is_missing_is_added(bare: Bench) -> None:
    run(bare, "sf")
    org = bare.org.org
    bucket, reasons = (org.schema["Lead"].fields[f"Lead_Score_{name}__c"] for name in ("Bucket", "Reasons"))
    org.add_field("Lead", replace(bucket, values=("warm", "nurture", "cold", "unscored", "lava")))
    org.add_field("Lead", replace(reasons, length=1000, label="Why"))
    (layout,) = org.layouts.of("Lead")
    layout.metadata["layoutSections"][1]["label"] = "Ours"

    changed = [step for step in run(bare, "sf") if step.deed is Deed.MADE]
    assert [(step.what, step.note) for step in changed] == [("field Lead_Score_Bucket__c", "value hot")]
    fields = org.schema["Lead"].fields
    assert set(fields["Lead_Score_Bucket__c"].values) == {"warm", "nurture", "cold", "unscored", "lava", "hot"}
    assert (fields["Lead_Score_Reasons__c"].length, fields["Lead_Score_Reasons__c"].label) == (1000, "Why")
    assert layout.metadata["layoutSections"][1]["label"] == "Ours"


def test_the_integration_user_may_not_and_is_told(bare: Bench) -> None:
    refused = [step for step in run(bare, "sf", admin=False) if step.deed is Deed.FAILED]
    assert refused
    assert all("Customize Application" in step.note for step in refused if step.what.startswith("field"))


def test_a_portal_gets_group_and_properties_once(bare: Bench) -> None:
    bare.hubspot["fields"] = {"grade": None}
    assert counted(run(bare, "hs", dry_run=True)) == {Deed.WOULD: len(ScoreField)}  # less one, and the group
    made = run(bare, "hs")
    assert counted(made) == {Deed.MADE: len(ScoreField)}
    schema = bare.portal.portal.schemas["contacts"]
    stage, score = schema.get("lead_gauge_stage"), schema.get("lead_gauge_score")
    assert stage is not None
    assert score is not None
    assert [option.label for option in stage.options][2:5] == ["MQL", "Accepted", "SQL"]
    assert (score.type, score.form_field, score.group) == ("number", False, "lead_gauge")
    schema.put(replace(stage, options=stage.options[1:], label="Where"))
    (added,) = [step for step in run(bare, "hs") if step.deed is Deed.MADE]
    assert (added.what, added.note) == ("property lead_gauge_stage", "option new")
    schema.archive("lead_gauge_score", 1)
    (left,) = [step for step in run(bare, "hs") if step.deed is Deed.BY_HAND and step.what.startswith("property")]
    assert "restore it" in left.note
    bare.hubspot["fields"] = {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{type: jwt_bearer}", "consumer_key"),
        ("- a", "write an `auth`"),
        ("auth: {type: token, token: {env: X}}", "write an `auth`"),
        ("{: [", "no YAML"),
    ],
)
def test_credentials_that_are_none_are_refused(text: str, says: str, well: Bench, tmp_path: Path) -> None:
    file = tmp_path / "admin.yaml"
    file.write_text(text, "utf-8")
    process = well.process()
    with pytest.raises(ConfigurationError, match=says):
        list(provision(process, "sf", dry_run=True, auth=file))
    process.close()
