"""The till in a real browser, without a mouse."""

import random
import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from crm import loyalty, products, profiles, sales
from crm.models import Consent, Customer, CustomerProfile, LoyaltyCard, LoyaltyProgramme, Product, Receipt, ReceiptMail
from tests.crm import make

pytestmark = pytest.mark.django_db(transaction=True)

CARD = "29000012345"
MILK, BREAD, CHEDDAR = "4006381333900", "4006381333917", "4006381333924"


@pytest.fixture
def shop(transactional_db: None) -> Customer:
    """A store, three products, a card holder and somebody to stand at the till."""
    make.store("main")
    for barcode, name, price_minor in (
        (MILK, "Whole milk", 129),
        (BREAD, "Rye bread", 485),
        (CHEDDAR, "Cheddar", 1890),
    ):
        search_text = products.search_text(name=name, sku=name)
        make.product(name, price_minor=price_minor, barcode=barcode, sku=name, search_text=search_text, path="Food")
    user = User.objects.create_user("anna", password="at-the-till")
    user.user_permissions.set(Permission.objects.filter(codename__in=["ring_up_sale", "lookup_customer"]))
    return make.customer("Marta Kalniņa", card=CARD, email="marta@example.com", phone="+1 212 555 0147")


def open_till(page: Page, live_server: LiveServer) -> None:
    page.goto(live_server.url + "/till/")
    page.locator("[name=username]").fill("anna")
    page.locator("[name=password]").fill("at-the-till")
    page.keyboard.press("Enter")
    expect(page.locator("body[data-ready] #scan")).to_be_focused()


@pytest.fixture
def till(page: Page, live_server: LiveServer, shop: Customer) -> Page:
    open_till(page, live_server)
    return page


def scan(page: Page, *codes: str) -> None:
    """As a scanner does: no pause between keys, nor between codes."""
    for code in codes:
        page.keyboard.type(code)
        page.keyboard.press("Enter")


def lines(page: Page, count: int) -> None:
    expect(page.locator("#lines tbody tr")).to_have_count(count)


def answer_sales(page: Page, answer: Callable[[Route], None]) -> None:
    """Answer sales in the server's stead. The browser may take a moment to heed a route: wait until it does."""

    def handle(route: Route) -> None:
        if route.request.method == "GET":  # only we ask this address so
            route.fulfill(status=299, body="heeded")
        else:
            answer(route)

    page.route("**/till/sales/", handle)
    page.wait_for_function("() => fetch('/till/sales/').then(answer => answer.status === 299)")


def paid(page: Page) -> None:
    expect(page.locator(".done-head")).to_be_visible(timeout=20_000)


def test_card_scan_pay_and_nothing_else(till: Page, shop: Customer) -> None:
    scan(till, CARD, MILK, BREAD, MILK)
    lines(till, 2)
    expect(till.locator("#total")).to_have_text("$7.43")
    expect(till.locator(".who-name")).to_have_text("Marta Kalniņa")

    till.keyboard.press("F8")
    paid(till)

    receipt = Receipt.objects.get()
    assert (receipt.total_minor, receipt.customer, receipt.payment) == (743, shop, "card")
    assert [(line.product.name, line.quantity) for line in receipt.lines.order_by("position")] == [
        ("Whole milk", Decimal(2)),
        ("Rye bread", Decimal(1)),
    ]
    expect(till.locator("#done")).to_contain_text("+7 points earned")
    # The next customer can come at once.
    expect(till.locator("#scan")).to_be_focused()
    scan(till, BREAD)
    lines(till, 1)
    expect(till.locator("#done")).to_be_hidden()
    till.keyboard.press("F9")
    paid(till)
    assert list(Receipt.objects.order_by("id").values_list("customer", "total_minor", "payment")) == [
        (shop.pk, 743, "card"),
        (None, 485, "cash"),
    ]
    expect(till.locator(".change dd").first).to_have_text("$0.15")
    assert list(profiles.differences()) == []


def test_quantity_price_and_discount_are_edited_by_keyboard(till: Page) -> None:
    scan(till, f"3*{MILK}", CHEDDAR)
    lines(till, 2)
    till.keyboard.press("ArrowUp")
    till.keyboard.type("0,325")
    till.keyboard.press("Tab")
    till.keyboard.type("20")
    till.keyboard.press("Tab")
    till.keyboard.type("10%")
    till.keyboard.press("ArrowUp")
    till.keyboard.type("1")
    till.keyboard.press("Enter")
    expect(till.locator("#scan")).to_be_focused()
    expect(till.locator("#total")).to_have_text("$8.72")
    expect(till.locator("#summary")).to_have_text("2 lines · $1.65 off")

    till.keyboard.press("F8")
    paid(till)

    assert list(
        Receipt.objects.get().lines.order_by("position").values_list("quantity", "unit_price", "discount_minor")
    ) == [(Decimal(3), Decimal("1.29"), 100), (Decimal("0.325"), Decimal(20), 65)]


def test_a_line_is_removed_by_keyboard(till: Page) -> None:
    scan(till, MILK, BREAD)
    lines(till, 2)
    till.keyboard.press("ArrowUp")
    till.keyboard.press("Shift+Delete")

    lines(till, 1)
    expect(till.locator("#total")).to_have_text("$1.29")


def test_products_and_customers_are_found_by_name_with_arrows_and_enter(till: Page, shop: Customer) -> None:
    till.keyboard.type("brad")
    expect(till.locator("#product-list [role=option]")).to_have_count(1)
    till.keyboard.press("ArrowDown")
    till.keyboard.press("Enter")
    lines(till, 1)
    till.keyboard.press("F2")
    till.keyboard.type("kalnina")
    till.keyboard.press("Enter")
    expect(till.locator("#customer-list [aria-selected=true]")).to_contain_text("Marta Kalniņa")
    till.keyboard.press("Enter")
    expect(till.locator(".who-name")).to_have_text("Marta Kalniņa")
    expect(till.locator("#scan")).to_be_focused()

    till.keyboard.press("F8")
    paid(till)

    assert Receipt.objects.get().customer == shop


def test_two_with_one_phone_are_both_shown_and_one_alone_is_taken(till: Page) -> None:
    till.keyboard.press("F2")
    till.keyboard.type("(212) 555-0147")
    till.keyboard.press("Enter")
    expect(till.locator(".who-name")).to_have_text("Marta Kalniņa")
    make.customer("Marek Novák", phone="+1 212 555 0147")

    till.keyboard.press("F2")
    till.keyboard.type("(212) 555-0147")
    till.keyboard.press("Enter")

    expect(till.locator("#customer-list [data-person]")).to_have_count(2)


def test_an_unknown_code_says_so_and_the_next_scan_writes_over_it(till: Page) -> None:
    scan(till, "4000000000000")
    expect(till.locator("#message")).to_contain_text("No product and no card has “4000000000000”")

    scan(till, MILK)

    lines(till, 1)
    expect(till.locator("#message")).to_be_hidden()


def test_what_cannot_be_charged_is_pointed_at_before_it_is_sent(till: Page) -> None:
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("Scan a product first")
    Product.objects.filter(name="Cheddar").update(price_minor=None)
    scan(till, CHEDDAR)
    expect(till.locator("[data-field=price]")).to_be_focused()
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("Cheddar has no price")
    till.keyboard.type("5")
    till.keyboard.press("Tab")
    till.keyboard.type("6")
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("discount is more")
    expect(till.locator("[data-field=discount]")).to_be_focused()

    till.keyboard.type("1")
    till.keyboard.press("F8")
    paid(till)

    assert Receipt.objects.get().total_minor == 400


def test_pressing_pay_many_times_is_one_sale(till: Page) -> None:
    scan(till, MILK)
    lines(till, 1)
    for key in ("F8", "F8", "F9", "F8"):
        till.keyboard.press(key)
    paid(till)
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("Scan a product first")

    assert Receipt.objects.count() == 1


@pytest.mark.console_errors_expected
def test_an_answer_that_is_lost_and_a_reload_make_one_sale_and_lose_nothing(till: Page) -> None:
    scan(till, CARD, MILK)
    lines(till, 1)
    lost: list[int] = []

    def lose_the_answer(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort()

    answer_sales(till, lose_the_answer)
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("Nothing is lost")
    till.reload()
    expect(till.locator("#message")).to_contain_text("Nothing is lost")
    lines(till, 1)
    till.unroute("**/till/sales/")
    paid(till)

    assert set(lost) == {200} and len(lost) >= 2
    assert Receipt.objects.get().customer is not None


@pytest.mark.console_errors_expected
def test_a_server_in_trouble_is_asked_again_by_itself(till: Page) -> None:
    scan(till, MILK)
    lines(till, 1)
    answers = iter([500, 503])

    def trouble(route: Route) -> None:
        status = next(answers, None)
        if status:
            route.fulfill(status=status, body="broken")
        else:
            route.continue_()

    answer_sales(till, trouble)
    till.keyboard.press("F8")
    paid(till)

    assert Receipt.objects.count() == 1


@pytest.mark.console_errors_expected
@pytest.mark.parametrize("status", [400, 404, 413])
def test_a_sale_that_no_repetition_would_help_gives_the_cart_back(till: Page, status: int) -> None:
    scan(till, MILK)
    lines(till, 1)
    answer_sales(till, lambda route: route.fulfill(status=status, body="<p>no</p>"))
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text(f"did not take this sale ({status})")
    till.unroute("**/till/sales/")
    expect(till.locator("#start-over")).to_be_visible()

    till.keyboard.press("F8")
    paid(till)
    assert Receipt.objects.count() == 1


@pytest.mark.console_errors_expected
def test_a_sale_the_server_breaks_on_is_set_aside_and_sent_later_under_its_own_key(till: Page) -> None:
    scan(till, CARD, CHEDDAR)
    expect(till.locator(".who-name")).to_be_visible()
    lines(till, 1)
    answer_sales(till, lambda route: route.fulfill(status=500, body="broken"))
    till.keyboard.press("F8")
    till.get_by_role("button", name="Set this sale aside").click(timeout=20_000)
    expect(till.locator("#aside")).to_contain_text("1 sale set aside")
    till.unroute("**/till/sales/")

    scan(till, MILK)
    lines(till, 1)
    till.keyboard.press("F9")
    paid(till)
    assert "Marta" not in till.evaluate("localStorage.getItem('regulars-till-aside')")
    till.get_by_role("button", name="Send again", exact=True).click()
    expect(till.locator("#aside")).to_be_hidden()

    totals = Receipt.objects.order_by("id").values_list("total_minor", "payment", "customer__last_name")
    assert list(totals) == [(129, "cash", None), (1890, "card", "Kalniņa")]


@pytest.mark.console_errors_expected
def test_a_sale_set_aside_that_the_server_never_takes_is_dropped_after_a_question(till: Page) -> None:
    answer_sales(till, lambda route: route.fulfill(status=500, body="broken"))
    for code in (CHEDDAR, BREAD):
        scan(till, code)
        lines(till, 1)
        till.keyboard.press("F8")
        till.get_by_role("button", name="Set this sale aside").click(timeout=20_000)
        lines(till, 0)
    rows = till.locator("#aside-list li .what")
    expect(rows).to_have_text(["$18.90 · Cheddar", "$4.85 · Rye bread"])
    till.get_by_role("button", name="Send again", exact=True).click()
    expect(till.locator("#message")).to_contain_text("stays set aside")

    # A scanner's Enter answers "Keep it".
    till.get_by_role("button", name="Drop it: $18.90").click()
    expect(till.locator("#message")).to_contain_text("It will not be recorded")
    till.keyboard.press("Enter")
    expect(till.locator("#message")).to_be_hidden()
    expect(rows).to_have_count(2)

    till.get_by_role("button", name="Drop it: $18.90").click()
    till.get_by_role("button", name="Drop it for good").click()
    expect(rows).to_have_text(["$4.85 · Rye bread"])
    till.reload()
    expect(rows).to_have_text(["$4.85 · Rye bread"])
    till.unroute("**/till/sales/")
    till.get_by_role("button", name="Send again", exact=True).click()
    expect(till.locator("#aside")).to_be_hidden()

    assert list(Receipt.objects.values_list("total_minor", flat=True)) == [485]


@pytest.mark.console_errors_expected
def test_a_browser_that_keeps_nothing_still_lets_a_stuck_sale_be_dropped(till: Page) -> None:
    till.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    scan(till, MILK)
    lines(till, 1)
    answer_sales(till, lambda route: route.fulfill(status=500, body="broken"))
    till.keyboard.press("F8")
    till.get_by_role("button", name="Set this sale aside").click(timeout=20_000)
    expect(till.locator("#message")).to_contain_text("can’t keep the sale")
    till.get_by_role("button", name="Drop it", exact=True).click()
    till.get_by_role("button", name="Drop it for good").click()

    lines(till, 0)
    expect(till.locator("#scan")).to_be_focused()
    till.unroute("**/till/sales/")
    scan(till, BREAD)
    lines(till, 1)
    till.keyboard.press("F9")
    paid(till)
    assert list(Receipt.objects.values_list("total_minor", flat=True)) == [485]


@pytest.mark.console_errors_expected
def test_a_permission_taken_away_is_not_called_an_old_page(till: Page) -> None:
    scan(till, MILK)
    lines(till, 1)
    user = User.objects.get(username="anna")
    held = list(user.user_permissions.all())
    user.user_permissions.clear()
    with till.expect_response("**/till/sales/"):  # a search may be under way, which is refused too
        till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("You may not do this")

    user.user_permissions.set(held)
    till.context.clear_cookies(name="csrftoken")
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("The page is out of date")


@pytest.mark.console_errors_expected
def test_a_session_that_ended_keeps_the_sale_through_the_log_in(till: Page, live_server: LiveServer) -> None:
    scan(till, MILK)
    lines(till, 1)
    till.context.clear_cookies(name="sessionid")
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("You were logged out. Nothing is lost")

    till.get_by_role("link", name="Log in").click()
    till.locator("[name=username]").fill("anna")
    till.locator("[name=password]").fill("at-the-till")
    till.keyboard.press("Enter")

    paid(till)
    assert Receipt.objects.count() == 1


@pytest.mark.console_errors_expected
def test_a_refused_sale_keeps_the_cart_and_can_be_mended(till: Page, shop: Customer) -> None:
    scan(till, CARD, MILK)
    expect(till.locator(".who-name")).to_be_visible()
    lines(till, 1)
    Customer.objects.filter(pk=shop.pk).update(erased_at=make.NOW)
    till.keyboard.press("F8")
    expect(till.locator("#message")).to_contain_text("This customer's record is closed")

    till.get_by_role("button", name="Somebody else").click()
    till.keyboard.press("F8")
    paid(till)

    assert Receipt.objects.get().customer is None


@pytest.mark.console_errors_expected
def test_a_new_customer_is_added_without_leaving_the_sale(till: Page) -> None:
    scan(till, MILK)
    lines(till, 1)
    till.keyboard.press("F2")
    till.keyboard.type("Zoe Newman")
    expect(till.locator("#customer-list")).to_contain_text("Nobody found for “Zoe Newman”")
    till.keyboard.press("Enter")
    till.keyboard.press("Enter")
    expect(till.locator("[name=email]")).to_be_focused()
    assert not till.locator("[name=marketing]").is_checked()
    till.keyboard.press("Enter")
    expect(till.locator(".new-customer .error")).to_contain_text("Type an e-mail address or a phone number")
    till.keyboard.type("zoe@example.com")
    till.keyboard.press("Enter")
    expect(till.locator(".who-name")).to_have_text("Zoe Newman")
    expect(till.locator("#scan")).to_be_focused()

    till.keyboard.press("F8")
    paid(till)

    zoe = Customer.objects.get(email="zoe@example.com")
    assert (Receipt.objects.get().customer, CustomerProfile.objects.get(customer=zoe).points) == (zoe, 1)
    assert not Consent.objects.exists()


def test_a_guests_receipt_is_mailed_by_keyboard_and_consent_is_a_box_of_its_own(till: Page) -> None:
    scan(till, MILK)
    lines(till, 1)
    till.keyboard.press("F8")
    paid(till)
    till.keyboard.press("F4")
    expect(till.locator("#email-address")).to_be_focused()
    assert not till.locator(".email [name=marketing]").is_checked()
    till.keyboard.type("guest@example.com")
    till.keyboard.press("Enter")
    expect(till.locator("#done")).to_contain_text("on its way to guest@example.com")
    expect(till.locator("#scan")).to_be_focused()

    guest = Customer.objects.get(email="guest@example.com")
    assert (Receipt.objects.get().customer, ReceiptMail.objects.get().status) == (guest, "queued")
    assert not Consent.objects.exists()


def test_one_key_mails_to_a_known_customer_and_shows_a_masked_address(till: Page) -> None:
    scan(till, CARD, MILK)
    lines(till, 1)
    till.keyboard.press("F8")
    paid(till)
    expect(till.locator("#done")).to_contain_text("m•••@example.com")
    till.keyboard.press("F4")
    expect(till.locator("#done")).to_contain_text("on its way to m•••@example.com")

    assert ReceiptMail.objects.get().email == "marta@example.com"


def test_the_browsers_sums_are_the_servers(till: Page) -> None:
    dice = random.Random(20)
    cases = [
        {
            "quantity": str(dice.choice([Decimal(dice.randint(1, 20)), Decimal(dice.randint(1, 9999)) / 1000])),
            "price": str(Decimal(dice.randint(0, 10**7)) / dice.choice([100, 10_000, 1_000_000])),
            "discount": "",
        }
        for _ in range(400)
    ]

    sums = till.evaluate(
        "async (cases) => { const { line } = await import('/static/js/till-sums.js'); return cases.map(line); }", cases
    )

    assert [one["total_minor"] for one in sums] == [
        sales.line_total_minor(quantity=Decimal(case["quantity"]), unit_price=Decimal(case["price"]), discount_minor=0)
        for case in cases
    ]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_needs_sideways_scrolling(
    new_page: Callable[..., Page], live_server: LiveServer, shop: Customer, width: int
) -> None:
    page = new_page(viewport={"width": width, "height": 800})
    open_till(page, live_server)
    scan(page, CARD, f"120*{CHEDDAR}", MILK)
    lines(page, 2)

    def sideways() -> int:
        return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    assert sideways() == 0
    page.keyboard.press("F9")
    paid(page)
    assert sideways() == 0
    page.goto(live_server.url + f"/r/{Receipt.objects.get().public_id}/")
    assert sideways() == 0


@pytest.fixture
def points(shop: Customer) -> Customer:
    """The card holder has 250 points, and each hundred is worth $2.00."""
    LoyaltyProgramme(redeem_points=100, redeem_worth_minor=200).save()
    loyalty.adjust_points(customer=shop, points=250, reason="Test", by=None, now=make.NOW, key=uuid.uuid4())
    return shop


def test_points_pay_with_one_key_and_are_kept_after_all_with_another(
    points: Customer, page: Page, live_server: LiveServer
) -> None:
    open_till(page, live_server)
    scan(page, MILK)
    expect(page.locator("#use-points")).to_be_hidden()
    scan(page, CARD)
    expect(page.locator(".who-worth")).to_have_text("Worth $4.00")
    expect(page.locator("#use-points")).to_be_hidden()  # $1.29 is less than a hundred points are worth
    scan(page, BREAD)
    expect(page.locator("#use-points")).to_contain_text("Use 200 points: $4.00 off")
    page.keyboard.press("F6")
    expect(page.locator("#total")).to_have_text("$2.14")
    expect(page.locator("#summary")).to_have_text("2 lines · 200 points used: $4.00 off")
    page.keyboard.press("F6")
    expect(page.locator("#total")).to_have_text("$6.14")
    page.locator("#use-points").click()
    page.reload()
    expect(page.locator("#total")).to_have_text("$2.14")
    expect(page.locator("#use-points")).to_contain_text("Keep the points after all")

    page.keyboard.press("F8")
    paid(page)

    receipt = Receipt.objects.get()
    assert (receipt.total_minor, receipt.discount_minor) == (214, 400)
    assert CustomerProfile.objects.get().points == 250 - 200 + 2
    expect(page.locator("#done")).to_contain_text("200 points used")
    scan(page, BREAD)
    expect(page.locator("#total")).to_have_text("$4.85")
    expect(page.locator("#use-points")).to_be_hidden()
    assert list(profiles.differences()) == []


@pytest.mark.console_errors_expected
def test_points_that_another_till_used_meanwhile_are_refused_and_the_rest_is_offered(
    points: Customer, page: Page, live_server: LiveServer
) -> None:
    open_till(page, live_server)
    scan(page, CARD, BREAD)
    page.keyboard.press("F6")
    expect(page.locator("#total")).to_have_text("$0.85")
    loyalty.adjust_points(customer=points, points=-140, reason="Test", by=None, now=make.NOW, key=uuid.uuid4())

    page.keyboard.press("F9")

    expect(page.locator("#message")).to_contain_text("Only 110 points are left.")
    expect(page.locator("#total")).to_have_text("$2.85")
    assert not Receipt.objects.exists()
    page.keyboard.press("F9")
    paid(page)
    assert Receipt.objects.get().total_minor == 285


def test_a_replaced_card_still_finds_its_owner_and_says_so(till: Page, shop: Customer) -> None:
    new = loyalty.replace_card(card=LoyaltyCard.objects.get(number=CARD), by=None, now=make.NOW)
    scan(till, CARD, MILK)
    expect(till.locator(".who-name")).to_have_text("Marta Kalniņa")
    expect(till.locator(".who-points")).to_contain_text(f"…{new.number[-4:]}")
