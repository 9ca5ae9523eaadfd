"""A hundred live segments as a shop may have them: a third with time windows over receipt lines."""

from itertools import islice
from typing import Any

from benchmarks.typical import ask, both, without

Rule = dict[str, Any]


def mix() -> dict[str, Rule]:
    """Name -> rule: 34 windows over receipt lines, 10 over receipts, 12 on categories, 24 on profiles, 20 on people."""
    parts = (_line_windows(), _receipt_windows(), _categories(), _profiles(), _people())
    rules = [rule for part, size in zip(parts, (34, 10, 12, 24, 20), strict=True) for rule in islice(part, size)]
    assert len(rules) == 100
    return {f"Segment {number:03d}": rule for number, rule in enumerate(rules, 1)}


def _line_windows() -> Any:
    windows = ("30 days", "90 days", "6 months", "12 months")
    for number in range(1, 13):
        category, last = f"D{number}", windows[number % 4]
        yield ask("bought", "is", True, category=category, last=last)
        yield ask(
            "receipts", ">=", 2 + number % 3, category=f"{category} > G{5 * number}", last=windows[number % 3 + 1]
        )
        yield both(ask("receipts", ">=", 1), without(ask("bought", "is", True, category=category, last=last)))
        yield ask("spend", ">=", 20 + number, product=f"P{number:06d}", last="12 months")


def _receipt_windows() -> Any:
    for number in range(1, 6):
        yield ask("spend", ">=", 60 * number, last="90 days")
        yield ask("receipts", ">=", number, store=f"Store {number + 1}", last="6 months")


def _categories() -> Any:
    for number in range(1, 7):
        yield ask("receipts", ">=", number, category=f"D{number}")
        yield both(ask("bought", "is", True, category=f"D{number} > G{5 * number}"), ask("spend", ">=", 100))


def _profiles() -> Any:
    for number in range(1, 5):
        yield ask("spend", ">=", 200 * number)
        yield both(ask("receipts", ">=", 2 * number), ask("days_since_purchase", ">=", 30 * number))
        yield ask("lifecycle", "=", ("prospect", "buyer", "regular", "lapsed")[number - 1])
        yield both(ask("consent_email", "is", True), ask("spend", ">=", 100 * number))
        yield ask("average_receipt", ">=", 10 * number)
        yield {"or": [ask("points", ">=", 100 * number), ask("returns", ">=", number)]}


def _people() -> Any:
    for number in range(1, 5):
        yield ask("age", "between", [15 * number, 15 * number + 14])
        yield ask("city", "in", [f"City {number:02d}", f"City {2 * number:02d}"])
        yield both(ask("gender", "=", "female"), ask("children", ">=", number - 1))
        yield ask("interests", "has any", ["garden", "books"][: number % 2 + 1])
        yield both(ask("birthday", "in next", 7 * number), ask("receipts", ">=", 1))
