"""All that the page of one customer shows at once. Its parts and its timeline load more by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm import custom_fields, loyalty, person
from crm.days import shop_day
from crm.models import Customer, DataRequest, LoyaltyCard, Receipt, ReceiptKind, Shop
from crm.page import lines, spending
from crm.page import reach as reaching

MOST_HOUSEMATES = 12
_SAID = (
    "number",
    "language",
    "address",
    "region",
    "country",
    "income_band",
    "social_group",
    "housing",
    "occupation",
    "work_pattern",
    "family_situation",
    "lifestyle",
    "source",
    "goal",
)
_LISTS = ("interests", "opinions", "values", "pets", "tags")


@dataclass(frozen=True, kw_only=True)
class Alert:
    text: str
    tone: str = "warm"


def load(pk: int) -> Customer | None:
    """The record with what its page needs, closed ones too."""
    related = ("profile", "household__decision_maker", "company__decision_maker", "merged_into")
    return Customer.objects.select_related(*related).filter(pk=pk).first()


def sheet(*, customer: Customer, now: datetime) -> dict[str, Any]:
    """The page's context: three lines, facts, cards, consents, charts."""
    today, ids = shop_day(now), person.whole_person(customer=customer)
    channels, general = reaching.channels(customer=customer)
    habits = spending.habits(ids=ids, today=today)
    standing = loyalty.standing(customer=customer, today=today)
    shop = Shop.current()
    expiring = loyalty.expiring_points(customer_ids=[customer.pk], today=today).get(customer.pk, 0)
    return {
        "ids": ids,
        "lines": {
            "who": lines.who(customer=customer, habits=habits, today=today, shop=shop),
            "reach": lines.reach(customer=customer, channels=channels, today=today),
            "due": lines.due(
                customer=customer,
                habits=habits,
                last=_last_sale(ids),
                standing=standing,
                expiring=expiring,
                today=today,
                shop=shop,
            ),
        },
        "alerts": _alerts(customer),
        "facts": _facts(customer),
        "channels": channels,
        "general": general,
        "standing": standing,
        "cards": list(LoyaltyCard.objects.filter(customer__in=ids).order_by("status", "-issued_at")),
        "housemates": _housemates(customer),
        "months_chart": spending.months_chart(ids=ids, today=today),
        "categories_chart": spending.categories_chart(ids=ids),
    }


def _last_sale(ids: Sequence[int]) -> lines.LastSale | None:
    sales = Receipt.objects.filter(customer__in=ids, kind=ReceiptKind.SALE, void=None)
    last = sales.order_by("-sold_at", "-pk").values_list("sold_on", "total_minor").first()
    return lines.LastSale(on=last[0], total_minor=last[1]) if last else None


def _housemates(customer: Customer) -> list[Customer]:
    if customer.household_id is None:
        return []
    others = Customer.objects.filter(household=customer.household_id, merged_into=None, erased_at=None)
    return list(others.exclude(pk=customer.pk)[:MOST_HOUSEMATES])


def _alerts(customer: Customer) -> list[Alert]:
    alerts = []
    if customer.no_profiling:
        alerts.append(Alert(text=_("Asked not to be profiled: no segments, personas or hints.")))
    for request in customer.requests.filter(status=DataRequest.Status.OPEN):
        due = {"what": request.get_kind_display(), "day": date_format(request.due_on)}
        alerts.append(Alert(text=_("Asked: %(what)s. The answer is due on %(day)s.") % due))
    return alerts


def _shown(value: Any) -> str:
    match value:
        case bool():
            return _("yes") if value else _("no")
        case list():
            return ", ".join(map(str, value))
    return str(value)


def _facts(customer: Customer) -> list[tuple[str, str]]:
    """What is written down about them, each with its name; what is unknown is left out."""

    def named(name: str) -> str:
        return str(Customer._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # columns, all of them

    facts = [(named(name), getattr(customer, name)) for name in _SAID]
    facts.insert(3, (named("city"), f"{customer.postcode} {customer.city}".strip()))
    facts += [(named(name), ", ".join(getattr(customer, name))) for name in _LISTS]
    if customer.birth_date:
        facts.insert(1, (_("birth date"), date_format(customer.birth_date)))
    elif customer.age_band:
        facts.insert(1, (_("age band"), customer.age_band))
    if customer.gender:
        facts.insert(2, (_("gender"), customer.get_gender_display()))
    for name in ("household_size", "children"):
        if getattr(customer, name) is not None:
            facts.append((named(name), str(getattr(customer, name))))
    labels = {field.slug: field.label for field in custom_fields.fields()}
    facts += [
        (labels.get(name, str(name)), _shown(value))
        for name, value in customer.custom.items()
        if value not in ("", None, [])
    ]
    return [(name, value) for name, value in facts if value]
