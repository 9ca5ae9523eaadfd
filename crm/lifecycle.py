"""How far a customer has come: one stage each, by rules that the shop sets (``Shop``), said here and nowhere else.

In this order, the first that holds; "days" are whole days since the last sale, a purchase being a sale:

*interested*: never bought, and visited the site or wished for something within ``interested_days``;
*registered*: never bought, and joined (a form, a card);
*prospect*: never bought, and only known;
*lapsed*: bought, and has been away for ``lapsed_days`` or more;
*at risk*: a regular (``regular_receipts`` purchases or more) who has been away for ``regular_days`` or more;
*won back*: had been away for ``lapsed_days`` or more, and came back within the last ``won_back_days``;
*regular*: ``regular_receipts`` purchases or more;
*buyer*: everybody else who bought.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Exists,
    Expression,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from crm import bell, marks
from crm.attributes import Attribute, Filter, Group, Predicate, Scope, TimeEffect, Type
from crm.models import CustomerProfile, Receipt, Shop, WebVisit, WishlistItem
from crm.sources import days_before

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

STAGES: Mapping[str, "StrOrPromise"] = {
    "prospect": _("prospect"),
    "registered": _("registered"),
    "interested": _("interested"),
    "buyer": _("buyer"),
    "regular": _("regular"),
    "at risk": _("at risk"),
    "lapsed": _("lapsed"),
    "won back": _("won back"),
}
"""In the order of a customer's life."""

REFRESH = "segments.tasks.refresh_marked"
SETTINGS = ("regular_receipts", "regular_days", "lapsed_days", "won_back_days", "interested_days")


class CameBack(Func):
    """Whether the first sale since ``start`` (exclusive) came at least ``gap`` days after the one before it.

    With a stretch no longer than the gap, that is the only sale in it that can have ended such an absence. One look
    into the index a customer; the compiler's other conditions leave few to look at.
    """

    output_field = BooleanField()
    conditional = True
    template = (
        "EXISTS (SELECT 1 FROM (SELECT min(sold_on) FILTER (WHERE sold_on > DATE '%(start)s') AS back, "
        "max(sold_on) FILTER (WHERE sold_on <= DATE '%(start)s') AS before FROM crm_receipt "
        "WHERE customer_id = %(expressions)s AND kind = 'sale' AND sold_on <= DATE '%(today)s') AS sale "
        "WHERE back - before >= %(gap)d)"
    )

    def __init__(self, start: date, today: date, gap: int) -> None:
        super().__init__(F("pk"), start=start.isoformat(), today=today.isoformat(), gap=gap)


def rules(scope: Scope) -> Shop:
    """The shop's thresholds, looked up once for a scope."""
    if "shop" not in scope.memo:
        scope.memo["shop"] = Shop.current()
    shop: Shop = scope.memo["shop"]
    return shop


def lifecycle(scope: Scope) -> Mapping[str, Q]:
    """Stage -> who is in it, in the order of :data:`STAGES`. Everybody is in exactly one."""
    shop = rules(scope)
    ago = days_before(scope.today)
    never = Q(profile=None) | Q(profile__receipts=0)
    shown = _interest(scope.today, shop.interested_days)
    bought = Q(profile__receipts__gt=0)
    many, few = Q(profile__receipts__gte=shop.regular_receipts), Q(profile__receipts__lt=shop.regular_receipts)
    here, away = Q(profile__last_sold_on__gt=ago(shop.lapsed_days)), Q(profile__last_sold_on__lte=ago(shop.lapsed_days))
    lately, not_lately = (
        Q(profile__last_sold_on__gt=ago(shop.regular_days)),
        Q(profile__last_sold_on__lte=ago(shop.regular_days)),
    )
    not_at_risk = bought & here & (few | lately)
    back = (
        Q(profile__receipts__gt=1)
        & Q(profile__first_sold_on__lte=ago(shop.lapsed_days))
        & Q(profile__last_sold_on__gt=ago(shop.won_back_days))
        & Q(CameBack(ago(shop.won_back_days), scope.today, shop.lapsed_days))
    )
    return {
        "prospect": never & ~Q(shown) & Q(registered_at=None),
        "registered": never & ~Q(shown) & Q(registered_at__isnull=False),
        "interested": never & Q(shown),
        "buyer": not_at_risk & few & ~back,
        "regular": not_at_risk & many & ~back,
        "at risk": bought & here & many & not_lately,
        "lapsed": bought & away,
        "won back": not_at_risk & back,
    }


def _interest(today: date, days: int) -> Q:
    first = today - timedelta(days=days - 1)
    visits = WebVisit.objects.filter(customer=OuterRef("pk"), visited_on__range=(first, today))
    wishes = WishlistItem.objects.filter(
        customer=OuterRef("pk"), added_at__gte=_begins(first), added_at__lt=_begins(today + timedelta(days=1))
    )
    return Q(Exists(visits)) | Q(Exists(wishes))


def _begins(day: date) -> datetime:
    """The moment at which the shop's day begins."""
    return timezone.make_aware(datetime.combine(day, time()), timezone.get_default_timezone())


@dataclass(frozen=True)
class Lifecycle:
    """The stage, and who changes it by the passing of days alone.

    ``stages`` gives each stage's predicate; every customer is in exactly one.
    """

    stages: Callable[[Scope], Mapping[str, Q]]

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        wanted = [value] if operator in ("=", "!=") else value
        chosen = [who for name, who in self.stages(scope).items() if (name in wanted) == (operator in ("=", "in"))]
        return Q(*chosen, _connector=Q.OR) if chosen else Q(pk__in=[])

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        stages = self.stages(scope).items()
        return Case(*(When(who, then=Value(name)) for name, who in stages), output_field=CharField())

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any] | None":
        """Whose last sale, comeback, visit or wish passed one of the shop's limits between the two days."""
        shop, today = rules(scope), scope.today

        def passed(days: int) -> tuple[date, date]:
            return since - timedelta(days=days - 1), today - timedelta(days=days)

        last = Q(last_sold_on__range=passed(shop.lapsed_days)) | Q(last_sold_on__range=passed(shop.regular_days))
        profiles = CustomerProfile.objects.order_by().filter(last)
        came = Q(sold_on__range=passed(shop.won_back_days)) | Q(sold_on__range=(since + timedelta(days=1), today))
        receipts = Receipt.objects.order_by().filter(came, customer__isnull=False)
        first, end = passed(shop.interested_days)
        seen = Q(visited_on__range=(first, end)) | Q(visited_on__range=(since + timedelta(days=1), today))
        visits = WebVisit.objects.order_by().filter(seen, customer__isnull=False)
        wished = Q(added_at__gte=_begins(first), added_at__lt=_begins(end + timedelta(days=1))) | Q(
            added_at__gte=_begins(since + timedelta(days=1)), added_at__lt=_begins(today + timedelta(days=1))
        )
        wishes = WishlistItem.objects.order_by().filter(wished)
        return profiles.values("customer_id").union(
            *(rows.values("customer_id") for rows in (receipts, visits, wishes))
        )


def follow_settings(*, changed: Iterable[str]) -> None:
    """After the shop's settings were saved: where stages or scores hang on them, everybody is evaluated anew."""
    if {*SETTINGS, "rfm_months", "forecast_months"} & set(changed):
        marks.mark_all()
        bell.ring_after_commit(REFRESH)


def in_words(shop: Shop) -> str:
    """The rules in force, for help texts and pages."""
    return gettext(
        "Prospect: never bought, never registered. Registered: joined, never bought. Interested: never bought, but "
        "visited or wished for something in the last %(interested)d days. Regular: at least %(receipts)d purchases. "
        "At risk: a regular without a purchase for %(regular)d days. Lapsed: no purchase for %(lapsed)d days. Won "
        "back: came back in the last %(back)d days, after %(lapsed)d or more without a purchase. Buyer: everybody "
        "else who bought."
    ) % {
        "interested": shop.interested_days,
        "receipts": shop.regular_receipts,
        "regular": shop.regular_days,
        "lapsed": shop.lapsed_days,
        "back": shop.won_back_days,
    }


SOURCE = Lifecycle(lifecycle)
LIFECYCLE = Attribute(
    name="lifecycle",
    label=_("lifecycle stage"),
    help=_(
        "Never bought: prospect, registered (joined) or interested (visited or wished for something lately). Bought: "
        "regular (often), at risk (a regular who stays away), lapsed (away for long), won back (came back after that), "
        "else buyer. The shop's settings say how often and how long."
    ),
    group=Group.LIFECYCLE,
    type=Type.CHOICE,
    source=SOURCE,
    values=STAGES,
    always_known=True,
    time=TimeEffect.DAILY,
)
