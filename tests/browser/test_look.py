"""Every page, on a laptop and a phone, in light and dark: nothing runs over, nothing is refused, axe finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Company
from worker.store.accounts import Role

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
PAGES = ("/", "/threshold", "/results", "/leads", "LEAD", "/model", "/rules", "/writes", "WRITE", "/audit", "/access")
pytestmark = pytest.mark.timeout(900)
LAPTOP, PHONE = {"width": 1366, "height": 860}, {"width": 390, "height": 844}


@pytest.mark.parametrize(("size", "scheme"), [(LAPTOP, "light"), (PHONE, "dark"), (LAPTOP, "dark"), (PHONE, "light")])
def test_every_page(company: Company, look: Callable[[Page, str], None], size: dict[str, int], scheme: str) -> None:
    page = company.signed_in("iris", Role.ADMIN, viewport=size, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    lead = company.rows("SELECT person_id FROM score ORDER BY score DESC NULLS LAST LIMIT 1")[0].person_id
    write = company.rows("SELECT max(id) FROM ledger")[0][0]
    found: dict[str, Any] = {}
    for name in ("/sign-in-again", *PAGES):
        path = {"LEAD": f"/leads/{lead}", "WRITE": f"/writes/{write}"}.get(name, name)
        page.goto(company.base + path)
        page.wait_for_load_state("networkidle")
        for details in page.locator("details").all():
            details.evaluate("element => element.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], f"{path} runs over"
        page.evaluate(AXE)
        for wrong in page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]:
            if wrong["impact"] in ("serious", "critical"):
                found[f"{path}: {wrong['id']}"] = [node["html"][:160] for node in wrong["nodes"][:3]]
        look(page, f"{name.strip('/').lower() or 'overview'}-{'phone' if size is PHONE else 'laptop'}-{scheme}")
    assert not found
    assert [text for text in said if "404" not in text] == [], "no policy was broken, no script failed"


def test_the_page_to_sign_in(company: Company) -> None:
    company.account("iris", Role.ADMIN)
    for scheme in ("light", "dark"):
        page = company.somebody(color_scheme=scheme)
        page.goto(f"{company.base}/sign-in")
        page.evaluate(AXE)
        violations = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert [wrong["id"] for wrong in violations if wrong["impact"] in ("serious", "critical")] == []
