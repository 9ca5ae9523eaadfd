"""What the page of regular buyers shows, for one category: how many there are, at what intervals, and who is late."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.attributes import Filter
from crm.days import shop_day
from crm.models import Category, CustomerCategory
from segments.compile import scope_for
from segments.making import segment_link
from segments.regulars import GIVEN_UP, LEAST_DAYS, intervals
from segments.rules import RuleError
from segments.tree import And, Condition

BY_DAYS = (8, 15, 31, 61, 91)
"""The intervals at which the plot begins another bar."""


def offered(*, limit: int = 30) -> list[str]:
    """Categories that many customers bought at least thrice, those with most of them first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT category.path
              FROM crm_customercategory AS bought JOIN crm_category AS category ON category.id = bought.category_id
             WHERE bought.receipts >= %s
             GROUP BY category.path ORDER BY count(*) DESC, category.path LIMIT %s
            """,
            [LEAST_DAYS, limit],
        )
        return [path for (path,) in cursor.fetchall()]


def page(*, now: datetime, category: str) -> dict[str, Any]:
    """The page's context; without a category, the one with most customers who came back for it."""
    paths = offered()
    chosen = category or (paths[0] if paths else "")
    if not chosen:
        return {"paths": [], "chosen": ""}
    if not Category.objects.filter(path=chosen).exists():
        return {"paths": paths, "chosen": chosen, "trouble": _("There is no such category.")}
    late = Condition("days_late", "between", (Decimal(1), Decimal(30)), {Filter.CATEGORY: chosen})
    regular = Condition("regular_of", "is", True, {Filter.CATEGORY: chosen})
    try:
        scope = scope_for(regular, now=now)
    except RuleError as error:
        return {"paths": paths, "chosen": chosen, "trouble": str(error)}
    rows = intervals(scope=scope, filters=regular.filters)
    today = shop_day(now)
    bounds = ", ".join(str(day) for day in BY_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT width_bucket(every_days, ARRAY[{bounds}]), count(*),
                   count(*) FILTER (WHERE %(today)s - last_on - every_days BETWEEN 1 AND 30),
                   count(*) FILTER (WHERE %(today)s - last_on - every_days BETWEEN -7 AND 0)
              FROM ({rows}) AS made
             WHERE %(today)s - last_on <= {GIVEN_UP} * every_days
             GROUP BY 1 ORDER BY 1
            """,
            {"today": today},
        )
        counted = {bin: rest for bin, *rest in cursor.fetchall()}
    return {
        "paths": sorted({*paths, chosen}),
        "chosen": chosen,
        "buyers": CustomerCategory.objects.filter(category__path=chosen, receipts__gt=0).count(),
        "regular": sum(one[0] for one in counted.values()),
        "late": sum(one[1] for one in counted.values()),
        "soon": sum(one[2] for one in counted.values()),
        "regular_link": segment_link(name=_("Regular buyers: %(what)s") % {"what": chosen}, rule=And((regular,))),
        "late_link": segment_link(name=_("Late for the next: %(what)s") % {"what": chosen}, rule=And((regular, late))),
        "chart": _chart({bin: one[0] for bin, one in counted.items()}) if counted else None,
    }


def _chart(counted: dict[int, int]) -> dict[str, Any]:
    names = [ngettext("up to %(n)d day", "up to %(n)d days", day - 1) % {"n": day - 1} for day in BY_DAYS]
    names.append(ngettext("%(n)d day and more", "%(n)d days and more", BY_DAYS[-1]) % {"n": BY_DAYS[-1]})
    return {
        "id": "intervals",
        "label": _("Regular buyers by their interval"),
        "kind": "bars",
        "unit": "count",
        "categories": names,
        "series": [
            {"name": _("Customers"), "values": [counted.get(bin, 0) for bin in range(len(names))], "tone": "accent"}
        ],
        "height": 240,
    }
