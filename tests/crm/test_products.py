from typing import Any

import pytest

from crm import products
from tests.crm import make

pytestmark = pytest.mark.django_db


def names(text: str) -> list[str]:
    return [product.name for product in products.look_up(text=text).products]


def product(name: str, **fields: Any) -> None:
    sku = str(fields.setdefault("sku", name.upper()))
    make.product(name, search_text=products.search_text(name=name, sku=sku), **fields)


@pytest.mark.parametrize(
    ("stored", "scanned"),
    [
        ("4006381333931", "4006381333931"),
        ("036000291452", "0036000291452"),
        ("0036000291452", "036000291452"),
        ("4006381333931", " 4006381333931\t"),
    ],
)
def test_a_scanned_code_names_its_product_alone(stored: str, scanned: str) -> None:
    product("Pencil", barcode=stored)
    product("Pencil case 4006381333931")

    found = products.look_up(text=scanned)

    assert (found.exact, [one.name for one in found.products]) == (True, ["Pencil"])


def test_an_sku_is_as_good_as_a_barcode_also_where_the_product_is_no_longer_offered() -> None:
    product("Milk", sku="M-1", is_active=False)

    assert products.scan(code="M-1").name == "Milk"  # type: ignore[union-attr]
    assert names("milk") == []


def test_products_without_a_barcode_are_not_found_by_nothing() -> None:
    product("Milk")

    assert products.scan(code="") is None
    assert products.look_up(text=" ") == products.Found(products=[], exact=False)


@pytest.mark.parametrize("text", ["crème", "creme", "BRULEE cre", "crem brulle", "cremebrulee"])
def test_names_are_found_with_typos_and_accents(text: str) -> None:
    product("Crème brûlée", sku="D1")
    product("Rye bread", sku="B1")

    assert names(text) == ["Crème brûlée"]
