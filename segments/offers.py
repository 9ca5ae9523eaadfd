"""The values that occur in the shop's data, with how many customers have each: what the builder offers."""

import difflib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.cache import cache
from django.db.models import Count, F, Func, Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.attributes import Attribute, Filter, Type, lookup
from crm.models import Category, Customer, CustomerCategory, Product, Question, Store
from crm.products import look_up
from crm.text import fold
from segments import estimate
from segments.compile import customers, live_customers, scope_for
from segments.tree import Condition, Node, Path, Problem, RuleError, conditions

LIMIT = 30
MOST = 20_000
"""So many different values of a field are looked at."""


@dataclass(frozen=True)
class Offer:
    """A value, how it is shown, and how many customers have it (None where that is not counted)."""

    value: str
    label: str
    count: int | None = None


def values_of(*, attribute: Attribute, text: str, argument: str = "") -> list[Offer]:
    """Values of the attribute that contain the text, the most frequent first.

    ``argument`` is the name that the attribute asks for (of a question), where it does; without it there are none.
    """
    if attribute.names is not None and attribute.names.offers is not None:
        return [Offer(one.key, one.name or one.key, one.count) for one in attribute.names.offers(text, LIMIT)]
    if attribute.offered_names is not None:
        return names_for(kind=attribute.offered_names, text=text)
    field = attribute.offered_from
    labels = attribute.values or {}
    if attribute.offers_values:
        return [
            Offer(value, str(labels.get(value, value)), number)
            for value, number in _given(attribute, argument)
            if text.casefold() in value.casefold()
        ][:LIMIT]
    if not field:
        return []
    folded = text.casefold()
    counted = [(value, number) for value, number in _occurring(field) if folded in value.casefold()]
    return [Offer(value, str(labels.get(value, value)), number) for value, number in counted[:LIMIT]]


def _occurring(field: str) -> list[tuple[str, int]]:
    """The values of a field with how many customers have each, the most frequent first.

    Of a large shop as of some minutes ago, since counting a million customers is nothing to do at each key that is hit.
    """
    known: list[tuple[str, int]] | None = cache.get(f"segments:values:{field}")
    if known is not None:
        return known
    people: QuerySet[Customer, Any] = live_customers().order_by()
    if _is_list(field):
        people = people.annotate(offered=Func(field, function="unnest"))
    else:
        people = people.annotate(offered=F(field)).filter(offered__gt="")
    counted = people.values_list("offered").annotate(how_many=Count("pk")).order_by("-how_many", "offered")
    found: list[tuple[str, int]] = list(counted[:MOST])
    if estimate.population() > estimate.SMALL:
        cache.set(f"segments:values:{field}", found, estimate.REMEMBERED_S)
    return found


def _is_list(field: str) -> bool:
    return "__" not in field and isinstance(Customer._meta.get_field(field), ArrayField)


def _given(attribute: Attribute, argument: str) -> list[tuple[str, int]]:
    """The values that an attribute's source gives, with how many customers have each."""
    filters = {attribute.argument: argument} if attribute.argument else {}
    node = Condition(attribute.name, "known", None, filters)
    now = timezone.now()
    try:
        people = customers(rule=node, now=now).order_by()
        value = attribute.source.value(scope=scope_for(node, now=now), filters=filters)
    except RuleError:
        return []
    if attribute.type == Type.WORDS:
        value = Func(value, function="unnest")
    counted = people.annotate(offered=value).values_list("offered").annotate(how_many=Count("pk"))
    return list(counted.order_by("-how_many", "offered"))


def names_for(*, kind: Filter, text: str) -> list[Offer]:
    """Categories, products, stores or questions that the text may mean."""
    match kind:
        case Filter.CATEGORY:
            return _categories(text)
        case Filter.PRODUCT:
            return [Offer(product.sku, product.name) for product in look_up(text=text, limit=LIMIT).products]
        case Filter.BRAND:
            brands = Product.objects.filter(brand__icontains=text).exclude(brand="").order_by(Lower("brand"))
            return [Offer(brand, brand) for brand in brands.values_list("brand", flat=True).distinct()[:LIMIT]]
        case Filter.STORE:
            stores = Store.objects.filter(Q(name__icontains=text) | Q(code__icontains=text)).order_by(Lower("name"))
            return [Offer(store.code, store.name) for store in stores[:LIMIT]]
        case Filter.QUESTION:
            questions = Question.objects.filter(Q(slug__icontains=text) | Q(text__icontains=text))
            asked = questions.annotate(how_many=Count("answers__customer", distinct=True))
            return [
                Offer(one.slug, one.text or one.slug, one.how_many)
                for one in asked.order_by("-how_many", "slug")[:LIMIT]
            ]
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


ASKS_FOR_VALUES = ("=", "!=", "in", "not in", "has", "has any", "has all")


def unseen(node: Node) -> list[Problem]:
    """Values of open text that nobody has: no error, since somebody may have them tomorrow, but perhaps a slip."""
    asked: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path, condition in conditions(node):
        attribute = lookup(condition.attribute)
        if attribute and attribute.offered_from and not attribute.values and condition.operator in ASKS_FOR_VALUES:
            words = condition.value if isinstance(condition.value, tuple) else (condition.value,)
            asked[attribute.offered_from] += [(path, str(word)) for word in words]
    return [warning for field, words in asked.items() for warning in _unseen(field, words)]


def _unseen(field: str, asked: list[tuple[Path, str]]) -> Iterator[Problem]:
    known = {value for value, _number in _occurring(field)}
    if len(known) >= MOST:
        return  # too many to say what nobody has
    missing = [(path, word) for path, word in asked if word not in known]
    folded = {fold(value): value for value in known} if missing else {}
    for path, word in missing:
        near = difflib.get_close_matches(fold(word), folded, n=1, cutoff=0.7)
        message = _("Nobody has “%(word)s”.") % {"word": word[:60]}
        if near:
            message += " " + _("Did you mean “%(word)s”?") % {"word": folded[near[0]]}
        yield Problem(message, path, word[:60])
