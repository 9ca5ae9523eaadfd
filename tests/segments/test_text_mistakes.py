"""What the text form says of mistakes, and how it meets hostile input."""

import time
from typing import TypeGuard

import pytest

from segments import text
from segments.rules import MAX_CONDITIONS, MAX_DEPTH, Problem, RuleError


def told(written: str) -> list[tuple[int, int, int, str]]:
    """Line, column, length and message of each mistake."""
    with pytest.raises(RuleError) as caught:
        text.parse(written)
    return [(one.line, one.column, one.length, one.message) for one in caught.value.problems if located(one)]


def located(problem: Problem) -> TypeGuard[text.Located]:
    assert isinstance(problem, text.Located)
    return True


MISTAKES: list[tuple[str, list[tuple[int, int, int, str]]]] = [
    ("", [(1, 1, 1, "There is no rule here.")]),
    ("agee > 3", [(1, 1, 4, "There is no attribute “agee”. Did you mean “age”?")]),
    ("age", [(1, 1, 3, "Say how “age” compares, such as age >= 3.")]),
    ("age >", [(1, 5, 1, "A value is missing after “>”.")]),
    ("age > 3 and", [(1, 9, 3, "A condition is missing after “and”.")]),
    ("or age > 3", [(1, 1, 2, "A condition is missing before “or”.")]),
    ("age 3", [(1, 5, 1, "A comparison such as = or >= is missing before “3”.")]),
    ("age betwen 3 and 4", [(1, 5, 6, "“betwen” is not understood. Did you mean “between”?")]),
    ("age between 3", [(1, 13, 1, "“between” takes two values, such as between 25 and 40.")]),
    ("age > 3 adn age < 4", [(1, 9, 3, "“adn” is not understood. Did you mean “and”?")]),
    ("age > 3 аnd age < 4", [(1, 9, 3, "“аnd” is not understood. Did you mean “and”?")]),
    ("аge > 3", [(1, 1, 3, "There is no attribute “аge”. Did you mean “age”?")]),
    ("age > ３", [(1, 7, 1, "“３” is not a number.")]),
    ("age ＞ 3", [(1, 5, 1, "“＞” has no meaning here. Did you mean “>”?")]),
    ("age > 3 && age < 4", [(1, 9, 2, "“&” has no meaning here. Did you mean “and”?")]),
    ("age\u200b > 3", [(1, 4, 1, "There is an invisible character here (U+200B).")]),
    ("age > 3\x00", [(1, 8, 1, "There is an invisible character here (U+0000).")]),
    ('city = "a\\q"', [(1, 10, 2, "“\\q” means nothing in a text; write \\\\ for a backslash.")]),
    ('city = "abc', [(1, 8, 1, "This quotation mark is never closed.")]),
    ("(age > 3", [(1, 1, 1, "This bracket is never closed.")]),
    ("age > 3)", [(1, 8, 1, "This bracket closes nothing.")]),
    ("()", [(1, 1, 1, "A condition is missing after “(”.")]),
    (
        "city = Main Street",
        [(1, 13, 6, "“and” or “or” is missing before “Street”; a text of several words stands in quotes.")],
    ),
    ("spend >= 1,000", [(1, 11, 1, "Write numbers without a separator, such as 1000.")]),
    ("spend(last 90 days) > 3", [(1, 7, 4, "A colon is missing: last: …")]),
    ('spend("Food") > 3', [(1, 7, 6, "Say what this is, such as spend(category: …).")]),
    ("age(3) > 3", [(1, 5, 1, "“age” takes nothing in brackets.")]),
    ('bought(category: "a", category: "b")', [(1, 23, 8, "“category” is given twice.")]),
    ('bought(category: ("a", "b"))', [(1, 19, 3, "“category” takes one value.")]),
    ("birthday in next 3 months", [(1, 18, 8, "Count in days or weeks, such as “in next 7 days”.")]),
    ("birthday in next week", [(1, 18, 4, "Say how long, such as “in next 7 days”.")]),
    ("city in ()", [(1, 1, 7, "Choose at least one value for “city”.")]),
    ('city in ("a" "b")', [(1, 14, 3, "A comma is missing before “b”.")]),
    ("consent_email = maybe", [(1, 17, 5, "Choose yes or no for “e-mail consent”.")]),
    ("age has 3", [(1, 5, 3, "There is no comparison for “age” “has”.")]),
    ("gender = femal", [(1, 10, 5, "There is no value “femal”. Did you mean “female”?")]),
    ("in 3", [(1, 4, 1, "Say of what, such as: in segment “Regulars”.")]),
    (
        "spend(last: 90 day, since: 2026-01-01) > 1",
        [(1, 7, 4, "Give either “last” or dates, not both.")],
    ),
    (
        'age > 200\nand spend(catgory: "x", lst: 3 days) > 1\nor city ~ "x"',
        [(3, 9, 1, "“~” has no meaning here.")],
    ),
    (
        'age > 200\nand spend(catgory: "x", last: 0 days) > 1 and (city =)',
        [
            (1, 7, 3, "“age” runs from 0 to 150."),
            (2, 11, 7, "There is no filter of “spend” “catgory”. Did you mean “category”?"),
            (2, 31, 6, "“0 days” is too short or too long a time."),
            (2, 53, 1, "A value is missing after “=”."),
        ],
    ),
    (
        "age > and age 3 or agee = 1",
        [
            (1, 5, 1, "A value is missing after “>”."),
            (1, 15, 1, "A comparison such as = or >= is missing before “3”."),
            (1, 20, 4, "There is no attribute “agee”. Did you mean “age”?"),
        ],
    ),
]


@pytest.mark.parametrize(("written", "mistakes"), MISTAKES)
def test_mistake_is_shown_under_its_word(written: str, mistakes: list[tuple[int, int, int, str]]) -> None:
    assert told(written) == mistakes


DEEP = f"The rule is nested more than {MAX_DEPTH} deep."
MANY = f"A rule can have {MAX_CONDITIONS} conditions at most."


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (" and ".join(["age > 3"] * 10_000), MANY),
        ("any of (" + ", ".join(["age > 3"] * 10_000) + ")", MANY),
        ("(" * 1_000 + "age > 3" + ")" * 1_000, DEEP),
        ("(" * 900_000, DEEP),
        ("not " * 100_000 + "age > 3", DEEP),
        ("(not " * 1_000, DEEP),
        ("city in (" + ",".join(["'x'"] * 100_000) + ")", "The rule is too long."),
        ('city = "' + "x" * 900_000 + '"', "A text can have 300 characters at most."),
        ('city = "' + "\\q" * 400_000 + '"', "“\\q” means nothing in a text; write \\\\ for a backslash."),
        ('"\\' * 400_000, "This quotation mark is never closed."),
        ("\x00" * 900_000, "There is an invisible character here (U+0000)."),
        ("a " * 400_000, "The rule is too long."),
        ("x" * 5_000_000, "A rule can have 1000000 characters at most."),
        ("age > " + "9" * 900_000, "“" + "9" * 60 + "…” is not a number."),
        ("'; DROP TABLE crm_customer; --", "This quotation mark is never closed."),
        ("age > 3; DROP TABLE crm_customer", "“;” has no meaning here."),
        ("{{ request.user }}", "“{” has no meaning here."),
        ("{% load x %}", "“{” has no meaning here."),
    ],
)
def test_hostile_text_gets_a_clear_error_quickly(written: str, message: str) -> None:
    began = time.process_time()
    assert told(written)[0][3] == message
    assert time.process_time() - began < 1
