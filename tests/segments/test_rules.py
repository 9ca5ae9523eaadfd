from typing import Any

import pytest

from crm.models import Category
from segments import domain
from segments.compile import customers
from segments.references import read_names
from segments.rules import MAX_DEPTH, RuleError, describe, parse
from tests.crm import make
from tests.crm.make import a_customer
from tests.segments.worlds import NOW


def a_rule(node: Any) -> dict[str, Any]:
    return {"v": 1, "rule": node}


def ask(attribute: Any, operator: Any, value: Any = None, **filters: Any) -> dict[str, Any]:
    written = {"attribute": attribute, "filters": filters, "operator": operator, "value": value}
    return {name: one for name, one in written.items() if one is not None and one != {}}


def problems(rule: Any) -> list[tuple[tuple[int, ...], str, str]]:
    with pytest.raises(RuleError) as caught:
        parse(rule)
    return [(problem.path, problem.word, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("node", "word", "message"),
    [
        (ask("agee", ">=", 3), "agee", "There is no attribute “agee”. Did you mean “age”?"),
        (ask("аge", ">=", 3), "аge", "There is no attribute “аge”. Did you mean “age”?"),  # a Cyrillic letter
        (ask("zzz", "=", 3), "zzz", "There is no attribute “zzz”."),
        (ask("gender", "=", "femal"), "femal", "There is no value “femal”. Did you mean “female”?"),
        (ask("spend", ">=", "much"), "much", "“much” is not a number."),
        (ask("spend", ">=", "1,000"), "1,000", "“1,000” is not a number."),
        (ask("spend", ">=", "NaN"), "NaN", "“NaN” is not a number."),
        (ask("spend", ">=", "0.001"), "0.001", "Money has two decimals at most."),
        (ask("age", ">=", 30.5), "30.5", "Give a whole number."),
        (ask("age", ">=", 200), "200", "“age” runs from 0 to 150."),
        (ask("age", ">="), "", "Give a number for “age”."),
        (ask("age", "between", [40, 30]), "40", "“between” runs from the smaller to the larger value."),
        (ask("age", "known", 3), "3", "“known” takes no value."),
        (ask("age", "has", 3), "has", "There is no comparison for “age” “has”."),
        (ask("city", "in", []), "", "Choose at least one value for “city”."),
        (ask("city", "=", "a\x00"), "a�", "“a�” cannot be a value."),
        (ask("city", "=", {"$ne": 1}), "dict", "“dict” is not a text."),
        (ask("consent_email", "is", "yes"), "yes", "Choose yes or no for “e-mail consent”."),
        (
            ask("first_purchase", ">=", "2026-02-30"),
            "2026-02-30",
            "“2026-02-30” is not a date; write it as 2026-01-31.",
        ),
        (ask("bought", "is", True, last="90"), "90", "“90” is not a stretch of time; write one like 90 days."),
        (ask("bought", "is", True, last="0 days"), "0 days", "“0 days” is too short or too long a time."),
        (ask("bought", "is", True, channel="fax"), "fax", "There is no value “fax”."),
        (ask("bought", "is", True, last="1 day", until="2026-01-01"), "last", "Give either “last” or dates, not both."),
        (ask("bought", "is", True, since="2026-02-01", until="2026-01-01"), "since", "“since” is later than “until”."),
        (
            ask("spend", ">=", 1, catgory="Milk"),
            "catgory",
            "There is no filter of “spend” “catgory”. Did you mean “category”?",
        ),
        (ask("share_of_spend", ">=", 30), "", "Say of what: “share of spend” needs a filter."),
        (ask("share_of_spend", ">=", 30, last="1 day"), "", "Say of what: “share of spend” needs a filter."),
        (ask("bought", "is", True, weekday=["fryday"]), "fryday", "There is no value “fryday”. Did you mean “friday”?"),
        (
            ask("bought", "is", True, time="17"),
            "17",
            "“17” is not a time of day; write one like 17:00-20:00.",
        ),
        (ask("city", "=", "Riga", last="1 day"), "last", "There is no filter of “city” “last”."),
        ({"xor": []}, "xor", "“xor” is neither a condition nor and, or, not."),
        ({"and": []}, "", "This group has no conditions. Add one, or remove the group."),
        ({}, "", "“” is neither a condition nor and, or, not."),
        (None, "", "A condition is missing here."),
    ],
)
def test_mistake_is_an_error_that_names_the_word(node: Any, word: str, message: str) -> None:
    assert problems(a_rule(node)) == [((), word, message)]


def test_every_mistake_is_found_at_its_place() -> None:
    found = problems(a_rule({"and": [ask("age", ">=", 3), {"not": {"or": [ask("a", "=", 1)]}}, ask("", "=")]}))
    assert [(path, word) for path, word, _ in found] == [((1, 0, 0), "a"), ((2,), "")]


@pytest.mark.parametrize(
    "rule", [{}, None, [], "everyone", {"rule": {}}, {"v": 2, "rule": {}}, {"v": True, "rule": {}}]
)
def test_what_is_no_rule_never_means_everyone(rule: Any) -> None:
    assert len(problems(rule)) == 1


def test_deep_nesting_is_refused() -> None:
    node: Any = ask("age", ">=", 3)
    for _ in range(900):
        node = {"not": node}
    assert problems(a_rule(node)) == [((0,), "", f"The rule is nested more than {MAX_DEPTH} deep.")]


def test_ten_thousand_conditions_are_refused() -> None:
    many = [ask("age", ">=", 3)] * 100
    for node in ({"and": many * 100}, {"and": [{"or": many}] * 100}):
        assert [message for _, _, message in problems(a_rule(node))] == ["A rule can have 200 conditions at most."]


def test_text_too_long_is_refused_without_repeating_it() -> None:
    ((_, word, message),) = problems(a_rule(ask("city", "=", "x" * 100_000)))
    assert (len(word), message) == (61, "A text can have 300 characters at most.")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "hostile", ["'; DROP TABLE crm_customer; --", "%s", "%(x)s", "{{ 7 * 7 }}", "\\", "x' OR '1'='1"]
)
def test_hostile_values_are_only_values(hostile: str) -> None:
    odd = a_customer(city=hostile, interests=[hostile])
    a_customer(city="Riga")
    for rule in (ask("city", "=", hostile), ask("city", "starts with", hostile), ask("interests", "has", hostile)):
        assert list(customers(rule=a_rule(rule), now=NOW)) == [odd]


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (
            {
                "and": [
                    ask("spend", ">=", "300.50", last="90 days", category="Food"),
                    ask("city", "in", ["Riga", "Tartu"]),
                ]
            },
            "Spend of “Food” in the last 90 days at least $300.50 and city is one of “Riga”, “Tartu”",
        ),
        (
            {
                "or": [
                    {"and": [ask("age", "between", [25, 40]), ask("gender", "=", "female")]},
                    ask("points", ">", 1000),
                ]
            },
            "(Age between 25 and 40 years and gender is “female”) or loyalty points more than 1,000",
        ),
        (
            {"not": {"or": [ask("bought", "is", True, product="42"), ask("consent_sms", "is", False)]}},
            "None of these: purchase of “42”; no SMS consent",
        ),
        (
            {"and": [ask("points", "<", 5), {"not": {"or": [ask("bought", "is", True)]}}]},
            "Loyalty points less than 5 and no purchase",
        ),
        (
            ask("share_of_spend", ">=", "33.3", category="Food", weekday=["sat", "sunday"], time="17:00-20:00"),
            "Share of spend of “Food” on Saturday, Sunday between 17:00 and 20:00 at least 33.3 %",
        ),
        ({"not": ask("birthday", "in next", 7)}, "Not (birthday within the next 7 days)"),
        (
            ask("days_since_purchase", "unknown", store="main"),
            "Days since the last purchase in the store “main” unknown",
        ),
    ],
)
def test_rule_reads_as_a_sentence(node: Any, sentence: str) -> None:
    assert describe(parse(a_rule(node))) == sentence


@pytest.mark.django_db
def test_names_are_looked_up_and_must_be_clear() -> None:
    milk, other = make.category("Food > Milk"), make.category("Cosmetics > Milk")

    def check(word: str) -> None:
        domain.checked(a_rule(ask("bought", "is", True, category=word)))

    check("Food > Milk")
    check("Food")
    with pytest.raises(RuleError, match="Choose one of: “Cosmetics > Milk”, “Food > Milk”"):
        check("Milk")
    other.delete()
    check("Milk")
    milk.delete()
    with pytest.raises(RuleError, match="There is no category “Milk”"):
        check("Milk")


@pytest.mark.django_db
def test_names_are_known_in_any_case_and_what_is_written_just_so_comes_first() -> None:
    make.category("Grocery > Fluid milk products")
    upper = make.category("TEA")
    make.category("Shelf > Tea")

    def meant(word: str) -> dict[str, int]:
        node = domain.checked(a_rule(ask("bought", "is", True, category=word)))
        return {word: one for (_kind, word), one in read_names([node]).references(node).items()}

    for word in ("FLUID MILK PRODUCTS", "fluid milk products", "grocery > fluid MILK products"):
        assert meant(word) == {word: Category.objects.get(name="Fluid milk products").pk}
    assert meant("TEA") == {"TEA": upper.pk}
    with pytest.raises(RuleError, match="There is no category “ТЕА”"):
        meant("ТЕА")  # Cyrillic letters
    with pytest.raises(RuleError, match="Did you mean “Grocery > Fluid milk products”"):
        meant("Fluid milk product")
    milk = domain.create_segment(name="Regulars of milk", rule=a_rule(ask("age", ">=", 3)), by=None)
    node = domain.checked(a_rule(ask("segment", "in", "REGULARS of milk")))
    assert list(read_names([node]).references(node).values()) == [milk.pk]


@pytest.mark.django_db
def test_merged_erased_and_unprofiled_customers_are_in_no_segment() -> None:
    kept = a_customer(city="Riga")
    a_customer(city="Riga", merged_into=kept)
    a_customer(city="Riga", erased_at=NOW)
    a_customer(city="Riga", no_profiling=True)
    assert list(customers(rule=a_rule(ask("city", "=", "Riga")), now=NOW)) == [kept]
    assert list(customers(rule=a_rule({"not": ask("city", "=", "Tartu")}), now=NOW)) == [kept]
