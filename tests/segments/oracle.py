"""What a rule means, said a second time in plain Python over lists of facts. Only for tests: slow and obvious."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from crm.attributes import Filter
from crm.models import Category, Customer, CustomerProfile, Receipt, ReceiptLine, Shop
from segments.tree import And, Condition, Node, Not, Or

UNKNOWN = object()


@dataclass
class History:
    """Everything about one customer, read from the tables of facts."""

    customer: Customer
    receipts: list[Receipt]
    lines: list[ReceiptLine]
    points: int
    consent_email: bool


def read_histories() -> list[History]:
    profiles = {profile.customer_id: profile for profile in CustomerProfile.objects.all()}
    receipts = list(Receipt.objects.select_related("store"))
    lines = list(ReceiptLine.objects.select_related("product__category", "receipt__store"))
    return [
        History(
            customer,
            [receipt for receipt in receipts if receipt.customer_id == customer.pk],
            [line for line in lines if line.customer_id == customer.pk],
            profiles[customer.pk].points if customer.pk in profiles else 0,
            profiles[customer.pk].consent_email if customer.pk in profiles else False,
        )
        for customer in Customer.objects.filter(merged_into=None, erased_at=None, no_profiling=False)
    ]


def members(node: Node, histories: Sequence[History], today: date) -> set[int]:
    return {history.customer.pk for history in histories if selects(node, history, today)}


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
        case "points":
            return history.points
        case "consent_email":
            return history.consent_email
        case "lifecycle":
            return _stage(history, today)
        case "first_purchase":
            return min((receipt.sold_on for receipt in history.receipts if receipt.kind == "sale"), default=UNKNOWN)
    return _measure(condition, history, today)


def _stage(history: History, today: date) -> str:
    from tests.segments import score_oracle  # which reads histories as this module does

    return score_oracle.stage(history, today, Shop.current())


def _measure(condition: Condition, history: History, today: date) -> Any:
    lines = [line for line in history.lines if _passes(condition, line, line.receipt, today)]
    receipts = [receipt for receipt in history.receipts if _passes(condition, None, receipt, today)]
    by_line = Filter.CATEGORY in condition.filters or Filter.PRODUCT in condition.filters
    sales = {line.receipt_id for line in lines if not line.is_return}
    returns = {line.receipt_id for line in lines if line.is_return}
    bought_on = [line.sold_on for line in lines if not line.is_return]
    if not by_line:
        sales = {receipt.pk for receipt in receipts if receipt.kind == "sale"}
        returns = {receipt.pk for receipt in receipts if receipt.kind == "return"}
        bought_on = [receipt.sold_on for receipt in receipts if receipt.kind == "sale"]
    facts: Sequence[Any] = lines if by_line else receipts
    spend = Decimal(sum(fact.total_minor for fact in facts)) / 100
    match condition.attribute:
        case "bought":
            return bool(sales)
        case "receipts":
            return len(sales)
        case "returns":
            return len(returns)
        case "spend":
            return spend
        case "discount":
            return Decimal(sum(fact.discount_minor for fact in facts)) / 100
        case "units":
            return sum((line.quantity for line in lines), Decimal(0))
        case "average_receipt":
            return spend / len(sales) if sales else UNKNOWN
        case "days_since_purchase":
            return (today - max(bought_on)).days if bought_on else UNKNOWN
    raise AssertionError(condition.attribute)


def _passes(condition: Condition, line: ReceiptLine | None, receipt: Receipt, today: date) -> bool:
    for name, value in condition.filters.items():
        fact: Any = line if line is not None else receipt
        match name:
            case Filter.CATEGORY:
                assert isinstance(value, str)
                category = line.product.category if line is not None else None
                path = category.path if category else ""
                if line is not None and path != value and not path.startswith(value + Category.SEPARATOR):
                    return False
            case Filter.PRODUCT:
                if line is not None and line.product.sku != value:
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
