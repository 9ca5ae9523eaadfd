"""Finding products at the till: by what a scanner reads, or by what people type."""

from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from crm import bell, marks, profiles
from crm.models import Product, ReceiptLine
from crm.text import clean, fold

MIN_LETTERS = 2
MIN_LETTERS_MISTYPED = 3
SIMILARITIES = (0.6, 0.4)
"""Word similarity (0 to 1) from which a name is taken for a mistyped one: the far ones only where none is near."""


def search_text(*, name: str, sku: str, brand: str = "") -> str:
    """What :attr:`Product.search_text` holds. It begins with a blank, so that "begins a word" is one LIKE pattern."""
    return (" " + " ".join(fold(part) for part in (name, brand, sku) if part.strip()))[:600]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found; ``exact`` where the text was a whole barcode or SKU."""

    products: list[Product]
    exact: bool


def scan(*, code: str) -> Product | None:
    """The product of this barcode or SKU, also one that is no longer offered: it lies on the counter.

    A 12-digit UPC and the same code read as a 13-digit EAN with a zero before it are one.
    """
    code = clean(code)
    if not code:
        return None
    barcodes = {code}
    if code.isdigit() and len(code) == 12:
        barcodes.add(f"0{code}")
    elif code.isdigit() and len(code) == 13 and code.startswith("0"):
        barcodes.add(code[1:])
    by_barcode = Product.objects.filter(barcode__in=barcodes).exclude(barcode="").order_by()
    return by_barcode.first() or Product.objects.filter(sku=code).first()


def look_up(*, text: str, limit: int = 10) -> Found:
    """Products that the text may mean, best first: its barcode or SKU alone, else by name, typing mistakes forgiven."""
    if product := scan(code=text[:100]):
        return Found(products=[product], exact=True)
    written = clean(text)[:200]
    words = fold(written).split()
    if sum(map(len, words)) < MIN_LETTERS:
        return Found(products=[], exact=False)
    found = list(_beginning_with(words)[:limit])
    if len(found) < limit and sum(char.isalpha() for char in written) >= MIN_LETTERS_MISTYPED:
        found += _almost(" ".join(words), limit - len(found), [product.pk for product in found])
    return Found(products=found, exact=False)


def _beginning_with(words: list[str]) -> QuerySet[Product]:
    matches = Q(is_active=True)
    for word in words:
        matches &= Q(search_text__contains=f" {word}")
    return Product.objects.filter(matches).order_by("name", "id")


def _almost(words: str, limit: int, besides: list[int]) -> list[Product]:
    ids: list[int] = []
    with transaction.atomic(), connection.cursor() as cursor:
        for similarity in SIMILARITIES:
            cursor.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(similarity)])
            cursor.execute(
                "SELECT id FROM crm_product WHERE %s <%% search_text AND is_active AND NOT id = ANY(%s) "
                "ORDER BY %s <<-> search_text, name, id LIMIT %s",
                [words, besides, words, limit],
            )
            ids = [row[0] for row in cursor.fetchall()]
            if ids or besides:
                break
    found = Product.objects.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


def save_product(*, product: Product) -> Product:
    """Save a new or changed product with what follows from it.

    In a new category, what its buyers bought of each category is counted again. Raises ValidationError.
    """
    product.name = clean(product.name)
    product.search_text = search_text(name=product.name, sku=product.sku, brand=product.brand)
    product.full_clean()
    with transaction.atomic():
        with connection.cursor() as cursor:  # no product comes or goes while its category moves (categories.py)
            cursor.execute("LOCK TABLE crm_category IN ROW EXCLUSIVE MODE")
        before = Product.objects.select_for_update(no_key=True).filter(pk=product.pk).first() if product.pk else None
        product.save()
        if before and before.category_id != product.category_id:
            bought = ReceiptLine.objects.filter(product=product, customer__isnull=False).order_by()
            buyers = list(bought.values_list("customer_id", flat=True).distinct())
            profiles.recount(customer_ids=buyers)
            marks.mark_customers(customer_ids=buyers)
            bell.ring_after_commit("segments.tasks.refresh_marked")
    return product
