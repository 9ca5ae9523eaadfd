"""Which rules are read from the profiles or the facts alone."""

from typing import Any

import pytest

from crm.models import Customer
from segments.compile import customers, member_ids
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW, TODAY


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rule", "without_customers"),
    [
        (ask("spend", ">=", 10), True),
        (ask("average_receipt", "between", [1, 20]), True),
        ({"and": [ask("receipts", ">=", 1), {"not": ask("days_since_purchase", ">", 60)}]}, True),
        ({"and": [ask("receipts", ">=", 1), {"not": ask("bought", "is", True, category="Food")}]}, True),
        ({"or": [ask("receipts", ">=", 1), ask("spend", ">", 3)]}, True),
        (ask("bought", "is", True, category="Food", last="90 days"), True),
        (ask("spend", ">=", 10, store="main", last="90 days"), True),
        ({"and": [ask("receipts", ">=", 1, category="Food"), {"not": ask("units", ">=", 9, last="1 year")}]}, True),
        ({"and": [ask("units", ">=", 1, last="1 year"), ask("bought", "is", True, category="Food")]}, True),
        # Whoever bought nothing meets these, too.
        ({"not": ask("bought", "is", True, category="Food", last="90 days")}, False),
        ({"or": [ask("bought", "is", True, last="90 days"), ask("city", "=", "Riga")]}, False),
        # Whoever has no profile yet meets these, too.
        (ask("spend", "<=", 10), False),
        ({"not": ask("receipts", ">=", 1)}, False),
        ({"or": [ask("receipts", ">=", 1), {"not": ask("spend", ">", 3)}]}, False),
        (ask("lifecycle", "=", "prospect"), False),
        # These ask the customer.
        ({"and": [ask("receipts", ">=", 1), ask("city", "=", "Riga")]}, False),
        ({"and": [ask("receipts", ">=", 1), {"not": ask("age", ">", 30)}]}, False),
    ],
)
def test_rule_is_read_without_customers_where_others_know_all(rule: dict[str, Any], without_customers: bool) -> None:
    buyer, erased, shy = a_customer(city="Riga"), a_customer(), a_customer(no_profiling=True)
    a_customer()  # without a profile
    milk = a_product("milk", make.category("Food"))
    for customer in (buyer, erased, shy):
        a_receipt(customer, [(milk, "1", 1_500)], sold_on=TODAY)
        a_receipt(customer, [(milk, "2", 500)], sold_on=TODAY)
    a_receipt(None, [(milk, "1", 9_900)], sold_on=TODAY)
    Customer.objects.filter(pk=erased.pk).update(erased_at=NOW)
    found = member_ids(rule=a_rule(rule), now=NOW)
    assert (found.model is not Customer) is without_customers
    expected = set(customers(rule=a_rule(rule), now=NOW).values_list("pk", flat=True))
    assert sorted(found) == sorted(expected)  # each once
