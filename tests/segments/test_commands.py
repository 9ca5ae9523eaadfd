"""Rules from the command line: the number, the members, the clock, and mistakes under the word."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from crm import profiles
from crm.models import Question
from segments import domain
from segments.commands import under_the_word
from segments.tokens import Places
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import TODAY

pytestmark = pytest.mark.django_db


def run(command: str, rule: str, **options: str) -> str:
    call_command(command, rule, **options, stdout=(out := StringIO()))
    return out.getvalue()


def refused(rule: str, **options: str) -> str:
    with pytest.raises(CommandError) as caught:
        run("segment_count", rule, **options)
    assert caught.value.returncode == 2
    return str(caught.value)


def test_count_prints_the_number_and_nothing_else() -> None:
    for city in ("Riga", "Riga", "Tartu"):
        a_customer(city=city)
    assert run("segment_count", 'city = "Riga"') == "2\n"
    assert run("segment_count", 'city = "Ogre"') == "0\n"


def test_members_are_printed_in_order_one_a_line() -> None:
    for number in ("C3", "A1", "B2"):
        make.customer(number=number, city="Riga")
    make.customer(number="D4", city="Tartu")
    assert run("segment_members", "city in (Riga)") == "A1\nB2\nC3\n"
    assert run("segment_members", "city = Ogre") == ""


def test_as_of_is_the_clock_of_ages_and_windows() -> None:
    buyer = a_customer(birth_date=TODAY.replace(year=2000) + timedelta(days=30))
    a_receipt(buyer, [(a_product("milk"), "1", 100)], sold_on=TODAY)
    profiles.recount()
    later = TODAY + timedelta(days=30)
    for rule, now, then in (("bought(last: 30 days)", "1\n", "0\n"), ("age >= 27", "0\n", "1\n")):
        assert run("segment_count", rule, as_of=TODAY.isoformat()) == now
        assert run("segment_count", rule, as_of=later.isoformat()) == then


def test_day_before_the_newest_receipt_is_refused_with_the_reason() -> None:
    a_receipt(a_customer(), [(a_product("milk"), "1", 100)], sold_on=TODAY)
    assert refused("bought", as_of=(TODAY - timedelta(days=1)).isoformat()) == (
        "The newest receipt is of 2027-03-01, and what is counted includes it: ask for that day or a later one."
    )
    assert refused("bought", as_of="9999-12-31") == "There is no such day."
    assert refused("bought", as_of="soon") == "'soon' is not a date; write it as 2026-01-31."
    with pytest.raises(CommandError, match="'soon' is not a date; write it as 2026-01-31"):
        call_command("segment_count", "bought", "--as-of", "soon")


def test_mistakes_are_shown_under_their_words() -> None:
    make.category("Food > Milk")
    make.category("Toys > Milk")
    assert refused('age > 3\nand bought(catgory: "Milk")\nand agee = 3') == (
        "The rule cannot be used.\n"
        '  and bought(catgory: "Milk")\n'
        "             ^^^^^^^ 2:12: There is no filter of “purchase” “catgory”. Did you mean “category”?\n"
        "  and agee = 3\n"
        "      ^^^^ 3:5: There is no attribute “agee”. Did you mean “age”?"
    )
    assert refused('bought(category: "Milk")') == (
        "The rule cannot be used.\n"
        '  bought(category: "Milk")\n'
        "                   ^^^^^^ “Milk” could be more than one category. "
        "Choose one of: “Food > Milk”, “Toys > Milk”."
    )
    assert "There is no store “x”." in refused('bought(store: "x")')


def test_long_and_wide_lines_are_cut_around_the_word() -> None:
    line = "x" * 500 + "日本" + "y" * 500
    shown = under_the_word(line, Places(line).problem("Here.", 500, 502))
    text, carets = shown.split("\n")
    assert len(text) <= 102
    assert carets == "  " + " " * 50 + "^^^^ Here."


EXAMPLES = (
    'age between 25 and 40 and city in ("Riga", "Tallinn") and spend(last: 90 days) >= 300',
    'receipts(category: "Bricks", last: 12 months) >= 3 and not bought(category: "Cement")',
    "days_since_purchase > 60",
    'rfm_group = "Champions"',
    "r_score >= 4 and f_score = 1 or m_score in (2, 3)",
    "income_band is unknown",
    "birthday in next 7 days",
    'answer("favourite-season") = "winter"',
    'spend(since: 2026-01-01, until: 2026-06-30, store: "Main St", channel: "till") between 100 and 500',
    "mails(opened, last: 90 days) >= 1",
    'distance("Main St") <= 10',
    "spend >= 2000",
    'months_bought(category: "FLUID MILK PRODUCTS") >= 6',
    'in segment "Regulars of milk" and not in segment "Regulars of milk"',
    "receipts(weekday: (saturday, sunday), time: 17:00-20:00) >= 1 and bought(weekday: monday)",
    'share_of_spend(category: "Bricks") >= 30',
    "visits(last: 30 days) >= 2 and reviews >= 1 and wishlist >= 1",
)


@pytest.mark.parametrize("rule", EXAMPLES)
def test_rule_as_the_manual_has_it_is_answered(rule: str) -> None:
    for path in ("Bricks", "Cement", "FLUID MILK PRODUCTS"):
        make.category(path)
    domain.create_segment(name="Regulars of milk", rule=a_rule(ask("bought", "is", True)), by=None)
    make.store("main-st", name="Main St", latitude=56.9, longitude=24.1)
    Question.objects.create(slug="favourite-season", text="Which?")
    a_receipt(a_customer(city="Riga"), [(a_product("milk"), "1", 100)], sold_on=TODAY)
    profiles.recount()
    assert run("segment_count", rule, as_of=TODAY.isoformat()).strip() in ("0", "1")


def test_scores_are_computed_afresh() -> None:
    """Nothing has been stored yet: the cut points are those of the moment that is asked for."""
    milk = a_product("milk")
    for number in range(10):
        a_receipt(a_customer(), [(milk, "1", 100 * (number + 1))], sold_on=TODAY - timedelta(days=30 * number))
    profiles.recount()
    assert int(run("segment_count", "r_score = 5", as_of=TODAY.isoformat())) > 0
    assert run("segment_count", "r_score is known", as_of=TODAY.isoformat()) == "10\n"
