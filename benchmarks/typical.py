"""Twenty rules as marketing managers build them, each with the best SQL for it that we can write by hand."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.conf import settings

from benchmarks.shop import Shop
from crm.days import months_before, shop_day

# Children of whom no guardian has agreed are nobody to speak of, either: whoever was born after this day.
_YOUNG = f"current_date - interval '{settings.PROFILING_AGE} years'"
_LIVE = (
    "c.merged_into_id IS NULL AND c.erased_at IS NULL AND NOT c.no_profiling "
    f"AND (c.birth_date IS NULL OR c.birth_date <= {_YOUNG} OR c.guardian_agreed_on IS NOT NULL)"
)
_NOT_CLOSED = f"""
    NOT EXISTS (SELECT FROM crm_customer c WHERE c.id = t.customer_id
                   AND (c.merged_into_id IS NOT NULL OR c.erased_at IS NOT NULL OR c.no_profiling))
    AND NOT EXISTS (SELECT FROM crm_customer c WHERE c.id = t.customer_id
                       AND c.birth_date > {_YOUNG} AND c.guardian_agreed_on IS NULL)
"""
_BELOW = """
    t.product_id IN (SELECT id FROM crm_product WHERE category_id IN
                     (SELECT id FROM crm_category WHERE path = '{path}' OR path LIKE '{path} > %%'))
"""


@dataclass(frozen=True)
class Typical:
    """A rule as a marketing manager builds it, and the SQL."""

    rule: dict[str, Any]
    sql: str
    params: dict[str, Any] = field(default_factory=dict)


def ask(attribute: str, operator: str, value: Any = None, **filters: str) -> dict[str, Any]:
    condition: dict[str, Any] = {"attribute": attribute, "operator": operator}
    if filters:
        condition["filters"] = filters
    return condition if value is None else {**condition, "value": value}


def both(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"and": list(nodes)}


def without(node: dict[str, Any]) -> dict[str, Any]:
    return {"not": node}


def _customers(where: str) -> str:
    return f"SELECT count(*) FROM crm_customer c WHERE {_LIVE} AND {where}"


def _profiles(where: str) -> str:
    return f"SELECT count(*) FROM crm_customerprofile t WHERE {where} AND {_NOT_CLOSED}"


def _together(where: str) -> str:
    return f"""
        SELECT count(*) FROM crm_customer c JOIN crm_customerprofile p ON p.customer_id = c.id
         WHERE {_LIVE} AND {where}
    """


def _categories(where: str) -> str:
    return f"SELECT count(*) FROM crm_customercategory t WHERE {where} AND {_NOT_CLOSED}"


def _grouped(table: str, where: str, having: str) -> str:
    return f"""
        SELECT count(*)
          FROM (SELECT customer_id FROM {table} t WHERE customer_id IS NOT NULL AND {where}
                 GROUP BY customer_id HAVING {having}) t
         WHERE {_NOT_CLOSED}
    """


def _category(path: str) -> str:
    return f"t.category_id = (SELECT id FROM crm_category WHERE path = '{path}')"


def typical(made: Shop) -> dict[str, Typical]:
    """What managers ask, in words, with the rule and the SQL."""
    today = shop_day(made.now)
    return {**_of_profiles(today), **_of_people(today), **_of_categories(today), **_of_facts(today)}


def _of_profiles(today: date) -> dict[str, Typical]:
    return {
        "spend >= 500": Typical(ask("spend", ">=", 500), _profiles("spend_minor >= 50000")),
        "receipts >= 5 and days_since_purchase <= 90": Typical(
            both(ask("receipts", ">=", 5), ask("days_since_purchase", "<=", 90)),
            _profiles("receipts >= 5 AND last_sold_on >= %(day)s"),
            {"day": today - timedelta(days=90)},
        ),
        "days_since_first_purchase <= 365 and receipts >= 2": Typical(
            both(ask("days_since_first_purchase", "<=", 365), ask("receipts", ">=", 2)),
            _profiles("receipts >= 2 AND first_sold_on >= %(day)s"),
            {"day": today - timedelta(days=365)},
        ),
        "lifecycle = lapsed and consent_email": Typical(
            both(ask("lifecycle", "=", "lapsed"), ask("consent_email", "is", True)),
            _profiles("receipts > 0 AND last_sold_on <= %(day)s AND consent_email"),
            {"day": today - timedelta(days=180)},
        ),
        "average_receipt >= 20": Typical(
            ask("average_receipt", ">=", 20), _profiles("receipts > 0 AND spend_minor >= 2000 * receipts")
        ),
    }


def _of_people(today: date) -> dict[str, Typical]:
    ahead = [today + timedelta(days=number) for number in range(7)]
    return {
        'age between 25 and 40 and city in ("City 00", "City 01")': Typical(
            both(ask("age", "between", [25, 40]), ask("city", "in", ["City 00", "City 01"])),
            _customers("birth_date > %(old)s AND birth_date <= %(young)s AND city IN ('City 00', 'City 01')"),
            {"old": months_before(today, 12 * 41), "young": months_before(today, 12 * 25)},
        ),
        "birthday in next 7 days": Typical(
            ask("birthday", "in next", 7),
            _customers(
                "(EXTRACT(MONTH FROM birth_date), EXTRACT(DAY FROM birth_date)) IN "
                f"({', '.join(f'({day.month}, {day.day})' for day in ahead)})"
            ),
        ),
        "gender = female and interests has garden": Typical(
            both(ask("gender", "=", "female"), ask("interests", "has", "garden")),
            _customers("gender = 'female' AND interests @> ARRAY['garden']::varchar[]"),
        ),
        "income_band is unknown and spend >= 200": Typical(
            both(ask("income_band", "unknown"), ask("spend", ">=", 200)),
            _together("c.income_band = '' AND p.spend_minor >= 20000"),
        ),
        "points >= 250 or tags has vip": Typical(
            {"or": [ask("points", ">=", 250), ask("tags", "has", "vip")]},
            _together("(p.points >= 250 OR c.tags @> ARRAY['vip']::varchar[])"),
        ),
    }


def _of_categories(today: date) -> dict[str, Typical]:
    return {
        'receipts(category: "D1") >= 3': Typical(
            ask("receipts", ">=", 3, category="D1"), _categories(f"{_category('D1')} AND t.receipts >= 3")
        ),
        'bought(category: "D1 > G3") and not bought(category: "D2")': Typical(
            both(ask("bought", "is", True, category="D1 > G3"), without(ask("bought", "is", True, category="D2"))),
            _categories(
                f"{_category('D1 > G3')} AND t.receipts > 0 AND NOT EXISTS ("
                "SELECT FROM crm_customercategory o WHERE o.customer_id = t.customer_id AND o.receipts > 0 "
                "AND o.category_id = (SELECT id FROM crm_category WHERE path = 'D2'))"
            ),
        ),
        'days_since_purchase(category: "D2") > 60': Typical(
            ask("days_since_purchase", ">", 60, category="D2"),
            _categories(f"{_category('D2')} AND t.last_sold_on < %(day)s"),
            {"day": today - timedelta(days=60)},
        ),
        'units(category: "D1 > G1 > S1") >= 5': Typical(
            ask("units", ">=", 5, category="D1 > G1 > S1"), _categories(f"{_category('D1 > G1 > S1')} AND t.units >= 5")
        ),
    }


def _of_facts(today: date) -> dict[str, Typical]:
    quarter = today - timedelta(days=89)
    half, year = (months_before(today, months) + timedelta(days=1) for months in (6, 12))
    lines, receipts = "crm_receiptline", "crm_receipt"
    return {
        "spend(last: 90 days) >= 300": Typical(
            ask("spend", ">=", 300, last="90 days"),
            _grouped(receipts, "sold_on BETWEEN %(since)s AND %(today)s", "sum(total_minor) >= 30000"),
            {"since": quarter, "today": today},
        ),
        'spend(store: "Store 2", channel: "till", last: 12 months) between 100 and 500': Typical(
            ask("spend", "between", [100, 500], store="Store 2", channel="till", last="12 months"),
            _grouped(
                receipts,
                "sold_on BETWEEN %(since)s AND %(today)s AND channel = 'till' "
                "AND store_id = (SELECT id FROM crm_store WHERE code = 'store-2')",
                "sum(total_minor) BETWEEN 10000 AND 50000",
            ),
            {"since": year, "today": today},
        ),
        'bought(category: "D3", last: 6 months)': Typical(
            ask("bought", "is", True, category="D3", last="6 months"),
            _grouped(
                lines,
                f"NOT is_return AND sold_on BETWEEN %(since)s AND %(today)s AND {_BELOW.format(path='D3')}",
                "true",
            ),
            {"since": half, "today": today},
        ),
        'receipts >= 1 and not bought(category: "D4", last: 12 months)': Typical(
            both(ask("receipts", ">=", 1), without(ask("bought", "is", True, category="D4", last="12 months"))),
            _profiles(
                "t.receipts >= 1 AND NOT EXISTS (SELECT FROM crm_receiptline l WHERE l.customer_id = t.customer_id "
                "AND NOT l.is_return AND l.sold_on BETWEEN %(since)s AND %(today)s "
                f"AND {_BELOW.format(path='D4').replace('t.product_id', 'l.product_id')})"
            ),
            {"since": year, "today": today},
        ),
        'bought(product: "P000007", last: 90 days)': Typical(
            ask("bought", "is", True, product="P000007", last="90 days"),
            _grouped(
                lines,
                "NOT is_return AND sold_on BETWEEN %(since)s AND %(today)s "
                "AND product_id = (SELECT id FROM crm_product WHERE sku = 'P000007')",
                "true",
            ),
            {"since": quarter, "today": today},
        ),
        'receipts(category: "D5 > G21", last: 12 months) >= 3': Typical(
            ask("receipts", ">=", 3, category="D5 > G21", last="12 months"),
            _grouped(
                lines,
                f"sold_on BETWEEN %(since)s AND %(today)s AND NOT is_return AND {_BELOW.format(path='D5 > G21')}",
                "count(DISTINCT receipt_id) >= 3",
            ),
            {"since": year, "today": today},
        ),
    }
