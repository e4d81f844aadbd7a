"""The SFDX source in the repository is the field contract, and what the Metadata API takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files as resources
from pathlib import Path
from xml.etree import ElementTree

from connectors.contract import SHAPES
from connectors.records import ScoreField
from connectors.salesforce.metadata import own_fields
from connectors.salesforce.settings import CONTRACT
from connectors.salesforce.source import files
from worker.setup.provision import shipped, write_source

REPOSITORY = Path(__file__).parents[3]
SHIPPED = REPOSITORY / "deploy/salesforce"
XSD, METADATA = "{http://www.w3.org/2001/XMLSchema}", "{http://soap.sforce.com/2006/04/metadata}"


def test_what_is_in_the_repository_is_what_the_command_writes(tmp_path: Path) -> None:
    held = {str(file.relative_to(SHIPPED)): file.read_text("utf-8") for file in SHIPPED.rglob("*") if file.is_file()}
    held.pop("README.md")
    assert held == files(shipped()), "run `leadgauge provision --write deploy/salesforce` where no source is configured"
    assert len(write_source((), (), tmp_path)) == len(held)
    assert write_source((), (), tmp_path) == [], "a second time nothing is new"


def test_every_field_of_the_contract_is_shaped_and_made() -> None:
    assert SHAPES.keys() == CONTRACT.keys() == set(ScoreField)
    assert own_fields(shipped()).keys() == set(CONTRACT.values())


def test_further_goals_have_fields_of_their_own() -> None:
    org = shipped().with_goals({"upgrade": "Upgrade"})
    made = own_fields(org)
    assert made["Lead_Score_Upgrade__c"].label == "Lead Score Upgrade"
    assert "Lead_Stage_Upgrade__c" not in made, "a person has one stage"
    assert any("Lead_Score_Upgrade__c" in path for path in files(org))


def types() -> Mapping[str, Mapping[str, str]]:
    """By type of the vendor's own WSDL, its elements with their types; extensions have those of their base, too."""
    wsdl = ElementTree.fromstring((resources("simple_salesforce") / "metadata.wsdl").read_text("utf-8"))  # noqa: S314 - a dependency's
    found: dict[str, dict[str, str]] = {}
    bases: dict[str, str] = {}
    for type in wsdl.iter(f"{XSD}complexType"):
        name = type.get("name")
        if name is not None:
            found[name] = {str(each.get("name")): str(each.get("type")) for each in type.iter(f"{XSD}element")}
            for extension in type.iter(f"{XSD}extension"):
                bases[name] = str(extension.get("base")).partition(":")[2]
    for name, base in bases.items():
        found[name] = {**found.get(base, {}), **found[name]}
    return found


def unknown(element: ElementTree.Element, type: str, known: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for child in element:
        name = child.tag.removeprefix(METADATA)
        if name not in known[type]:
            yield f"{type}.{name}"
            continue
        inner = known[type][name].partition(":")[2]
        if inner in known:
            yield from unknown(child, inner, known)
        elif inner == "boolean" and child.text not in ("true", "false"):
            yield f"{type}.{name} is {child.text}"


def test_every_element_is_one_of_the_vendors_own_description() -> None:
    known = types()
    strange: list[str] = []
    for path, text in files(shipped()).items():
        if path.endswith(".xml"):
            root = ElementTree.fromstring(text)  # noqa: S314 - our own
            strange += [f"{path}: {each}" for each in unknown(root, root.tag.removeprefix(METADATA), known)]
    assert strange == []
