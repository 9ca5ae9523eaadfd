"""Products and categories that move while something of them is being sold: the profile is what a recount says."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from crm import categories, products, profiles
from crm.models import CustomerCategory, Product
from tests.crm import make

pytestmark = pytest.mark.django_db(transaction=True)


def move_product(milk: Product) -> None:
    milk.category = make.category("Drinks")
    products.save_product(product=milk)


def move_category(milk: Product) -> None:
    assert milk.category
    categories.save_category(category=milk.category, name="Milk", parent=make.category("Drinks"))


def while_open(first: Callable[[], object], second: Callable[[], object]) -> list[Exception]:
    """Run ``second`` on another connection while the transaction of ``first`` is open; what went wrong there."""
    problems: list[Exception] = []

    def run() -> None:
        try:
            second()
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        first()
        thread.start()
        thread.join(1)
    thread.join(60)
    return problems


@pytest.mark.parametrize("move", [move_product, move_category])
@pytest.mark.parametrize("sale_first", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_sale_and_a_move_at_once_count_as_if_one_came_after_the_other(
    move: Callable[[Product], None], sale_first: bool, known: bool
) -> None:
    make.store()
    make.category("Drinks")
    milk = make.product(path="Food > Milk")
    anna = make.customer()
    if known:
        make.receipt(make.line(milk), customer=anna)

    def sell() -> None:
        make.receipt(make.line(milk), customer=anna)

    def recategorise() -> None:
        move(Product.objects.get(pk=milk.pk))

    problems = while_open(sell, recategorise) if sale_first else while_open(recategorise, sell)

    assert problems == []
    assert profiles.differences() == []
    drinks = CustomerCategory.objects.get(customer=anna, category__path="Drinks")
    assert drinks.receipts == 1 + known
    assert not CustomerCategory.objects.filter(category__path="Food").exists()
