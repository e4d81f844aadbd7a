"""Objects of the org's own set-up: users, statuses, stages, field histories, permissions."""

from __future__ import annotations

from sandbox.salesforce.fields import (
    email,
    flag,
    history_fields,
    lookup,
    percent,
    picklist,
    read_only,
    system_fields,
    text,
    whole,
)
from sandbox.salesforce.schema import Field, SObject


def setup_objects() -> list[SObject]:
    """Fresh definitions of all of them."""
    return [*_people_of_the_org(), _lead_status(), _opportunity_stage(), *_histories(), *_permissions()]


def _people_of_the_org() -> list[SObject]:
    user = SObject(
        "User",
        "005",
        [
            *system_fields(deletable=False),
            text("Username", 80, required=True, external_id=True), text("LastName", 80, required=True),
            text("FirstName", 40), *read_only([text("Name", 121, name_field=True, label="Full Name")]),
            email(required=True), text("Title", 80), text("Department", 80), text("Alias", 8),
            flag("IsActive", default=True, label="Active"),
            picklist("UserType", "Standard", "AutomatedProcess", default="Standard"),
            text("TimeZoneSidKey", 40, default="Europe/Berlin"), lookup("ManagerId", "User"),
        ],
        deletable=False,
    )  # fmt: skip
    group = SObject(
        "Group",
        "00G",
        [
            *system_fields(deletable=False),
            text("Name", 40, required=True, name_field=True), text("DeveloperName", 80),
            picklist("Type", "Queue", "Regular", "Role", default="Queue"), email(),
        ],
    )  # fmt: skip
    organization = SObject(
        "Organization",
        "00D",
        [
            *system_fields(deletable=False),
            text("Name", 80, name_field=True), text("TimeZoneSidKey", 40), text("OrganizationType", 40),
            text("InstanceName", 5), flag("IsSandbox"), text("DefaultLocaleSidKey", 40),
        ],
        createable=False, deletable=False, replicateable=False,
    )  # fmt: skip
    return [user, group, organization]


def _lead_status() -> SObject:
    return SObject(
        "LeadStatus",
        "01J",
        read_only(
            [
                *system_fields(deletable=False),
                text("MasterLabel", 255, name_field=True), text("ApiName", 255), whole("SortOrder"),
                flag("IsDefault"), flag("IsConverted"),
            ]
        ),
        plural="Lead Status Values", createable=False, updateable=False, deletable=False, replicateable=False,
        bulk=False,
    )  # fmt: skip


def _opportunity_stage() -> SObject:
    return SObject(
        "OpportunityStage",
        "01J",
        read_only(
            [
                *system_fields(deletable=False),
                text("MasterLabel", 255, name_field=True), text("ApiName", 255), whole("SortOrder"), flag("IsActive"),
                flag("IsClosed"), flag("IsWon"), percent("DefaultProbability"),
                text("ForecastCategory", 40), text("ForecastCategoryName", 40),
            ]
        ),
        createable=False, updateable=False, deletable=False, replicateable=False, bulk=False,
    )  # fmt: skip


def _permissions() -> list[SObject]:
    """What grants a field to a user; the Tooling API makes the fields themselves."""
    system = system_fields(deletable=False)
    return [
        SObject(
            "PermissionSet", "0PS",
            [
                *system, text("Name", 80, required=True, name_field=True), text("Label", 80, required=True),
                text("Description", 255), *_user_permissions(),
            ],
            replicateable=False, bulk=False,
        ),
        SObject(
            "ObjectPermissions", "110",
            [
                *system, lookup("ParentId", "PermissionSet", required=True, child="ObjectPerms"),
                picklist("SobjectType", required=True),
                *(flag(f"Permissions{right}") for right in ("Create", "Delete", "Edit", "ModifyAllRecords", "Read")),
                flag("PermissionsViewAllRecords"),
            ],
            plural="Object Permissions", replicateable=False, bulk=False,
        ),
        SObject(
            "UserPermissionAccess", "0UP", read_only([*system, *_user_permissions()]),
            plural="User Permission Access", createable=False, updateable=False, deletable=False,
            replicateable=False, bulk=False,
        ),
        SObject(
            "ListView", "00B",
            [
                *system, text("Name", 40, name_field=True), text("DeveloperName", 80),
                picklist("SobjectType", required=True),
            ],
            createable=False, updateable=False, deletable=False, replicateable=False, bulk=False,
        ),
        SObject(
            "FieldPermissions", "01k",
            [
                *system, lookup("ParentId", "PermissionSet", required=True, child="FieldPerms"),
                picklist("SobjectType", required=True), picklist("Field", required=True),
                flag("PermissionsRead"), flag("PermissionsEdit"),
            ],
            plural="Field Permissions", replicateable=False, bulk=False,
        ),
        SObject(
            "PermissionSetAssignment", "0Pa",
            [
                *system, lookup("AssigneeId", "User", required=True),
                lookup("PermissionSetId", "PermissionSet", required=True, child="Assignments"),
            ],
            replicateable=False, bulk=False,
        ),
    ]  # fmt: skip


def _user_permissions() -> list[Field]:
    """Some of what a user may, whatever the records."""
    return [
        flag(f"Permissions{name}")
        for name in (
            "ApiEnabled", "ViewRoles", "ViewSetup", "ViewAllData", "ModifyAllData", "CustomizeApplication",
            "ManageUsers", "AuthorApex",
        )
    ]  # fmt: skip


def _histories() -> list[SObject]:
    return [
        SObject(
            f"{parent}History", "017", history_fields(parent, f"{parent}Id"), plural=f"{parent} History",
            history_of=parent, createable=False, updateable=False, deletable=False,
        )
        for parent in ("Lead", "Contact")
    ]  # fmt: skip
