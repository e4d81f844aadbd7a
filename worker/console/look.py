"""How pages are made: templates, and how numbers, times and names of ours are said to people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from worker.store.accounts import Role

if TYPE_CHECKING:
    from worker.console.desk import Desk

HERE = Path(__file__).parent
STATIC = HERE / "static"
PAGES = (
    ("/", "Overview", "overview"),
    ("/threshold", "Threshold", "threshold"),
    ("/results", "Results", "results"),
    ("/leads", "Leads", "leads"),
    ("/model", "Model", "model"),
    ("/rules", "Rules", "rules"),
    ("/writes", "Writes", "writes"),
    ("/audit", "Audit", "audit"),
)
_UNKNOWN = "\u2013"
_BUCKETS = ("hot", "warm", "nurture", "cold", "unscored")


class Look:
    """The templates, compiled once."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True, auto_reload=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters.update(
            ago=ago, when=when, day=day, count=count, percent=percent, signed=signed, said=said, number=number,
            setting=setting,
        )  # fmt: skip
        self._templates.globals.update(pages=PAGES, asset=_assets(), hue=hue, chart=chart, roles=Role)

    def response(self, request: Request, template: str, status: int, desk: Desk | None, **values: Any) -> HTMLResponse:
        """`desk`: None where nobody has signed in."""
        settings = desk.settings if desk else None
        shared = {
            "desk": desk,
            "path": request.url.path,
            "goal": desk.goal if desk else None,
            "goals": settings.goal_names if settings else (),
            "query": f"?goal={desk.goal}" if desk and settings and desk.goal != settings.goal else "",
            "now": desk.now() if desk else datetime.now(UTC),
        }
        return HTMLResponse(self._templates.get_template(template).render(**shared | values), status)


def _assets() -> Mapping[str, str]:
    """By path under `static`, the address of a file: another one when the file changes, so that it may be kept."""
    return {
        str(file.relative_to(STATIC)): f"/static/{file.relative_to(STATIC)}?{_digest(file)}"
        for file in STATIC.rglob("*")
        if file.suffix in (".css", ".js", ".svg")
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def ago(then: datetime | None, now: datetime) -> Markup:
    """How long ago, with the instant itself for whoever points at it."""
    if then is None:
        return Markup('<span class="faint">never</span>')
    return Markup('<time datetime="{}" title="{}">{}</time>').format(then.isoformat(), when(then), _apart(then, now))


def _apart(then: datetime, now: datetime) -> str:
    seconds = (now - then).total_seconds()
    if seconds < 0:
        return f"in {_length(-seconds)}"
    return "just now" if seconds < 5 else f"{_length(seconds)} ago"


def _length(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def when(instant: datetime | None) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if instant else _UNKNOWN


def day(instant: datetime | None) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d") if instant else _UNKNOWN


def count(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.0f}"


def number(value: float | None, digits: int = 1) -> str:
    return _UNKNOWN if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int | None = None) -> str:
    """Of 1; small shares with a decimal."""
    if share is None:
        return _UNKNOWN
    shown = 100 * share
    places = digits if digits is not None else 0 if shown >= 9.95 or shown == 0 else 1
    if shown < 100 and round(shown, places) >= 100:  # all but a few are not all
        return "99.9 %"
    return f"{shown:.{places}f} %"


def signed(value: float | None, digits: int = 0) -> str:
    return _UNKNOWN if value is None else f"{value:+.{digits}f}".replace("-", "\u2212")


def said(word: str | None) -> str:
    """A word of ours as people write it."""
    return _UNKNOWN if word is None else word.replace("_", " ")


def setting(value: Any) -> str:
    """A setting's value as a person would type it."""
    match value:
        case None:
            return _UNKNOWN
        case str():
            return value
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return ", ".join(value) or "(none)"
    return json.dumps(value)


def hue(bucket: str | None) -> str:
    """Which of the bucket colours a bucket has; those that a policy names otherwise are plain."""
    return bucket if bucket in _BUCKETS else "plain"


def chart(kind: str, **data: Any) -> Markup:
    """The attributes of an element that a script draws a chart into."""
    return Markup('data-chart="{}" data-values="{}"').format(kind, escape(json.dumps(data, default=_plain)))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no place in a chart")
