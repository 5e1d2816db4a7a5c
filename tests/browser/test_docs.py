"""The docs page, by clicks: a tester issues a card and looks it up, and no other host hears of it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from app.api.operations import Audience
from tests.browser.conftest import Watch

pytestmark = pytest.mark.xdist_group("browser")  # one server, one browser


def opened(page: Page, server: str, tag: str, name: str) -> Locator:
    """Open the docs and unfold an operation."""
    if not page.url.startswith(server):
        page.goto(f"{server}/docs")
    operation = page.locator(f"#operations-{tag}-{name}")
    operation.locator(".opblock-summary-control").click()
    expect(operation.locator("button.execute")).to_be_visible()
    return operation


def executed(operation: Locator) -> tuple[str, Any]:
    """Click Execute; gives the status and the body that the page shows."""
    clear = operation.locator("button.btn-clear")
    if clear.is_visible():
        clear.click()
    operation.locator("button.execute").click()
    answer = operation.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_be_visible()
    status = (answer.locator(".response-col_status").text_content() or "").strip()[:3]
    shown = answer.locator(".response-col_description .highlight-code code").first.text_content() or ""
    return status, json.loads(shown)


def choose(operation: Locator, example: str) -> None:
    operation.locator(".opblock-section-request-body .examples-select select").select_option(example)


def fill(operation: Locator, body: object) -> None:
    operation.locator("textarea.body-param__text").fill(json.dumps(body, ensure_ascii=False))


# the others are posted with the same fresh numbers in tests/api/test_cards.py
@pytest.mark.parametrize("example", ["visa_free", "mrz_only", "with_entry"])
def test_an_example_is_executed_twice_and_issues_two_cards(page: Page, server: str, watch: Watch, example: str) -> None:
    issue = opened(page, server, "traveller", "issueCard")
    choose(issue, example)
    cards = []
    for _ in range(2):
        status, card = executed(issue)
        assert status == "201"
        assert card["status"] == ("active" if example == "with_entry" else "declared")
        cards.append(card)
    assert cards[0]["number"] != cards[1]["number"]
    assert cards[0]["traveller"] != cards[1]["traveller"]  # a fresh document number, so another person
    assert cards[1]["supersedes"] is None
    assert watch == Watch()


def test_a_card_is_issued_and_found_again_by_clicks(page: Page, server: str, watch: Watch) -> None:
    issue = opened(page, server, "traveller", "issueCard")
    _, card = executed(issue)

    show = opened(page, server, "checkpoint", "getCard")
    show.locator("input[placeholder='number']").fill(card["number_text"].lower())
    status, shown = executed(show)
    assert (status, shown["number"]) == ("200", card["number"])

    look_up = opened(page, server, "checkpoint", "lookUpCards")
    holder, document = card["holder"], card["document"]
    fill(
        look_up,
        {
            "access_purpose": "border_check",
            "by": "document",
            "issuing_state": document["issuing_state"],
            "number": document["number"],
            "birth_date": holder["birth_date"],
        },
    )
    status, found = executed(look_up)
    assert status == "200"
    assert [item["card"]["number"] for item in found["items"]] == [card["number"]]

    enter = opened(page, server, "checkpoint", "enterOnCard")
    enter.locator("input[placeholder='number']").fill(card["number"])
    status, crossed = executed(enter)
    assert (status, crossed["reason"]) == ("201", "admitted")
    assert watch == Watch()


def test_a_refusal_shows_its_problem(page: Page, server: str) -> None:
    look_up = opened(page, server, "checkpoint", "lookUpCards")
    fill(look_up, {"access_purpose": "test", "by": "document"})
    status, problem = executed(look_up)
    assert (status, problem["type"]) == ("422", "/problems/validation-failed")


def test_an_operation_of_each_audience_unfolds_without_complaint(page: Page, server: str, watch: Watch) -> None:
    page.goto(f"{server}/docs")
    sections = page.locator(".opblock-tag-section")
    expect(sections).to_have_count(len(Audience))
    for index in range(len(Audience)):
        sections.nth(index).locator(".opblock-summary-control").first.click()
        expect(page.locator("button.execute")).to_have_count(index + 1)
    assert watch == Watch()


def test_the_page_of_a_problem_opens_without_complaint(page: Page, server: str, watch: Watch) -> None:
    page.goto(f"{server}/problems/open-card-exists")
    expect(page.locator("h1")).to_have_text("The person is in the country on another card")
    page.get_by_role("link", name="/docs").click()
    expect(page.locator(".opblock").first).to_be_visible()
    assert watch == Watch()


def test_another_host_is_not_reached(page: Page, server: str, watch: Watch) -> None:
    """The count of the tests above would be zero too if nothing were counted."""
    page.goto(f"{server}/livez")
    page.evaluate("fetch('http://example.org/').catch(() => null)")
    assert watch.elsewhere == ["http://example.org/"]


def test_a_violation_of_the_policy_is_noticed(page: Page, server: str, watch: Watch) -> None:
    page.goto(f"{server}/docs")
    page.evaluate(
        "() => { const made = document.createElement('script'); made.text = '1'; document.body.append(made) }"
    )
    page.wait_for_timeout(100)
    assert any("script-src" in complaint for complaint in watch.complaints)


def test_what_it_looks_like(page: Page, server: str) -> None:
    """Leaves a picture where MIGCARD_SCREENSHOTS says, for people to look at."""
    issue = opened(page, server, "traveller", "issueCard")
    executed(issue)
    box = page.locator(".swagger-ui").bounding_box()
    assert box
    assert box["width"] <= 1280  # nothing has to be scrolled sideways
    if folder := os.environ.get("MIGCARD_SCREENSHOTS"):
        for name, place in (("top", page.locator(".info")), ("answer", issue.locator(".live-responses-table"))):
            place.scroll_into_view_if_needed()
            page.screenshot(path=Path(folder) / f"docs-{name}.png")
