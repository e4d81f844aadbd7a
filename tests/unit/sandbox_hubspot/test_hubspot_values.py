from __future__ import annotations

import pytest

from sandbox.hubspot.schema import TYPES, Option, PropertyDefinition, PropertyGroup, Schema
from sandbox.hubspot.values import LONGEST_TEXT, InvalidProperties, checked


@pytest.fixture
def schema() -> Schema:
    schema = Schema(TYPES["contacts"])
    schema.groups["g"] = PropertyGroup("g", "G")
    options = (Option("Hot", "hot"), Option("Cold", "cold"))
    for name, type_, field_type in (
        ("text", "string", "text"),
        ("email", "string", "text"),
        ("points", "number", "number"),
        ("flag", "bool", "booleancheckbox"),
        ("bucket", "enumeration", "select"),
        ("tags", "enumeration", "checkbox"),
        ("day", "date", "date"),
        ("instant", "datetime", "date"),
    ):
        allowed = (Option("Yes", "true"), Option("No", "false")) if type_ == "bool" else options
        schema.put(PropertyDefinition(name, name, type_, field_type, "g", options=allowed))
    schema.put(PropertyDefinition("computed", "c", "number", "number", "g", read_only=True))
    return schema


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("text", "Größe; 70 % sicher", "Größe; 70 % sicher"),
        ("text", "", ""),
        ("email", " Ana@ACME.test ", "ana@acme.test"),
        ("points", "87", "87"),
        ("points", 87.5, "87.5"),
        ("points", "-3", "-3"),
        ("points", "", ""),
        ("flag", True, "true"),
        ("flag", "FALSE", "false"),
        ("bucket", "hot", "hot"),
        ("tags", "hot;cold", "hot;cold"),
        ("day", "2026-11-20", "2026-11-20"),
        ("day", "1795132800000", "2026-11-20"),
        ("instant", "1795000000123", "2026-11-18T11:06:40.123Z"),
        ("instant", "1795000000000", "2026-11-18T11:06:40Z"),
        ("instant", "2026-11-18T12:06:40+01:00", "2026-11-18T11:06:40Z"),
    ],
)
def test_a_good_value_is_kept_as_text(schema: Schema, name: str, given: object, kept: str) -> None:
    assert checked(schema, {name: given}) == {name: kept}


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("nothing", "1", "PROPERTY_DOESNT_EXIST"),
        ("computed", "1", "READ_ONLY_VALUE"),
        ("points", "1,000", "INVALID_INTEGER"),
        ("points", "1e3", "INVALID_INTEGER"),
        ("points", "many", "INVALID_INTEGER"),
        ("flag", "yes", "INVALID_OPTION"),
        ("bucket", "Hot", "INVALID_OPTION"),
        ("tags", "hot;warm", "INVALID_OPTION"),
        ("day", "1795140752000", "INVALID_DATE"),
        ("day", "soon", "INVALID_DATE"),
        ("instant", "soon", "INVALID_LONG"),
        ("email", "nobody", "INVALID_EMAIL"),
        ("text", "x" * (LONGEST_TEXT + 1), "PROPERTY_VALUE_TOO_LONG"),
    ],
)
def test_a_bad_value_is_refused_with_the_vendors_code(schema: Schema, name: str, given: object, code: str) -> None:
    with pytest.raises(InvalidProperties) as refused:
        checked(schema, {name: given}, by_api=True)
    assert [(problem.name, problem.code) for problem in refused.value.problems] == [(name, code)]


def test_the_refusal_of_a_date_says_when_it_was(schema: Schema) -> None:
    with pytest.raises(InvalidProperties) as refused:
        checked(schema, {"day": "1795140752000"})
    assert refused.value.problems[0].message == "1795140752000 is at 02:12:32.000 UTC, not midnight!"


def test_every_bad_value_is_named(schema: Schema) -> None:
    with pytest.raises(InvalidProperties) as refused:
        checked(schema, {"points": "x", "text": "fine", "bucket": "lukewarm"})
    assert {problem.name for problem in refused.value.problems} == {"points", "bucket"}


def test_the_portal_itself_may_set_what_the_api_may_not(schema: Schema) -> None:
    assert checked(schema, {"computed": "4"}) == {"computed": "4"}
