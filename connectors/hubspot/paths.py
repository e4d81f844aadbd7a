"""Every path that is called, in either family.

HubSpot replaces its numbered versions (v1 to v4 are unsupported from September 2027, the v4 associations from March
2027) by dated ones; the SDK knows the numbered ones only. What has no dated path yet keeps its old one.
"""

from __future__ import annotations

import re

from connectors.hubspot.settings import PathStyle

ACCOUNT = "/account-info/v3/details"
USAGE = "/account-info/v3/api-usage/daily/private-apps"
"""The day's calls of all private apps and service keys together; an OAuth app has no day of its own."""
GRANTED = "/oauth/v2/private-apps/get/access-token-info"
"""What a private app's or a key's own token may do ("Private apps", developers.hubspot.com)."""
FORMS = "/marketing/v3/forms"
EMAIL_EVENTS = "/email/public/v1/events"

_ID = re.compile(r"/(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27})(?=/|$)")


class Paths:
    """The paths of one family: `v3` (with v4 for associations) or a date."""

    def __init__(self, style: PathStyle) -> None:
        numbered = style == "v3"
        self._objects = "/crm/v3/objects" if numbered else f"/crm/objects/{style}"
        self._properties = "/crm/v3/properties" if numbered else f"/crm/properties/{style}"
        self._associations = "/crm/v4/associations" if numbered else f"/crm/associations/{style}"
        self.token = "/oauth/v3/token" if numbered else f"/oauth/{style}/token"

    def objects(self, type: str, action: str = "") -> str:
        """`action` is empty for the list, else an id, `search`, `batch/read` or `batch/update`."""
        return f"{self._objects}/{type}" + (f"/{action}" if action else "")

    def properties(self, type: str) -> str:
        return f"{self._properties}/{type}"

    def groups(self, type: str) -> str:
        """The headings under which an object's properties are listed."""
        return f"{self._properties}/{type}/groups"

    def associations(self, of: str, to: str) -> str:
        return f"{self._associations}/{of}/{to}/batch/read"

    @staticmethod
    def submissions(form: str) -> str:
        return f"/form-integrations/v1/submissions/forms/{form}"


def endpoint(path: str) -> str:
    """The path without ids: what metrics are counted by."""
    return _ID.sub("/{id}", path)
