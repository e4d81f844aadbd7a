"""What every org has on its first day: itself, an administrator, the integration user, statuses and stages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.salesforce import ids
from sandbox.salesforce.derived import FORECAST_NAMES
from sandbox.salesforce.lifecycle import CONVERTED_STATUS
from sandbox.salesforce.objects import LEAD_STATUSES, STAGES

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

FOUNDED = datetime(2019, 1, 7, 9, 0, tzinfo=UTC)
TIME_ZONE = "Europe/Berlin"
ADMIN_USERNAME = "admin@practice.example"
INTEGRATION_USERNAME = "leadgauge@practice.example"


def found(org: Org) -> tuple[str, str, str]:
    """Make the first records; returns the ids of administrator, integration user and organization."""
    first = ids.mint("005", org.pod, 1)
    user = {
        "Username": ADMIN_USERNAME, "FirstName": "Org", "LastName": "Administrator", "Email": ADMIN_USERNAME,
    }  # fmt: skip
    admin = org.insert("User", user, at=FOUNDED, by=first)
    integration = org.insert(
        "User",
        {"Username": INTEGRATION_USERNAME, "FirstName": "Lead", "LastName": "Gauge", "Email": INTEGRATION_USERNAME},
        at=FOUNDED,
        by=admin,
    )
    organization = org.insert(
        "Organization",
        {
            "Name": "Practice Org", "TimeZoneSidKey": TIME_ZONE, "OrganizationType": "Enterprise Edition",
            "InstanceName": f"PR{1 + org.seed % 99}", "IsSandbox": False, "DefaultLocaleSidKey": "en_US",
        },
        at=FOUNDED,
        by=admin,
    )  # fmt: skip
    allowed = dict.fromkeys(("PermissionsApiEnabled", "PermissionsViewSetup", "PermissionsViewAllData"), True)
    org.insert("UserPermissionAccess", allowed, at=FOUNDED, by=admin)
    for order, status in enumerate(LEAD_STATUSES, start=1):
        flags = {"SortOrder": order, "IsDefault": order == 1, "IsConverted": status == CONVERTED_STATUS}
        org.insert("LeadStatus", {"MasterLabel": status, "ApiName": status, **flags}, at=FOUNDED, by=admin)
    for order, (stage, (probability, closed, won, category)) in enumerate(STAGES.items(), start=1):
        fields = {
            "MasterLabel": stage, "ApiName": stage, "SortOrder": order, "IsActive": True, "IsClosed": closed,
            "IsWon": won, "DefaultProbability": probability, "ForecastCategory": category,
            "ForecastCategoryName": FORECAST_NAMES.get(category, category),
        }  # fmt: skip
        org.insert("OpportunityStage", fields, at=FOUNDED, by=admin)
    return admin, integration, organization
