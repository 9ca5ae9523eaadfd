"""The values that occur in the shop's data, with how many customers have each: what the builder offers."""

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, Func, Q, QuerySet
from django.db.models.functions import Lower

from crm.attributes import Attribute, Filter
from crm.models import Category, Customer, CustomerCategory, Store
from crm.products import look_up
from segments.compile import live_customers

LIMIT = 30


@dataclass(frozen=True)
class Offer:
    """A value, how it is shown, and how many customers have it (None where that is not counted)."""

    value: str
    label: str
    count: int | None = None


def values_of(*, attribute: Attribute, text: str) -> list[Offer]:
    """Values of the attribute that contain the text, the most frequent first."""
    field = attribute.offered_from
    if not field:
        return []
    labels = attribute.values or {}
    people: QuerySet[Customer, Any] = live_customers().order_by()
    if isinstance(Customer._meta.get_field(field), ArrayField):
        people = people.annotate(offered=Func(field, function="unnest"))
        counted = list(people.values_list("offered").annotate(how_many=Count("pk")).order_by("-how_many", "offered"))
        counted = [(value, number) for value, number in counted if text.casefold() in value.casefold()]
    else:
        found = people.exclude(Q((field, ""))).filter(Q((f"{field}__icontains", text)))
        counted = list(found.values_list(field).annotate(how_many=Count("pk")).order_by("-how_many", field)[:LIMIT])
    return [Offer(value, str(labels.get(value, value)), number) for value, number in counted[:LIMIT]]


def names_for(*, kind: Filter, text: str) -> list[Offer]:
    """Categories, products or stores that the text may mean."""
    match kind:
        case Filter.CATEGORY:
            return _categories(text)
        case Filter.PRODUCT:
            return [Offer(product.sku, product.name) for product in look_up(text=text, limit=LIMIT).products]
        case Filter.STORE:
            stores = Store.objects.filter(Q(name__icontains=text) | Q(code__icontains=text)).order_by(Lower("name"))
            return [Offer(store.code, store.name) for store in stores[:LIMIT]]
    return []


def _categories(text: str) -> list[Offer]:
    """By how many customers ever bought there."""
    buyers = dict(
        CustomerCategory.objects.filter(receipts__gt=0, category__path__icontains=text)
        .order_by()
        .values_list("category")
        .annotate(how_many=Count("pk"))
        .order_by("-how_many")[:LIMIT]
    )
    known = Category.objects.filter(path__icontains=text)
    rows = list(known.filter(pk__in=buyers)) if buyers else []
    if len(rows) < LIMIT:
        rows += known.exclude(pk__in=buyers).order_by("path")[: LIMIT - len(rows)]
    rows.sort(key=lambda row: (-buyers.get(row.pk, 0), row.path))
    return [Offer(row.path, row.path, buyers.get(row.pk, 0)) for row in rows]
