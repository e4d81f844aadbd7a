"""Describe: what the org tells a client about its objects and fields, as far as the user may see them."""

from __future__ import annotations

from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.baseline import FOUNDED
from sandbox.salesforce.faults import not_found
from sandbox.salesforce.router import Call, Reply, Route, route
from sandbox.salesforce.schema import CHOICES, NUMERIC, TEXTUAL, Field, FieldType, SObject

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

_MASTER = "012000000000000AAA"
"""The record type that every object has."""

_SOAP_TYPES = {
    FieldType.ID: "tns:ID",
    FieldType.REFERENCE: "tns:ID",
    FieldType.BOOLEAN: "xsd:boolean",
    FieldType.INT: "xsd:int",
    FieldType.DATE: "xsd:date",
    FieldType.DATETIME: "xsd:dateTime",
    **dict.fromkeys(NUMERIC - {FieldType.INT}, "xsd:double"),
}


def routes() -> list[Route]:
    return [
        route("sobjects", get=_global),
        route("sobjects/{}/describe", get=_describe),
        route("ui-api/object-info/{}/picklist-values/{}/{}", get=_picklist_values),
    ]


def _picklist_values(call: Call) -> Reply:
    """What records of a type are offered (User Interface API guide, "Get Values for a Picklist Field")."""
    sobject, type_id, name = call.sobject(call.args[0]), call.args[1], call.args[2]
    field = call.service.org.access.field(sobject, name)
    types = {each.id: each for each in sobject.record_types}
    if field is None or (type_id != _MASTER and type_id not in types):
        raise not_found()
    offered = types[type_id].offered.get(field.name, field.values) if type_id in types else field.values
    values: list[dict[str, Any]] = [
        {"attributes": None, "label": value, "validFor": [], "value": value} for value in offered
    ]
    return Reply(body={"controllerValues": {}, "defaultValue": None, "values": values})


def _global(call: Call) -> Reply:
    org = call.service.org
    visible = [sobject for sobject in org.schema.values() if org.access.object_readable(sobject)]
    return Reply(
        body={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [summary(one, call.base) for one in visible]}
    )


def _describe(call: Call) -> Reply:
    org, sobject = call.service.org, call.sobject(call.args[0])
    changed = org.schema_changes.get(sobject.name, FOUNDED)
    since = call.headers.get("if-modified-since")
    if since is not None and parsedate_to_datetime(since) >= changed.replace(microsecond=0):
        return Reply(304)
    body = {**summary(sobject, call.base), **_details(org, sobject, call.base)}
    return Reply(body=body, headers={"Last-Modified": format_datetime(changed, usegmt=True)})


def summary(sobject: SObject, base: str) -> dict[str, Any]:
    """One object as the list of all objects shows it."""
    url = f"{base}/sobjects/{sobject.name}"
    return {
        "activateable": False, "associateEntityType": "History" if sobject.history_of else None,
        "associateParentEntity": sobject.history_of, "createable": sobject.createable, "custom": False,
        "customSetting": False, "deletable": sobject.deletable, "deprecatedAndHidden": False,
        "feedEnabled": False, "hasSubtypes": False, "isInterface": False, "isSubtype": False,
        "keyPrefix": sobject.prefix, "label": sobject.label, "labelPlural": sobject.plural,
        "layoutable": True, "mergeable": sobject.name in ("Lead", "Contact", "Account"), "mruEnabled": True,
        "name": sobject.name, "queryable": True, "replicateable": sobject.replicateable, "retrieveable": True,
        "searchable": sobject.history_of is None, "triggerable": True, "undeletable": sobject.deletable,
        "updateable": sobject.updateable,
        "urls": {"rowTemplate": f"{url}/{{ID}}", "describe": f"{url}/describe", "sobject": url},
    }  # fmt: skip


def _details(org: Org, sobject: SObject, base: str) -> dict[str, Any]:
    fields = org.access.fields(sobject)
    return {
        "actionOverrides": [],
        "childRelationships": _children(org, sobject),
        "compactLayoutable": True,
        "fields": [describe_field(field, editable=org.access.editable(sobject, field)) for field in fields],
        "recordTypeInfos": [
            *(_record_type(sobject, base, each.id, each.name) for each in sobject.record_types),
            _record_type(sobject, base, _MASTER, "Master"),
        ],
        "supportedScopes": [{"label": f"All {sobject.plural}", "name": "everything"}],
    }  # fmt: skip


def _record_type(sobject: SObject, base: str, id: str, name: str) -> dict[str, Any]:
    return {
        "active": True, "available": True, "defaultRecordTypeMapping": id == _MASTER,
        "developerName": name.replace(" ", "_"), "master": id == _MASTER, "name": name, "recordTypeId": id,
        "urls": {"layout": f"{base}/sobjects/{sobject.name}/describe/layouts/{id}"},
    }  # fmt: skip


def _children(org: Org, sobject: SObject) -> list[dict[str, Any]]:
    return [
        {
            "cascadeDelete": field.cascade, "childSObject": child.name, "deprecatedAndHidden": False,
            "field": field.name, "junctionIdListNames": [], "junctionReferenceTo": [],
            "relationshipName": field.child, "restrictedDelete": False,
        }
        for child in org.schema.values()
        for field in child.references()
        if sobject.name in field.reference_to and org.access.readable(child, field)
    ]  # fmt: skip


def describe_field(field: Field, *, editable: bool) -> dict[str, Any]:
    """One element of `fields`; `editable` is what field-level security leaves."""
    text = field.type in TEXTUAL or field.type in CHOICES or field.type in (FieldType.ID, FieldType.REFERENCE)
    whole = field.type is FieldType.INT
    system = field.name in ("Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "SystemModstamp")
    return {
        "aggregatable": field.type is not FieldType.BOOLEAN and field.filterable, "aiPredictionField": False,
        "autoNumber": False, "byteLength": field.length * 3 if text else 0, "calculated": field.calculated,
        "calculatedFormula": None, "cascadeDelete": field.cascade, "caseSensitive": False, "compoundFieldName": None,
        "controllerName": None, "createable": field.createable and editable, "custom": field.custom,
        "defaultValue": field.default if field.type is FieldType.BOOLEAN else None, "defaultValueFormula": None,
        "defaultedOnCreate": system or field.type is FieldType.BOOLEAN or field.name == "OwnerId",
        "dependentPicklist": False, "deprecatedAndHidden": False, "digits": field.precision if whole else 0,
        "displayLocationInDecimal": False, "encrypted": False, "externalId": field.external_id, "extraTypeInfo": None,
        "filterable": field.filterable, "filteredLookupInfo": None, "formulaTreatNullNumberAsZero": False,
        "groupable": field.filterable and field.type not in NUMERIC - {FieldType.INT}
        and field.type is not FieldType.DATETIME,
        "highScaleNumber": False, "htmlFormatted": False,
        "idLookup": field.external_id or field.type in (FieldType.ID, FieldType.EMAIL), "inlineHelpText": None,
        "label": field.shown_label, "length": field.length, "mask": None, "maskType": None, "name": field.name,
        "nameField": field.name_field, "namePointing": field.polymorphic,
        "nillable": not (field.required or system or field.type is FieldType.BOOLEAN),
        "permissionable": not (system or field.required), "picklistValues": _picklist(field),
        "polymorphicForeignKey": field.polymorphic, "precision": 0 if whole else field.precision,
        "queryByDistance": False, "referenceTargetField": None, "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship, "relationshipOrder": None, "restrictedDelete": False,
        "restrictedPicklist": field.restricted, "scale": field.scale, "searchPrefilterable": False,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"), "sortable": field.filterable, "type": str(field.type),
        "unique": field.unique, "updateable": field.updateable and editable, "writeRequiresMasterRead": False,
    }  # fmt: skip


def _picklist(field: Field) -> list[dict[str, Any]]:
    return [
        {
            "active": value in field.values, "defaultValue": value == field.default, "label": value, "validFor": None,
            "value": value,
        }
        for value in (*field.values, *field.inactive)
    ]  # fmt: skip
