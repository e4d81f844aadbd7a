from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from sandbox.clock import Clock
from sandbox.hubspot.auth import Gate
from sandbox.hubspot.bodies import Malformed, names_in, objects_in, whole_in
from sandbox.hubspot.call import Call, Server
from sandbox.hubspot.limits import Meter
from sandbox.hubspot.paths import Family
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.routes import ENDPOINTS, Endpoint
from sandbox.hubspot.settings import HubspotServer
from sandbox.hubspot.unrest import Unrest
from sandbox.hubspot.wire import Refusal

KEYS = (
    "inputs", "id", "properties", "idProperty", "types", "to", "from", "associationTypeId", "filterGroups", "filters",
    "propertyName", "operator", "value", "highValue", "values", "sorts", "limit", "after", "query", "name", "label",
    "groupName", "type", "fieldType", "options", "displayOrder", "objectId", "primaryObjectId", "objectIdToMerge",
    "propertiesWithHistory", "associations", "email", "objectWriteTraceId",
)  # fmt: skip
WORDS = (
    "",
    "²",
    "9001",
    "9" * 30,
    "EQ",
    "IN",
    "BETWEEN",
    "email",
    "ana@acme.test",
    "lead_gauge_score",
    "number",
    "new",
)

leaves = st.none() | st.booleans() | st.integers(-5, 300) | st.floats(allow_nan=False) | st.sampled_from(WORDS)
bodies = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=15,
)
objects = st.dictionaries(st.sampled_from(KEYS), bodies, max_size=6)
batches = st.builds(lambda entries: {"inputs": entries}, st.lists(objects, max_size=2))
queries = st.lists(
    st.tuples(
        st.sampled_from(("limit", "after", "offset", "properties", "idProperty", "archived")), st.sampled_from(WORDS)
    ),
    max_size=3,
)


@settings(deadline=None)
@given(
    st.sampled_from([endpoint for endpoint in ENDPOINTS if not endpoint.form]), bodies | objects | batches, queries,
    st.data(),
)  # fmt: skip
def test_no_body_breaks_an_endpoint(
    endpoint: Endpoint, body: object, query: list[tuple[str, str]], data: st.DataObject
) -> None:
    clock = Clock()
    clock.hold()
    portal, chosen = Portal(clock), HubspotServer()
    person = portal.create("contacts", {"email": "ana@acme.test"})
    portal.associate("contacts", person, "companies", portal.create("companies", {"name": "Acme"}))
    portal.add_form("Contact us")
    path = {name: data.draw(st.sampled_from(WORDS)) for name in re.findall(r"{(\w+)}", endpoint.tail)}
    path |= {name: data.draw(st.sampled_from(("contacts", "0-2", "none"))) for name in ("type", "to") if name in path}
    server = Server(portal, chosen, Gate(portal, chosen), Meter(portal, chosen), Unrest(portal))
    call = Call(server, data.draw(st.sampled_from(Family)), path, QueryParams(query), "/", body)
    try:
        status = endpoint.handler(call).status_code
    except Refusal as refusal:
        status = refusal.status
    except Malformed:
        status = 400
    assert status in {200, 201, 204, 207, 400, 404, 409}


@pytest.mark.parametrize(("raw", "number"), [(None, 7), ("", 7), (0, 0), (-1, -1), ("12", 12)])
def test_a_whole_number_may_be_text(raw: object, number: int) -> None:
    assert whole_in(raw, "limit", 7) == number


@pytest.mark.parametrize("raw", [True, 1.5, "ten", "²", [1]])
def test_anything_else_is_no_whole_number(raw: object) -> None:
    with pytest.raises(Malformed, match="`limit`"):
        whole_in(raw, "limit", 7)


def test_lists_are_read_strictly_and_may_be_left_out() -> None:
    assert (objects_in(None, "a"), names_in(None, "a")) == ([], ())
    for raw in (5, {"a": 1}, [5]):
        with pytest.raises(Malformed, match="`a`"):
            objects_in(raw, "a")
        with pytest.raises(Malformed, match="`a`"):
            names_in(raw, "a")
