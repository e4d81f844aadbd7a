"""What the handlers of one practice Salesforce share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sandbox.salesforce.cursors import Cursors
from sandbox.salesforce.quota import Quota, Running
from sandbox.salesforce.router import Router
from sandbox.salesforce.sessions import Sessions
from sandbox.salesforce.settings import SalesforceServer

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org


class Service:
    """The org behind its API: sessions, quota, cursors, and the routes that composite requests dispatch to as well."""

    def __init__(self, org: Org, settings: SalesforceServer) -> None:
        self.org = org
        self.settings = settings
        self.sessions = Sessions(org.clock, settings.session_timeout, logins_per_hour=settings.logins_per_hour)
        self.quota = Quota(org, settings.daily_calls)
        self.running = Running(org, settings.long_running_calls, settings.long_running_after)
        self.instance_url = settings.base_url
        self.cursors = Cursors(org, most=settings.open_cursors, life=settings.cursor_life, page_rows=settings.page_rows)
        self.router = Router([])
        self._tasks: set[asyncio.Task[None]] = set()

    def move(self, instance_url: str) -> None:
        """Put the org on another host, as a migration or a new My Domain does: sessions of the old one are over."""
        self.instance_url = instance_url
        self.sessions.revoke_all()

    def is_at_home(self, host: str) -> bool:
        """Whether a call came to where the org is now; before any move every host will do."""
        return self.instance_url == self.settings.base_url or host == urlsplit(self.instance_url).netloc

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the requests."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
