"""What ops do in a browser, from the slider to what the rep sees, and what goes wrong on the way."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Company
from worker.store.accounts import Role

Shot = Callable[[Page, str], None]
pytestmark = pytest.mark.timeout(900)


def test_ops_moves_the_line_and_the_rep_sees_the_new_mqls(company: Company, shot: Shot) -> None:
    before = company.rep_sees("mql")
    page = company.signed_in("olga", Role.PUBLISHER)
    expect(page.locator("#live")).to_contain_text("Writes verified today")
    shot(page, "overview")
    page.get_by_role("link", name="Threshold").click()
    line = page.get_by_label(re.compile("Marketing qualified from"))
    line.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#enter-shown")).to_have_text("69")
    page.get_by_label("Reps").fill("3")
    line.fill("55")
    meant = page.locator("#what-if")
    expect(meant).to_contain_text("people would be over the line at once")
    expect(meant).to_contain_text("3 reps take 45 leads a week")
    expect(page.get_by_role("button", name="Who?")).to_have_attribute("hx-get", re.compile("enter=55"))  # not 69 still
    over = int(re.search(r"(\d+) people would be over", meant.inner_text())[1])  # type: ignore[index]
    page.get_by_role("button", name="Who?").click()
    expect(page.locator("#flips tbody tr")).to_have_count(min(over, 25))
    page.get_by_role("button", name="Save the line as draft").click()
    expect(page.get_by_text("The draft is saved.")).to_be_visible()
    page.get_by_role("button", name="Replay 90 days").click()
    replay = page.locator("#replay")
    expect(replay).to_contain_text("Would become MQL:")
    shot(page, "threshold")
    lead = replay.get_by_role("link").first
    name, address = lead.inner_text(), lead.get_attribute("href")
    page.get_by_label("Why").fill("three reps have time")
    page.get_by_role("button", name="Publish the draft").click()
    expect(page.get_by_text("Policy 2 is in force.")).to_be_visible()
    company.sync()
    assert company.rep_sees("mql") > before, "the rep page shows the new MQLs"
    expect(page.get_by_text(re.compile("All .* people are scored by it"))).to_be_visible()
    page.goto(f"{company.base}{address}")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.locator("#reasons")).to_contain_text("the score")
    expect(page.locator("#live")).to_contain_text("mql")
    shot(page, "lead")
    rep = company.somebody()
    rep.goto(f"{company.practice.address['salesforce']['url']}/sandbox/")
    expect(rep.get_by_role("cell", name="mql", exact=True).first).to_be_visible()
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("row", name=re.compile("olga.*policy publish.*mql.enter 70 → 55"))).to_be_visible()


def test_a_wrong_password_and_then_the_right_one(company: Company) -> None:
    company.account("wanda", Role.VIEWER)
    page = company.somebody()
    page.goto(f"{company.base}/leads?bucket=warm")
    page.get_by_label("Name").fill("wanda")
    page.get_by_label("Password").fill("not this one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Leads")).to_be_visible()
    assert page.url.endswith("/leads?bucket=warm"), "where they wanted to go"


def test_an_expired_session_leads_back_after_signing_in(company: Company) -> None:
    page = company.signed_in("xenia", Role.VIEWER)
    page.goto(f"{company.base}/leads")
    company.rows("""
        UPDATE console_session s SET seen_at = seen_at - interval '9 hours' FROM console_account a
        WHERE a.id = s.account_id AND a.name = 'xenia'
    """)
    page.get_by_label("Search").fill("a")
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    page.get_by_label("Name").fill("xenia")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Leads")).to_be_visible()


def test_an_editor_prepares_and_may_not_publish(company: Company) -> None:
    page = company.signed_in("edgar", Role.EDITOR)
    page.goto(f"{company.base}/threshold?draft=calm")
    page.get_by_label(re.compile("Marketing qualified from")).fill("80")
    page.get_by_role("button", name="Save the line as draft").click()
    expect(page.get_by_text("To publish you need the role publisher")).to_be_visible()
    expect(page.get_by_role("button", name="Publish the draft")).to_have_count(0)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Throw the draft away").click()
    expect(page.get_by_text("There is no draft.")).to_be_visible()


def test_two_editors_at_once(company: Company) -> None:
    one, other = company.signed_in("una", Role.EDITOR), company.signed_in("otto", Role.EDITOR)
    for page in (one, other):
        page.goto(f"{company.base}/rules")
    one.get_by_role("button", name="Save as draft").click()
    expect(one.get_by_text("The draft is saved.")).to_be_visible()
    text = other.get_by_label("Rules, as YAML")
    text.fill(text.input_value() + "\n# Otto was here\n")
    expect(other.locator("#check")).to_contain_text("nothing wrong")
    other.get_by_role("button", name="Save as draft").click()
    expect(other.locator("#outcome")).to_contain_text("una has changed this draft")
    assert "Otto was here" in text.input_value(), "what was typed is not lost"


def test_rules_are_wrong_as_one_types(company: Company) -> None:
    page = company.signed_in("rolf", Role.EDITOR)
    page.goto(f"{company.base}/rules")
    page.get_by_label("Rules, as YAML").fill("version: 1\nbase: 200\n")
    expect(page.locator("#check")).to_contain_text("mistake")
    expect(page.locator("#check")).to_contain_text("line 1")


def test_live_without_reloading(company: Company) -> None:
    page = company.signed_in("lena", Role.VIEWER)
    stopped = page.evaluate("window.stays = true")
    company.rows(
        "UPDATE stream SET problem = 'a tree fell on the line', problem_code = 'AuthFailed' WHERE name = 'push'"
    )
    expect(page.get_by_role("alert")).to_contain_text("a tree fell on the line")
    company.rows("UPDATE stream SET problem = NULL, problem_code = NULL WHERE name = 'push'")
    expect(page.get_by_text("a tree fell on the line")).to_have_count(0)
    assert stopped
    assert page.evaluate("window.stays"), "the page was never loaded again"


def test_by_keyboard_alone(company: Company) -> None:
    page = company.signed_in("kai", Role.VIEWER)
    page.goto(f"{company.base}/leads")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("zzzzqq")
    expect(page.get_by_text("Nobody")).to_be_visible()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    expect(page.locator("#list tbody tr").first).to_be_visible()
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Light or dark").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before, "the choice is kept"
