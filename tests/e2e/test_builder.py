"""The rule builder in a real browser: by mouse, by keyboard, on a phone."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from crm import profiles
from crm.models import Answer, Customer, Question, Survey
from segments import domain, refresh
from segments.models import Segment
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def shop(transactional_db: None) -> None:
    """Five customers, of whom three bought milk and one of those bread too."""
    user = User.objects.create_user("marketing", password="marketing-demo-pass", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketing"))
    milk, bread = a_product("milk", make.category("Food > Milk")), a_product("bread", make.category("Food > Bread"))
    for number, products in enumerate([[milk], [milk], [milk, bread], [bread], []]):
        customer = a_customer(first_name=f"Ilze{number}", city="Riga" if number % 2 else "Tartu")
        if products:
            a_receipt(customer, [(product, "1", 100) for product in products], sold_on=timezone.localdate())
    profiles.recount()


def log_in(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/admin/login/?next=/admin/segments/segment/add/")
    page.fill("[name=username]", "marketing")
    page.fill("[name=password]", "marketing-demo-pass")
    page.keyboard.press("Enter")
    page.wait_for_url("**/segment/add/")
    expect(page.locator("[data-rule-builder] fieldset")).to_be_visible()


def test_ready_made_rule_is_completed_counted_and_saved(shop: None, live_server: LiveServer, page: Page) -> None:
    log_in(page, live_server)
    page.click("text=Bought this, never that")
    expect(page.locator(".rb-problem:visible")).to_have_text(["Choose a category.", "Choose a category."])
    for place, (typed, offered) in enumerate([("milk", "Food > Milk"), ("bre", "Food > Bread")]):
        field = page.locator("[data-filter=category] [role=combobox]").nth(place)
        field.fill(typed)
        page.get_by_role("option", name=offered).click()
    page.locator("[data-filter=last] input").fill("100")
    page.locator("[data-filter=last] select").select_option("years")
    expect(page.locator("[data-test=count]")).to_have_text("2")
    expect(page.locator(".rb-away").filter(has_text="takes away")).to_have_text(["takes away 1", "takes away 1"])
    expect(page.locator(".rb-sentence")).to_have_text(
        "Purchase of “Food > Milk” in the last 100 years and no purchase of “Food > Bread”"
    )
    expect(page.locator(".rb-sample")).to_have_text("For example: Ilze0 (Tartu), Ilze1 (Riga)")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("h1.segment-title")).to_have_text("Bought this, never that")
    assert Segment.objects.get().rule == a_rule(
        {
            "and": [
                ask("bought", "is", True, category="Food > Milk", last="100 years"),
                {"not": ask("bought", "is", True, category="Food > Bread")},
            ]
        }
    )


def test_rule_is_built_by_keyboard_alone(shop: None, live_server: LiveServer, page: Page) -> None:
    log_in(page, live_server)
    page.locator("[name=name]").fill("Of Riga")
    page.get_by_role("button", name="Add a condition").press("Enter")
    page.keyboard.type("city")
    page.keyboard.press("Tab")
    page.keyboard.type("is one")
    for keys in ("Tab", "r", "i"):
        page.keyboard.press(keys)
    expect(page.locator(".rb-list [role=option]")).to_have_text(["Riga2"])
    for keys in ("ArrowDown", "Enter"):
        page.keyboard.press(keys)
    expect(page.locator("[data-test=count]")).to_have_text("2")
    page.keyboard.press("Escape")
    page.keyboard.press("Backspace")  # takes the last value back
    expect(page.locator(".rb-problem:visible")).to_have_text("Choose at least one value for “city”.")
    page.keyboard.type("Tartu")
    page.keyboard.press("Enter")
    expect(page.locator("[data-test=count]")).to_have_text("3")
    page.locator("[name=name]").press("Enter")
    expect(page.locator("h1.segment-title")).to_have_text("Of Riga")
    assert Segment.objects.get().rule == a_rule(ask("city", "in", ["Tartu"]))


def test_saved_rule_comes_back_as_it_was(shop: None, live_server: LiveServer, page: Page) -> None:
    rule = a_rule(
        {
            "or": [
                ask("spend", "between", [1, "2.5"], category="Food", since="2026-01-01", channel="till"),
                {"and": [ask("age", "unknown"), ask("gender", "in", ["female", "male"])]},
                {"not": {"or": [ask("birthday", "in next", 7), ask("consent_email", "is", False)]}},
                {"not": {"and": [ask("age", "known"), {"not": ask("age", "=", 3)}]}},
                {"or": [{"and": [ask("age", "=", 4)]}, {"not": {"or": [ask("age", "=", 5)]}}]},
                ask("first_purchase", "<=", "2026-05-01"),
            ]
        }
    )
    segment = domain.create_segment(name="All kinds", rule=rule, by=None)
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/segments/segment/{segment.pk}/change/")
    expect(page.locator("[data-test=count]")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("h1.segment-title")).to_have_text("All kinds")
    segment.refresh_from_db()
    assert (segment.rule, segment.rule_version) == (rule, 1)


def test_builder_fits_a_phone(shop: None, live_server: LiveServer, new_page: Callable[..., Page]) -> None:
    page = new_page(**PHONE)
    log_in(page, live_server)
    page.tap("text=Not seen for 60 days")
    expect(page.locator("[data-test=count]")).to_have_text("0")
    page.get_by_role("button", name="Add a group").tap()
    page.locator(".rb-group .rb-group select").last.select_option("spend")
    page.get_by_label("Narrow down").last.select_option("category")
    sizes: Any = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert sizes[0] <= sizes[1] == 390


def test_members_are_listed_with_since_when(shop: None, live_server: LiveServer, page: Page) -> None:
    segment = domain.create_segment(name="Of Riga", rule=a_rule(ask("city", "=", "Riga")), by=None)
    refresh.refresh_due(now=NOW)
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/segments/segment/")
    page.get_by_role("link", name="2", exact=True).click()
    page.wait_for_url(f"**/{segment.pk}/members/")
    listed = page.locator(".segment-members tbody tr").all_inner_texts()
    assert sorted(line.split("\t") for line in listed) == [
        ["Ilze1", "Riga", "$1", "03/01/2027"],
        ["Ilze3", "Riga", "$1", "03/01/2027"],
    ]
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_role("button", name="Restore")).to_be_visible()
    assert Segment.objects.get().is_archived


def the_rule(page: Page) -> Any:
    return json.loads(page.locator("textarea[name=rule]").input_value())


def test_rule_is_written_as_text_and_back(shop: None, live_server: LiveServer, page: Page) -> None:
    log_in(page, live_server)
    page.locator("[name=name]").fill("By text")
    page.get_by_role("button", name="Text", exact=True).click()
    field = page.locator(".rb-text-field")
    field.fill('city = "Riga" and\nbought(catgory: "Food > Milk")')
    expect(page.locator(".rb-text-said li")).to_have_text(
        ["catgory There is no filter of “purchase” “catgory”. Did you mean “category”?"]
    )
    expect(page.locator(".rb-text-under mark")).to_have_text("catgory")
    page.get_by_role("button", name="Rows", exact=True).click()
    expect(page.locator(".rb-switch [role=status]")).to_have_text("Mend the marked words first.")
    page.locator(".rb-text-where").click()
    page.keyboard.type("category")  # over the word that the button has selected
    expect(page.locator("[data-test=count]")).to_have_text("1")
    page.get_by_role("button", name="Rows", exact=True).click()
    expect(page.locator("[data-filter=category] [role=combobox]")).to_have_value("Food > Milk")
    page.locator("[data-filter=category] [role=combobox]").fill("Food > Bread")
    page.get_by_role("option", name="Food > Bread").click()
    page.get_by_role("button", name="Text", exact=True).click()
    expect(field).to_have_value('city = "Riga" and bought(category: "Food > Bread")')
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("h1.segment-title")).to_have_text("By text")
    assert Segment.objects.get().rule == a_rule(
        {"and": [ask("city", "=", "Riga"), ask("bought", "is", True, category="Food > Bread")]}
    )


def test_text_that_cannot_be_saved_comes_back_as_it_was(shop: None, live_server: LiveServer, page: Page) -> None:
    log_in(page, live_server)
    page.locator("[name=name]").fill("By text")
    page.get_by_role("button", name="Text", exact=True).click()
    page.locator(".rb-text-field").fill("agee > 3")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(
        page.locator(".errorlist, .text-red-600, .text-red-500").filter(has_text="Did you mean “age”?").first
    ).to_be_visible()
    expect(page.locator(".rb-text-field")).to_have_value("agee > 3")
    expect(page.locator(".rb-text-under mark")).to_have_text("agee")
    assert not Segment.objects.exists()


def a_saved_one(page: Page, live_server: LiveServer) -> Segment:
    """Open a saved segment: city, or age and one of two others."""
    rule = a_rule(
        {
            "or": [
                ask("city", "=", "Riga"),
                {"and": [ask("age", ">=", 30), ask("household_size", "=", 2)]},
                ask("gender", "=", "male"),
            ]
        }
    )
    segment = domain.create_segment(name="Moved", rule=rule, by=None)
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/segments/segment/{segment.pk}/change/")
    expect(page.locator("[data-test=count]")).to_be_visible()
    return segment


CITY, AGE, SIZE, MALE = (
    ask("city", "=", "Riga"),
    ask("age", ">=", 30),
    ask("household_size", "=", 2),
    ask("gender", "=", "male"),
)


def test_conditions_are_moved_by_keyboard(shop: None, live_server: LiveServer, page: Page) -> None:
    a_saved_one(page, live_server)
    page.locator(".rb-handle").last.focus()
    page.keyboard.press("ArrowUp")  # the nearest place above is at the end of the group
    assert the_rule(page) == a_rule({"or": [CITY, {"and": [AGE, SIZE, MALE]}]})
    expect(page.locator(".rb-handle:focus")).to_have_count(1)
    page.keyboard.press("ArrowUp")
    assert the_rule(page) == a_rule({"or": [CITY, {"and": [AGE, MALE, SIZE]}]})
    for _ in range(2):
        page.keyboard.press("ArrowUp")
    assert the_rule(page) == a_rule({"or": [CITY, MALE, {"and": [AGE, SIZE]}]})
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Into a group").press("Enter")
    assert the_rule(page) == a_rule({"or": [CITY, {"and": [MALE, AGE, SIZE]}]})
    page.get_by_role("button", name="Out of the group").press("Enter")
    assert the_rule(page) == a_rule({"or": [CITY, {"and": [AGE, SIZE]}, MALE]})
    expect(page.locator("[data-rule-builder] [aria-live=assertive]")).to_have_text(
        "Now at place 3 of 3 under “any of these”."
    )
    page.keyboard.press("Shift+Tab")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("h1.segment-title")).to_have_text("Moved")


def test_conditions_and_groups_are_dragged(shop: None, live_server: LiveServer, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 1400})  # the number stays in sight, and over the last rows
    a_saved_one(page, live_server)
    rows = page.locator(".rb-row")
    rows.nth(0).locator(".rb-handle").drag_to(rows.nth(1), target_position={"x": 40, "y": 45})
    assert the_rule(page) == a_rule({"or": [{"and": [AGE, CITY, SIZE]}, MALE]})
    page.locator(".rb-group .rb-group > .rb-group-head .rb-handle").drag_to(
        rows.last, target_position={"x": 40, "y": 45}
    )
    assert the_rule(page) == a_rule({"or": [MALE, {"and": [AGE, CITY, SIZE]}]})


def test_argument_is_asked_for_first(shop: None, live_server: LiveServer, page: Page) -> None:
    question = Question.objects.create(slug="favourite-season", text="Which season?")
    survey = Survey.objects.create(slug="seasons", title="Seasons")
    for customer in Customer.objects.all()[:2]:
        Answer.objects.create(
            customer=customer, survey=survey, question=question, value="winter", answered_at=timezone.now()
        )
    log_in(page, live_server)
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("What", exact=True).select_option("answer")
    expect(page.locator(".rb-problem:visible")).to_have_text("Choose a question. Choose a value.")
    page.locator("[data-filter=question] [role=combobox]").fill("season")
    page.locator(".rb-list [role=option]").first.click()
    page.get_by_label("Comparison").select_option("=")
    page.get_by_role("combobox", name="Value").click()
    page.locator(".rb-list [role=option]").filter(has_text="winter").click()
    expect(page.locator("[data-test=count]")).to_have_text("2")
    page.get_by_role("button", name="Add a condition").last.click()
    page.get_by_label("What", exact=True).last.select_option("mails")
    page.locator("[data-filter=event] select").select_option("opened")
    page.get_by_label("Comparison").last.select_option("=")
    page.locator(".rb-row").last.locator("input[type=number]").fill("0")
    expect(page.locator("[data-test=count]")).to_have_text("2")
    page.get_by_role("button", name="Text", exact=True).click()
    expect(page.locator(".rb-text-field")).to_have_value('answer("favourite-season") = "winter" and mails(opened) = 0')


def test_change_against_the_saved_rule_is_shown(shop: None, live_server: LiveServer, page: Page) -> None:
    segment = domain.create_segment(name="Of Riga", rule=a_rule(ask("city", "=", "Riga")), by=None)
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/segments/segment/{segment.pk}/change/")
    expect(page.locator("[data-test=count]")).to_have_text("2")
    expect(page.locator("[data-test=change]")).to_have_count(0)
    page.get_by_role("button", name="Text", exact=True).click()
    page.locator(".rb-text-field").fill('bought(category: "Food > Milk")')
    expect(page.locator("[data-test=change]")).to_have_text("+2, −1 against the saved rule")


def test_segments_are_compared_and_a_part_becomes_one(shop: None, live_server: LiveServer, page: Page) -> None:
    riga = domain.create_segment(name="Of Riga", rule=a_rule(ask("city", "=", "Riga")), by=None)
    domain.create_segment(name="Milk", rule=a_rule(ask("bought", "is", True, category="Food > Milk")), by=None)
    refresh.refresh_due(now=timezone.now())
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/segments/segment/{riga.pk}/members/")
    page.get_by_role("link", name="Compare…").click()
    page.get_by_label("Segment 2").select_option("Milk")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".compare-venn text")).to_have_text(["1", "1", "2"])
    page.locator(".rg-table tbody tr").nth(1).get_by_role("link").click()
    expect(page.locator("[name=name]")).to_have_value("Of Riga, not Milk")
    expect(page.locator("[data-test=count]")).to_have_text("1")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("h1.segment-title")).to_have_text("Of Riga, not Milk")
