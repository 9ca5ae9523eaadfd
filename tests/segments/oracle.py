"""What a rule means, said a second time in plain Python over lists of facts. Only for tests: slow and obvious."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings

from crm.attributes import WEEKDAYS, Filter
from crm.models import Category, Customer, CustomerProfile, Receipt, ReceiptLine, Shop, TierAward
from segments.tree import And, Condition, Node, Not, Or

UNKNOWN = object()


@dataclass
class History:
    """Everything about one customer, read from the tables of facts."""

    customer: Customer
    receipts: list[Receipt]
    lines: list[ReceiptLine]
    tiers: list[TierAward]
    points: int
    consent_email: bool
    segments: set[str] = field(default_factory=set)
    """The names of those that the customer is in, as whoever asks has found before."""


def read_histories() -> list[History]:
    profiles = {profile.customer_id: profile for profile in CustomerProfile.objects.all()}
    receipts = list(Receipt.objects.select_related("store"))
    lines = list(ReceiptLine.objects.select_related("product__category__usual_price", "receipt__store"))
    awards = list(TierAward.objects.select_related("tier"))
    return [
        History(
            customer,
            [receipt for receipt in receipts if receipt.customer_id == customer.pk],
            [line for line in lines if line.customer_id == customer.pk],
            [award for award in awards if award.customer_id == customer.pk],
            profiles[customer.pk].points if customer.pk in profiles else 0,
            profiles[customer.pk].consent_email if customer.pk in profiles else False,
        )
        for customer in Customer.objects.filter(merged_into=None, erased_at=None, no_profiling=False)
    ]


def members(node: Node, histories: Sequence[History], today: date) -> set[int]:
    return {
        history.customer.pk
        for history in histories
        if not _is_child(history.customer, today) and selects(node, history, today)
    }


def _is_child(customer: Customer, today: date) -> bool:
    """Of whom nothing is asked until a guardian agrees."""
    born, age = customer.birth_date, settings.PROFILING_AGE
    if born is None or not age or customer.guardian_agreed_on is not None:
        return False
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day)) < age


def selects(node: Node, history: History, today: date) -> bool:
    match node:
        case And():
            return all(selects(child, history, today) for child in node.nodes)
        case Or():
            return any(selects(child, history, today) for child in node.nodes)
        case Not():
            return not selects(node.node, history, today)
    return _meets(node, _value(node, history, today), today)


def _meets(condition: Condition, actual: Any, today: date) -> bool:
    if condition.operator == "unknown":
        return actual is UNKNOWN
    if actual is UNKNOWN:
        return False
    value: Any = condition.value
    if isinstance(actual, Fraction) and value is not None:
        value = _exact(value)
    match condition.operator:
        case "known":
            return True
        case "=" | "is":
            return bool(actual == value)
        case "!=":
            return bool(actual != value)
        case ">=":
            return bool(actual >= value)
        case ">":
            return bool(actual > value)
        case "<=":
            return bool(actual <= value)
        case "<":
            return bool(actual < value)
        case "between":
            return bool(value[0] <= actual <= value[1])
        case "in" if condition.attribute == "segment":
            return value in actual
        case "in":
            return actual in value
        case "not in":
            return actual not in value
        case "starts with":
            return str(actual).upper().startswith(value.upper())
        case "contains":
            return value.upper() in str(actual).upper()
        case "has":
            return value in actual
        case "has any":
            return any(word in actual for word in value)
        case "has all":
            return all(word in actual for word in value)
        case "in next":
            return any(_falls_on(actual, today + timedelta(days=ahead)) for ahead in range(int(value)))
    raise AssertionError(condition.operator)


def _exact(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_exact(one) for one in value)
    return None if value is None else Fraction(value)


def _falls_on(birth_date: date, day: date) -> bool:
    if (birth_date.month, birth_date.day) == (2, 29) and (day.month, day.day) == (3, 1):
        return (day - timedelta(days=1)).day == 28
    return (birth_date.month, birth_date.day) == (day.month, day.day)


def _value(condition: Condition, history: History, today: date) -> Any:
    customer = history.customer
    match condition.attribute:
        case "age":
            born = customer.birth_date
            if born is None:
                return UNKNOWN
            return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        case "birthday":
            return customer.birth_date or UNKNOWN
        case "gender" | "city" | "income_band":
            return getattr(customer, condition.attribute) or UNKNOWN
        case "interests":
            return customer.interests or UNKNOWN
        case "household_size":
            return UNKNOWN if customer.household_size is None else customer.household_size
        case "segment":
            return history.segments
        case "points":
            return history.points
        case "consent_email":
            return history.consent_email
        case "lifecycle":
            return _stage(history, today)
        case "first_purchase":
            return _first_purchase(history) or UNKNOWN
        case "days_since_first_purchase":
            first = _first_purchase(history)
            return (today - first).days if first else UNKNOWN
        case "tier":
            running = [award.tier for award in history.tiers if award.reached_on <= today <= award.ends_on]
            return max(running, key=lambda tier: tier.spend_minor).name if running else UNKNOWN
    return _measure(condition, history, today)


def _first_purchase(history: History) -> date | None:
    return min((receipt.sold_on for receipt in history.receipts if receipt.kind == "sale"), default=None)


def _stage(history: History, today: date) -> str:
    from tests.segments import score_oracle  # which reads histories as this module does

    return score_oracle.stage(history, today, Shop.current())


BY_LINE = {Filter.CATEGORY, Filter.PRODUCT, Filter.BRAND}
TIMES = {Filter.LAST, Filter.SINCE, Filter.UNTIL}


def _measure(condition: Condition, history: History, today: date) -> Any:
    filters = condition.filters
    lines = [line for line in history.lines if _passes(filters, line, line.receipt, today)]
    receipts = [receipt for receipt in history.receipts if _passes(filters, None, receipt, today)]
    by_line = not BY_LINE.isdisjoint(filters)
    sold = {line.receipt for line in lines if not line.is_return}
    returns = {line.receipt_id for line in lines if line.is_return}
    if not by_line:
        sold = {receipt for receipt in receipts if receipt.kind == "sale"}
        returns = {receipt.pk for receipt in receipts if receipt.kind == "return"}
    bought_on = {receipt.sold_on for receipt in sold}
    facts: Sequence[Any] = lines if by_line else receipts
    spend = Fraction(sum(fact.total_minor for fact in facts), 100)
    discount = Fraction(sum(fact.discount_minor for fact in facts), 100)
    match condition.attribute:
        case "bought":
            return bool(sold)
        case "receipts":
            return len(sold)
        case "returns":
            return len(returns)
        case "spend":
            return spend
        case "discount":
            return discount
        case "units":
            return sum((line.quantity for line in lines), Decimal(0))
        case "average_receipt":
            return spend / len(sold) if sold else UNKNOWN
        case "average_price":
            units = Fraction(sum((line.quantity for line in lines), Decimal(0)))
            total = Fraction(sum(line.total_minor for line in lines), 100)
            return total / units if units > 0 else UNKNOWN
        case "price_level":
            return _price_level([line for line in lines if _usual_price(line) is not None])
        case "days_since_purchase":
            return (today - max(bought_on)).days if bought_on else UNKNOWN
        case "months_bought":
            return len({(day.year, day.month) for day in bought_on})
        case "days_between_purchases":
            return (
                Fraction((max(bought_on) - min(bought_on)).days, len(bought_on) - 1) if len(bought_on) > 1 else UNKNOWN
            )
        case "distinct_products":
            return len({line.product_id for line in lines if not line.is_return})
        case "first_product" | "last_product":
            day = {"first_product": min, "last_product": max}[condition.attribute](bought_on, default=None)
            return {line.product.sku for line in lines if line.sold_on == day and not line.is_return} or UNKNOWN
        case "discount_share":
            return 100 * discount / (spend + discount) if spend + discount > 0 else UNKNOWN
        case "online_share":
            return Fraction(100 * sum(one.channel == "online" for one in sold), len(sold)) if sold else UNKNOWN
        case "share_of_spend":
            times = {name: value for name, value in filters.items() if name in TIMES}
            whole = [one for one in history.receipts if _passes(times, None, one, today)]
            total = Fraction(sum(receipt.total_minor for receipt in whole), 100)
            return 100 * spend / total if total > 0 else UNKNOWN
    raise AssertionError(condition.attribute)


def _price_level(lines: Sequence[ReceiptLine]) -> Any:
    usual = sum((Fraction(line.quantity) * Fraction(_usual_price(line) or 0) for line in lines), Fraction(0))
    return Fraction(sum(line.total_minor for line in lines)) / usual if usual > 0 else UNKNOWN


def _usual_price(line: ReceiptLine) -> Decimal | None:
    """What a unit of the product's category costs everybody, as it is stored."""
    category = line.product.category
    return category.usual_price.unit_price if category and hasattr(category, "usual_price") else None


def _passes(filters: Mapping[Filter, Any], line: ReceiptLine | None, receipt: Receipt, today: date) -> bool:
    for name, value in filters.items():
        fact: Any = line if line is not None else receipt
        match name:
            case Filter.CATEGORY:
                category = line.product.category if line is not None else None
                path = category.path if category else ""
                if line is not None and path != value and not path.startswith(value + Category.SEPARATOR):
                    return False
            case Filter.PRODUCT:
                if line is not None and line.product.sku != value:
                    return False
            case Filter.BRAND:
                if line is not None and line.product.brand != value:
                    return False
            case Filter.WEEKDAY:
                if WEEKDAYS[receipt.sold_on.weekday()] not in value:
                    return False
            case Filter.TIME:
                start, end = (time.fromisoformat(one) for one in value.split("-"))
                at = receipt.sold_at.time()
                if not (start <= at < end if start < end else at >= start or at < end):
                    return False
            case Filter.STORE:
                if receipt.store.code != value:
                    return False
            case Filter.CHANNEL:
                if receipt.channel != value:
                    return False
            case Filter.LAST:
                if not _window_start(today, value) <= fact.sold_on <= today:
                    return False
            case Filter.SINCE:
                if fact.sold_on < value:
                    return False
            case Filter.UNTIL:
                if fact.sold_on > value:
                    return False
    return True


def _window_start(today: date, last: Any) -> date:
    match last.unit:
        case "days":
            return today - timedelta(days=last.count - 1)
        case "weeks":
            return today - timedelta(days=7 * last.count - 1)
    months = last.count * (12 if last.unit == "years" else 1)
    year, month = today.year, today.month - months
    while month < 1:
        year, month = year - 1, month + 12
    day = today.day
    while True:
        try:
            return date(year, month, day) + timedelta(days=1)
        except ValueError:
            day -= 1
