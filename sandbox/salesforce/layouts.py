"""Page layouts and compact layouts: which fields a rep is shown. Kept as the Metadata API words them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.objects import score_fields
from sandbox.salesforce.router import Call, Reply, Route, route

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

_SHOWN = {"Lead": ("Name", "Company", "Title", "Status"), "Contact": ("Name", "AccountId", "Title", "Email")}


@dataclass(slots=True)
class Layout:
    """One of an object's layouts; `compact` is the head of the page."""

    id: str
    object: str
    name: str
    metadata: dict[str, Any]
    compact: bool = False


class Layouts:
    """All layouts of an org, by id."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self.held: dict[str, Layout] = {}
        scores = [field.name for field in score_fields()]
        for object, names in _SHOWN.items():
            sections = [_section(f"{object} Information", names), _section("Lead score", scores)]
            self.add(object, f"{object} Layout", {"layoutSections": sections})

    def add(self, object: str, name: str, metadata: dict[str, Any], *, compact: bool = False) -> str:
        id = self._org.mint("0AH" if compact else "00h")
        self.held[id] = Layout(id, object, name, metadata, compact)
        return id

    def of(self, object: str) -> list[Layout]:
        """Its page layouts."""
        return [layout for layout in self.held.values() if layout.object == object and not layout.compact]

    def rows(self, *, compact: bool) -> Iterator[dict[str, Any]]:
        """As the Tooling API's `Layout` and `CompactLayout`."""
        for layout in self.held.values():
            if layout.compact is compact:
                names = {"DeveloperName": layout.name, "SobjectType": layout.object}
                yield {"Id": layout.id} | (names if compact else {"Name": layout.name, "TableEnumOrId": layout.object})

    def dump(self) -> list[dict[str, Any]]:
        return [asdict(layout) for layout in self.held.values()]

    def load(self, dumped: list[Mapping[str, Any]]) -> None:
        self.held = {each["id"]: Layout(**each) for each in dumped}


def _section(label: str, names: Any) -> dict[str, Any]:
    items = [{"behavior": "Edit", "field": name} for name in names]
    return {"label": label, "layoutColumns": [{"layoutItems": items}], "style": "OneColumn"}


def fields_of(layout: Layout) -> list[str]:
    """The fields that it shows, in their order."""
    return [
        str(item["field"])
        for section in layout.metadata.get("layoutSections") or ()
        for column in section.get("layoutColumns") or ()
        for item in column.get("layoutItems") or ()
        if item.get("field")
    ]


def routes() -> list[Route]:
    return [route("sobjects/{}/describe/layouts", get=_described)]


def _described(call: Call) -> Reply:
    """The layouts of the user's profile (REST API guide, "SObject Layouts"), without fields that it may not see."""
    sobject, org = call.sobject(call.args[0]), call.service.org
    layouts = []
    for layout in org.layouts.of(sobject.name):
        names = [name for name in fields_of(layout) if org.access.field(sobject, name) is not None]
        items = [{"label": name, "layoutComponents": [{"type": "Field", "value": name}]} for name in names]
        section = {"heading": layout.name, "layoutRows": [{"layoutItems": [item]} for item in items]}
        layouts.append({"id": layout.id, "detailLayoutSections": [section], "editLayoutSections": []})
    return Reply(body={"layouts": layouts, "recordTypeMappings": [], "recordTypeSelectorRequired": [False]})
