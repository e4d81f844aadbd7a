"""Every kind of CRM there is, by name. Adding one is a folder and two lines here."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field

from connectors.amplitude.settings import AmplitudeSettings
from connectors.files.settings import FilesSettings
from connectors.hubspot.settings import HubspotSettings
from connectors.marketo.settings import MarketoSettings
from connectors.mixpanel.settings import MixpanelSettings
from connectors.salesforce.settings import SalesforceSettings
from connectors.transport import Clock, Observer, wall

if TYPE_CHECKING:
    from connectors.port import Crm
    from connectors.quota import Gate
    from connectors.tokens import Tokens

AnySettings = (
    SalesforceSettings | HubspotSettings | MarketoSettings | AmplitudeSettings | MixpanelSettings | FilesSettings
)
SourceSettings = Annotated[AnySettings, Field(discriminator="kind")]
"""The settings of one configured CRM account, told apart by `kind`."""

# Named, not imported: a vendor's SDK costs its process 18 to 25 MB, and most processes need one of them or none.
OPENERS: dict[str, str] = {
    "salesforce": "connectors.salesforce.crm:open_salesforce",
    "hubspot": "connectors.hubspot.crm:open_hubspot",
    "marketo": "connectors.marketo.crm:open_marketo",
    "amplitude": "connectors.amplitude.crm:open_amplitude",
    "mixpanel": "connectors.mixpanel.crm:open_mixpanel",
    "files": "connectors.files.crm:open_files",
}


def open_crm(
    settings: AnySettings,
    *,
    gate: Gate,
    tokens: Tokens,
    observer: Observer,
    sleep: Callable[[float], None] = time.sleep,
    clock: Clock = wall,
) -> Crm:
    """The CRM that `settings` describe. Makes no call yet; open it in the process that uses it. `clock`: this machine's
    time, which the CRM's own is told from."""
    module, opener = OPENERS[settings.kind].split(":")
    opened = getattr(import_module(module), opener)(
        settings, gate=gate, tokens=tokens, observer=observer, sleep=sleep, clock=clock
    )
    return cast("Crm", opened)
