"""Open query cursors: snapshots that are read page by page."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.execution import Result
from sandbox.salesforce.faults import ApiError

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

LEAST_PAGE = 200
MOST_CELLS = 100_000
"""Rows times columns of one page: wide rows come in shorter pages than asked for."""


@dataclass(frozen=True, slots=True)
class Cursor:
    result: Result
    resource: str
    page_rows: int
    opened: datetime


class Cursors:
    """Pages of results. Beyond `most` open cursors the oldest is lost; each lives for `life`."""

    def __init__(self, org: Org, *, most: int, life: timedelta, page_rows: int) -> None:
        self._org = org
        self._most = most
        self._life = life
        self._page_rows = page_rows
        self._open: OrderedDict[str, Cursor] = OrderedDict()

    def first(self, result: Result, *, base: str, resource: str, asked: int | None) -> dict[str, Any]:
        """The first page, with a locator if there are more. `resource` is query or queryAll."""
        if result.projection is None:
            return {"totalSize": result.total, "done": True, "records": result.records or []}
        columns = max(1, len(result.projection.columns))
        asked = min(max(asked or self._page_rows, LEAST_PAGE), 2_000)
        at_most = self._org.behaviour.page_rows or self._page_rows
        rows = min(self._page_rows, at_most, asked, max(LEAST_PAGE, MOST_CELLS // columns))
        cursor = Cursor(result, resource, rows, self._org.clock.now())
        if result.total <= rows:
            return self._page(cursor, "", 0, base)
        locator = self._org.mint("0r8")
        self._open[locator] = cursor
        while len(self._open) > self._most:
            self._open.popitem(last=False)
        return self._page(cursor, locator, 0, base)

    def more(self, locator: str, *, base: str) -> dict[str, Any]:
        """The page at `<id>-<offset>`. Raises ApiError (INVALID_QUERY_LOCATOR)."""
        id, _, offset = locator.partition("-")
        cursor = self._open.get(id)
        if cursor is None or not offset.isdecimal() or int(offset) > cursor.result.total:
            raise _invalid_locator()
        if self._org.clock.now() - cursor.opened > self._life:
            del self._open[id]
            raise _invalid_locator()
        return self._page(cursor, id, int(offset), base)

    def _page(self, cursor: Cursor, id: str, offset: int, base: str) -> dict[str, Any]:
        result = cursor.result
        shape = result.columns.shape(base)
        end = offset + cursor.page_rows
        page: dict[str, Any] = {"totalSize": result.total, "done": end >= result.total}
        if not page["done"]:
            page["nextRecordsUrl"] = f"{base}/{cursor.resource}/{id}-{end}"
        page["records"] = [shape(row) for row in result.rows[offset:end]]
        return page


def _invalid_locator() -> ApiError:
    return ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
