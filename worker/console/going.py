"""Where somebody goes after a change."""

from __future__ import annotations

from fastapi.responses import RedirectResponse, Response

from worker.console.desk import Desk


def back(desk: Desk, address: str) -> Response:
    """To a page of ours, by the goal that it was about, whoever asked: a form, or a script of htmx."""
    if desk.goal != desk.settings.goal:
        address += ("&" if "?" in address else "?") + f"goal={desk.goal}"
    if "hx-request" in desk.request.headers:
        return Response(headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)
