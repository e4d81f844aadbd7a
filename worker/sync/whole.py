"""A page of people or accounts with all fields that anybody has read them with."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from connectors.described import Described
from connectors.port import Crm, Page
from worker.store import readings


def whole(engine: Engine, crm: Crm, read: Callable[[], Page]) -> Page:
    """What `read` brings, read once more where it lacks a field that rows of the object were read with last.

    Either the field has gone, or a connector in this process goes by what the CRM said before the field was there: then
    the rows would be stored without it.
    """
    page = read()
    if not page.fields or not isinstance(crm, Described):
        return page
    with engine.connect() as connection:
        held = readings.held(connection, crm.source)
    lacking = [object for object, fields in page.fields.items() if held.get(object, fields) - fields]
    for object in lacking:
        crm.look_again(object)
    return read() if lacking else page
