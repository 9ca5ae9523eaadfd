"""The text form of rules: what it reads, what it writes, and what it says of mistakes."""

import time
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.attributes import Attribute, Filter, Group, Type, catalogue, register, unregister
from crm.sources import text as text_source
from segments import text
from segments.rules import MAX_CONDITIONS, RuleError, dump
from segments.rules import parse as parse_json
from segments.tree import And, Condition, Last, Node, Not, Or
from tests.segments.strategies import rules
from tests.segments.test_text_mistakes import located, told
from tests.segments.worlds import tiers

C = Condition


def spend(operator: str, value: Any, **filters: Any) -> Condition:
    return C("spend", operator, value, {Filter(name): one for name, one in filters.items()})


READ: list[tuple[str, Node]] = [
    (
        'age between 25 and 40 and city in ("Riga", "Tallinn") and spend(last: 90 days) >= 300',
        And(
            (
                C("age", "between", (Decimal(25), Decimal(40))),
                C("city", "in", ("Riga", "Tallinn")),
                spend(">=", Decimal(300), last=Last(90, "days")),
            )
        ),
    ),
    (
        'receipts(category: "Bricks", last: 12 months) >= 3 and not bought(category: "Cement")',
        And(
            (
                C("receipts", ">=", Decimal(3), {Filter.CATEGORY: "Bricks", Filter.LAST: Last(12, "months")}),
                Not(C("bought", "is", True, {Filter.CATEGORY: "Cement"})),
            )
        ),
    ),
    ("days_since_purchase > 60", C("days_since_purchase", ">", Decimal(60))),
    ("income_band is unknown", C("income_band", "unknown")),
    ("birthday in next 7 days", C("birthday", "in next", Decimal(7))),
    (
        'spend(since: 2026-01-01, until: 2026-06-30, store: "Main St", channel: "till") between 100 and 500',
        spend(
            "between",
            (Decimal(100), Decimal(500)),
            store="Main St",
            channel="till",
            since=date(2026, 1, 1),
            until=date(2026, 6, 30),
        ),
    ),
    ("spend >= 2000", spend(">=", Decimal(2000))),
    ("consent_email", C("consent_email", "is", True)),
    ("not consent_email", Not(C("consent_email", "is", True))),
    ("consent_email is no", C("consent_email", "is", False)),
    ('interests has any ("wine", "cheese")', C("interests", "has any", ("wine", "cheese"))),
    ('city starts with "Ri"', C("city", "starts with", "Ri")),
    ("age not in (30, 40)", C("age", "not in", (Decimal(30), Decimal(40)))),
    ('city != "Riga"', C("city", "!=", "Riga")),
    ("spend(last: 1 day) > 2.5", spend(">", Decimal("2.5"), last=Last(1, "days"))),
    (
        "age > 1 or age > 2 and age > 3",
        Or((C("age", ">", Decimal(1)), And((C("age", ">", Decimal(2)), C("age", ">", Decimal(3)))))),
    ),
    (
        "(age > 1 or age > 2) and age > 3",
        And((Or((C("age", ">", Decimal(1)), C("age", ">", Decimal(2)))), C("age", ">", Decimal(3)))),
    ),
    ("all of (age > 1)", And((C("age", ">", Decimal(1)),))),
    ("any of (age > 1)", Or((C("age", ">", Decimal(1)),))),
    ("not not age > 1", Not(Not(C("age", ">", Decimal(1))))),
]


@pytest.mark.parametrize(("written", "node"), READ)
def test_text_is_read(written: str, node: Node) -> None:
    assert text.parse(written) == node
    assert text.parse(text.write(node)) == node


@pytest.mark.parametrize(
    ("written", "tidy"),
    [
        ("AGE >= 3\nAND\tNot Age\u00a0= 4", "age >= 3 and not age = 4"),
        ("((age > 3))", "age > 3"),
        ("(age > 1 and age > 2)", "age > 1 and age > 2"),
        ("age >= 3 or age ≤ 2 or age <> 1 or age ≠ 0", "age >= 3 or age <= 2 or age != 1 or age != 0"),
        ("city is Riga and city is not 'Tartu'", 'city = "Riga" and city != "Tartu"'),
        (
            "city = “Riga” or city = „Vana \"Tartu\"“ or city = 'l\\'Isle'",
            'city = "Riga" or city = "Vana \\"Tartu\\"" or city = "l\'Isle"',
        ),
        ("consent_email = yes or consent_email = FALSE", "consent_email or consent_email is no"),
        ("birthday in the next 2 weeks", "birthday in next 14 days"),
        ("birthday in next 1 day", "birthday in next 1 day"),
        ("gender = Female", 'gender = "female"'),
        ("city in Riga", 'city in ("Riga")'),
        ("bought(LAST: 3 Months, Channel: TILL)", 'bought(channel: "till", last: 3 months)'),
        ("any of (age > 3, age < 2 and age > 1)", "age > 3 or (age < 2 and age > 1)"),
        ("all of (age > 3, (age < 2 or age > 1))", "age > 3 and (age < 2 or age > 1)"),
        ("age in (3, 3, 4,\n5)", "age in (3, 4, 5)"),
        ("average_receipt > 300.50", "average_receipt > 300.5"),
        ("average_receipt >-1", "average_receipt > -1"),
        ("age between 3 and 4 and age between 5 and 6", "age between 3 and 4 and age between 5 and 6"),
    ],
)
def test_people_may_write_it_in_more_than_one_way(written: str, tidy: str) -> None:
    assert text.write(text.parse(written)) == tidy


ODD_NAMES = [
    "`",
    "(",
    'Main "St"',
    "C:\\new",
    "two\nlines\r\n\t",
    "日本 — ñ",
    "'",
    "{{ 7 * 7 }}",
    "%s",
    "\u202eevil",
    "a\u200db",
    "😀",
    "(",
    "`",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_can_be_written(name: str) -> None:
    node = And((C("city", "=", name), C("bought", "is", True, {Filter.CATEGORY: name, Filter.STORE: name})))
    written = text.write(node)
    assert text.parse(written) == node
    assert all(char.isprintable() or char in "\n\u200c\u200d" for char in written)


def test_long_rule_is_written_on_several_lines_and_read_back() -> None:
    cities = tuple(f"City number {number}" for number in range(8))
    deep = Or(
        (
            C("city", "in", cities),
            And((C("city", "in", cities), Not(Or((C("city", "in", cities), *[C("age", ">", Decimal(3))] * 2))))),
        )
    )
    node = And((C("age", ">", Decimal(3)), deep, C("consent_email", "is", True)))
    written = text.write(node)
    assert written.count("\n") >= 6
    assert text.parse(written) == node


@pytest.mark.django_db
def test_every_rule_survives_its_text_and_its_json() -> None:
    tiers()  # a closed set of their own

    @settings(max_examples=300, deadline=None)
    @given(rules())
    def check(node: Node) -> None:
        written = text.write(node)
        assert text.parse(written) == node
        assert text.write(text.parse(written)) == written
        assert parse_json(dump(node)) == node

    check()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40).filter(lambda one: one.strip() and "\x00" not in one and one.isprintable()), st.data())
def test_whatever_somebody_types_is_read_or_told(word: str, data: st.DataObject) -> None:
    pieces = data.draw(
        st.lists(st.sampled_from(["age", ">", "3", "and", "(", ")", '"', ",", "in", "not", ":", word]), max_size=12)
    )
    try:
        node = text.parse(" ".join(pieces))
    except RuleError as error:
        assert error.problems
        assert all(located(one) and one.message for one in error.problems)
    else:
        assert text.parse(text.write(node)) == node


def test_largest_rule_is_read_quickly() -> None:
    written = " or ".join(["city in (" + ", ".join(f'"c{number}"' for number in range(45)) + ")"] * MAX_CONDITIONS)
    began = time.process_time()
    assert len(text.parse(written).nodes) == MAX_CONDITIONS  # type: ignore[union-attr]
    assert time.process_time() - began < 1


NEITHER = 'not in club "A" or in club "B"'
SEASON = C("answered", "=", "winter", {Filter.QUESTION: "favourite-season"})
STANDINGS = {"cant_lose": "Can't lose", "top": "Champions", "x": "TOP"}


def an_attribute(**declared: Any) -> Attribute:
    usual: dict[str, Any] = {"label": "x", "group": Group.DEMOGRAPHIC, "type": Type.TEXT, "source": text_source("city")}
    return Attribute(**(usual | declared))


@pytest.fixture
def more_attributes() -> Any:
    made = [
        an_attribute(name="answered", argument=Filter.QUESTION),
        an_attribute(
            name="posted",
            type=Type.NUMBER,
            argument=Filter.EVENT,
            events={"sent": "Sent", "opened": "Opened"},
            filters=frozenset({Filter.LAST}),
        ),
        an_attribute(name="away", type=Type.NUMBER, argument=Filter.STORE),
        an_attribute(name="club", type=Type.MEMBER),
        an_attribute(
            name="standing", type=Type.CHOICE, values={"cant_lose": "Can't lose", "top": "Champions", "x": "TOP"}
        ),
        an_attribute(name="shopped", type=Type.NUMBER, filters=frozenset(Filter)),
        an_attribute(name="size in cm"),
        an_attribute(name="contains"),
    ]
    register(*made)
    yield
    for one in made:
        unregister(one.name)


@pytest.mark.parametrize(
    ("written", "node", "tidy"),
    [
        (
            'answered("favourite-season") = "winter"',
            SEASON,
            "",
        ),
        (
            "answered(favourite-season) = winter",
            SEASON,
            'answered("favourite-season") = "winter"',
        ),
        (
            "posted(Opened, last: 90 days) >= 1",
            C("posted", ">=", Decimal(1), {Filter.EVENT: "opened", Filter.LAST: Last(90, "days")}),
            "posted(opened, last: 90 days) >= 1",
        ),
        ("posted(event: sent) = 0", C("posted", "=", Decimal(0), {Filter.EVENT: "sent"}), "posted(sent) = 0"),
        ('away("Main St") <= 10', C("away", "<=", Decimal(10), {Filter.STORE: "Main St"}), ""),
        ('in club "Regulars of milk"', C("club", "in", "Regulars of milk"), ""),
        (
            'not in club "A" or in CLUB "B"',
            Or((Not(C("club", "in", "A")), C("club", "in", "B"))),
            'not in club "A" or in club "B"',
        ),
        ('standing = "Champions"', C("standing", "=", "top"), 'standing = "top"'),
        ("standing = champions", C("standing", "=", "top"), 'standing = "top"'),
        (
            'standing in ("Can\'t lose", "TOP")',
            C("standing", "in", ("cant_lose", "x")),
            'standing in ("cant_lose", "x")',
        ),
        (
            "shopped(weekday: Sat, time: 17:00-20:00) > 1",
            C("shopped", ">", Decimal(1), {Filter.WEEKDAY: ("saturday",), Filter.TIME: "17:00-20:00"}),
            "shopped(weekday: saturday, time: 17:00-20:00) > 1",
        ),
        (
            'shopped(brand: "B", weekday: (sunday, saturday)) > 1',
            C("shopped", ">", Decimal(1), {Filter.BRAND: "B", Filter.WEEKDAY: ("saturday", "sunday")}),
            'shopped(brand: "B", weekday: (saturday, sunday)) > 1',
        ),
        ("`size in cm` contains contains", C("size in cm", "contains", "contains"), '`size in cm` contains "contains"'),
        ("contains contains x", C("contains", "contains", "x"), 'contains contains "x"'),
    ],
)
@pytest.mark.usefixtures("more_attributes")
def test_arguments_names_and_labels_are_read(written: str, node: Node, tidy: str) -> None:
    assert text.parse(written) == node
    assert text.write(node) == (tidy or written)


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("answered = x", (1, 1, 12, "Choose a question.")),
        ("posted(oppened) > 1", (1, 8, 7, "There is no value “oppened”. Did you mean “opened”?")),
        ('in club ("A", "B")', (1, 9, 1, "“(” is no value; a value is a number, a date or a text in quotes.")),
        ('club = "A"', (1, 6, 1, "There is no comparison for “x” “=”.")),
        ("club", (1, 1, 4, 'Say how “club” compares, such as in club "…".')),
        ("shopped(weekday: someday) > 1", (1, 18, 7, "There is no value “someday”. Did you mean “sunday”?")),
        (
            "shopped(time: 25:00-26:00) > 1",
            (1, 15, 11, "“25:00-26:00” is not a time of day; write one like 17:00-20:00."),
        ),
        ("answered(x, y) = z", (1, 13, 1, "“question” is given twice.")),
    ],
)
@pytest.mark.usefixtures("more_attributes")
def test_mistakes_in_arguments_are_shown(written: str, mistake: tuple[int, int, int, str]) -> None:
    assert told(written) == [mistake]


def test_every_attribute_can_be_asked_if_it_is_known() -> None:
    asked = [one for one in catalogue().values() if "known" in one.operators and one.argument is None and not one.needs]
    assert asked
    for one in asked:
        assert text.parse(f"{one.name} is known") == Condition(one.name, "known")
