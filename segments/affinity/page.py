"""What the page of things bought together shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from crm.attributes import Filter
from crm.models import Category, Product
from crm.text import fold
from segments.models import AffinityRun, CategoryPair, ProductPair
from segments.tree import And, Condition, Node, Not

A_PAGE = 30
PRODUCTS, CATEGORIES = "products", "categories"


@dataclass(frozen=True)
class Asked:
    """What the address asks for; whatever it does not say is the usual."""

    unit: str = AffinityRun.Unit.BASKET
    level: str = PRODUCTS
    text: str = ""
    first: int | None = None

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Asked":
        unit, level, first = given.get("by", ""), given.get("of", ""), given.get("first", "")
        return cls(
            unit=unit if unit in AffinityRun.Unit.values else AffinityRun.Unit.BASKET,
            level=level if level in (PRODUCTS, CATEGORIES) else PRODUCTS,
            text=given.get("q", "")[:100].replace("\x00", "").strip(),
            first=int(first) if first.isascii() and first.isdecimal() and len(first) < 19 else None,
        )

    def address(self, **changed: Any) -> str:
        parts = {"by": self.unit, "of": self.level, **changed}
        return f"?{urlencode({name: value for name, value in parts.items() if value})}"


def latest(unit: str) -> AffinityRun | None:
    return AffinityRun.objects.filter(unit=unit).order_by("-made_at", "-pk").first()


def page(asked: Asked, *, number: Any) -> dict[str, Any]:
    """The best companion of each thing, or all those of the one that was chosen; a fixed number of queries."""
    run = latest(asked.unit)
    found: dict[str, Any] = {
        "run": run,
        "asked": asked,
        "choices": _choices(asked),
        "here": asked.address(q=asked.text),
        "back": asked.address(),
    }
    if run is None:
        return found
    pairs: Any = (ProductPair if asked.level == PRODUCTS else CategoryPair).objects.filter(run=run)
    pairs = pairs.select_related("first", "other")
    if asked.first is not None:
        rows = list(pairs.filter(first=asked.first).order_by("position"))
        chosen = rows[0].first if rows else _thing(asked.level).objects.filter(pk=asked.first).first()
        return {**found, "chosen": chosen, "pairs": [_row(one, asked, run) for one in rows], "chart": _chart(rows, run)}
    if asked.text:
        pairs = pairs.filter(_matching(asked))
    shown = Paginator(pairs.filter(position=1).order_by("-is_sure", "-evidence", "pk"), A_PAGE).get_page(number)
    return {**found, "page": shown, "pairs": [_row(one, asked, run) for one in shown]}


def _thing(level: str) -> type[Product] | type[Category]:
    return Product if level == PRODUCTS else Category


def _matching(asked: Asked) -> Q:
    if asked.level == CATEGORIES:
        return Q(first__path__icontains=asked.text)
    return Q(first__search_text__contains=fold(asked.text)) | Q(first__sku=asked.text)


def _choices(asked: Asked) -> list[dict[str, Any]]:
    """Products or categories, by purchase or by customer."""
    words = {
        (PRODUCTS, AffinityRun.Unit.BASKET): _("Products in one purchase"),
        (PRODUCTS, AffinityRun.Unit.CUSTOMER): _("Products by one customer"),
        (CATEGORIES, AffinityRun.Unit.BASKET): _("Categories in one purchase"),
        (CATEGORIES, AffinityRun.Unit.CUSTOMER): _("Categories by one customer"),
    }
    return [
        {
            "label": label,
            "link": Asked(unit=unit, level=level).address(),
            "is_here": (asked.level, asked.unit) == (level, unit),
        }
        for (level, unit), label in words.items()
    ]


def _row(pair: Any, asked: Asked, run: AffinityRun) -> dict[str, Any]:
    return {
        "pair": pair,
        "support": pair.together / run.units if run.units else 0.0,
        "confidence": pair.confidence,
        "link": asked.address(first=pair.first_id),
    }


def _name(thing: Product | Category) -> str:
    return thing.name if isinstance(thing, Product) else thing.path


def _chart(rows: list[Any], run: AffinityRun) -> dict[str, Any] | None:
    if not rows:
        return None
    return {
        "id": "affinity",
        "label": _("Of those with %(what)s: how many have this too, and how many of all")
        % {"what": _name(rows[0].first)},
        "kind": "bars",
        "unit": "percent",
        "categories": [_name(one.other) for one in rows],
        "series": [
            {
                "name": _("With %(what)s") % {"what": _name(rows[0].first)},
                "values": [round(one.confidence, 4) for one in rows],
                "tone": "accent",
            },
            {"name": _("All"), "values": [round(one.other_count / run.units, 4) for one in rows], "tone": "quiet"},
        ],
        "height": 90 + 44 * len(rows),
    }


def proposed(asked: Asked, pair: str) -> tuple[str, Node] | None:
    """The name and rule of "bought this, never that"; None where the pair is gone."""
    if not (pair.isascii() and pair.isdecimal() and len(pair) < 19):
        return None
    pairs: Any = (ProductPair if asked.level == PRODUCTS else CategoryPair).objects
    found = pairs.select_related("first", "other").filter(pk=int(pair)).first()
    if found is None:
        return None
    kind = Filter.PRODUCT if asked.level == PRODUCTS else Filter.CATEGORY

    def bought(thing: Product | Category) -> Condition:
        word = thing.sku if isinstance(thing, Product) else thing.path
        return Condition("bought", "is", True, {kind: word})

    name = _("Bought “%(first)s”, never “%(other)s”") % {
        "first": _name(found.first)[-80:],
        "other": _name(found.other)[-80:],
    }
    return name, And((bought(found.first), Not(bought(found.other))))
