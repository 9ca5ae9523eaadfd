"""Measures over the facts of purchase, each with the filters that it takes."""

from django.db.models import Count, F, Max, Min, Q, Sum, Value
from django.db.models.functions import TruncMonth
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, TimeEffect, Type, register
from crm.models import ReceiptKind, SalesChannel
from crm.sources import DaysBetween
from segments.facts import EVERY_FILTER, TIME_FILTERS
from segments.figures import Bought, Counted, DaysSincePurchase, Parts, ProductsOfDay, Ratio, ShareOfSpend

SALES = Parts(Sum("total_minor"), Count(Value(1), filter=Q(kind=ReceiptKind.SALE)))
SALES_BY_LINES = Parts(Sum("total_minor"), Count("receipt_id", distinct=True, filter=Q(is_return=False)))
RECEIPTS_BY_LINES = Count("receipt_id", distinct=True)
MONTHS = Count(TruncMonth("sold_on"), distinct=True)
INTERVAL = Parts(DaysBetween(Max("sold_on"), Min("sold_on")), Count("sold_on", distinct=True) - 1)
DISCOUNT_SHARE = Parts(Sum("discount_minor"), Sum(F("total_minor") + F("discount_minor")))

# The figures are in hundredths, and prices in whole units: that makes the percent.
PRICE_LEVEL = Parts(
    Sum("total_minor", filter=Q(product__category__usual_price__unit_price__isnull=False)),
    Sum(F("quantity") * F("product__category__usual_price__unit_price")),
)

MEASURES = (
    Attribute(
        name="bought",
        label=_("purchase"),
        help=_("At least one sale; choose a category (with everything below it) or a product, and a time."),
        group=Group.BEHAVIOUR,
        type=Type.FLAG,
        source=Bought(),
        always_known=True,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="spend",
        label=_("spend"),
        help=_("Net of returns and discounts, tax included."),
        group=Group.BEHAVIOUR,
        type=Type.MONEY,
        source=Counted(column="spend_minor", lines=Sum("total_minor"), receipts=Sum("total_minor")),
        always_known=True,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="receipts",
        label=_("receipts"),
        help=_("Sales with at least one matching line. A sale returned in full still counts; a return never does."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=Counted(column="receipts", lines=RECEIPTS_BY_LINES, receipts=Count("*"), kind=ReceiptKind.SALE),
        always_known=True,
        minimum=0,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="days_since_purchase",
        label=_("days since the last purchase"),
        help=_("0 is today. Looks at sales only; unknown for whoever has not bought."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=DaysSincePurchase(),
        minimum=0,
        maximum=36_500,
        filters=EVERY_FILTER - TIME_FILTERS,
        time=TimeEffect.DAILY,
    ),
    Attribute(
        name="average_receipt",
        label=_("average receipt"),
        help=_("Spend for each receipt; unknown without one."),
        group=Group.BEHAVIOUR,
        type=Type.MONEY,
        source=Ratio(
            lines=SALES_BY_LINES,
            receipts=SALES,
            profile=Parts("spend_minor", "receipts"),
            category=Parts("spend_minor", "receipts"),
        ),
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="units",
        label=_("units"),
        help=_("Quantity bought, less what was brought back."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=Counted(column="units", lines=Sum("quantity")),
        always_known=True,
        whole=False,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="average_price",
        label=_("average price of a unit"),
        help=_("Spend for each unit: the price level, best asked within a category; unknown without a unit kept."),
        group=Group.BEHAVIOUR,
        type=Type.MONEY,
        source=Ratio(
            lines=Parts(Sum("total_minor"), Sum("quantity")),
            profile=Parts("spend_minor", "units"),
            category=Parts("spend_minor", "units"),
        ),
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="price_level",
        label=_("price level"),
        help=_(
            "What the customer pays for a unit against what all customers paid in the same categories over twelve "
            "months, reckoned once a month and after imports; 100 is as all of them. Unknown without a unit kept."
        ),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=Ratio(lines=PRICE_LEVEL),
        minimum=0,
        whole=False,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="discount",
        label=_("discounts"),
        help=_("Discounts had, less those on what was brought back."),
        group=Group.BEHAVIOUR,
        type=Type.MONEY,
        source=Counted(
            column="discount_minor", lines=Sum("discount_minor"), receipts=Sum("discount_minor"), by_category=False
        ),
        always_known=True,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="returns",
        label=_("returns"),
        help=_("How often something was brought back."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=Counted(
            column="returns",
            lines=RECEIPTS_BY_LINES,
            receipts=Count("*"),
            kind=ReceiptKind.RETURN,
            by_category=False,
        ),
        always_known=True,
        minimum=0,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="months_bought",
        label=_("months with a purchase"),
        help=_("Calendar months with at least one sale."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        unit=_("months"),
        source=Counted(lines=MONTHS, receipts=MONTHS, kind=ReceiptKind.SALE),
        always_known=True,
        minimum=0,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="days_between_purchases",
        label=_("days between purchases"),
        help=_("On average, from one day with a purchase to the next; unknown before the second such day."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        unit=_("days"),
        source=Ratio(lines=INTERVAL, receipts=INTERVAL, kind=ReceiptKind.SALE),
        minimum=0,
        whole=False,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="distinct_products",
        label=_("different products"),
        help=_("How many products were bought at least once; what was brought back still counts."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        source=Counted(lines=Count("product_id", distinct=True), kind=ReceiptKind.SALE),
        always_known=True,
        minimum=0,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="first_product",
        label=_("first products"),
        help=_("What was bought on the first day with a purchase, by SKU."),
        group=Group.BEHAVIOUR,
        type=Type.WORDS,
        source=ProductsOfDay("first_sold_on"),
        offered_names=Filter.PRODUCT,
    ),
    Attribute(
        name="last_product",
        label=_("last products"),
        help=_("What was bought on the last day with a purchase, by SKU."),
        group=Group.BEHAVIOUR,
        type=Type.WORDS,
        source=ProductsOfDay("last_sold_on"),
        offered_names=Filter.PRODUCT,
    ),
    Attribute(
        name="discount_share",
        label=_("share of discounts"),
        help=_("Discounts in percent of what the goods would have cost without them; unknown where that is nothing."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        unit="%",
        source=Ratio(
            lines=DISCOUNT_SHARE,
            receipts=DISCOUNT_SHARE,
            profile=Parts("discount_minor", "spend_minor + discount_minor"),
            scale=100,
        ),
        whole=False,
        filters=EVERY_FILTER,
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="online_share",
        label=_("share of online purchases"),
        help=_("Receipts from online in percent of all; unknown without a purchase."),
        group=Group.BEHAVIOUR,
        type=Type.NUMBER,
        unit="%",
        source=Ratio(
            lines=Parts(
                Count("receipt_id", distinct=True, filter=Q(receipt__channel=SalesChannel.ONLINE)), RECEIPTS_BY_LINES
            ),
            receipts=Parts(Count(Value(1), filter=Q(channel=SalesChannel.ONLINE)), Count("*")),
            kind=ReceiptKind.SALE,
            scale=100,
        ),
        minimum=0,
        maximum=100,
        whole=False,
        filters=EVERY_FILTER - {Filter.CHANNEL},
        time=TimeEffect.WITH_WINDOW,
    ),
    Attribute(
        name="share_of_spend",
        label=_("share of spend"),
        help=_("Percent of what a customer spent in the same time, net of returns; unknown without a positive spend."),
        group=Group.SOCIO_ECONOMIC,
        type=Type.NUMBER,
        unit="%",
        source=ShareOfSpend(),
        whole=False,
        filters=EVERY_FILTER,
        needs=EVERY_FILTER - TIME_FILTERS,
        time=TimeEffect.WITH_WINDOW,
    ),
)


def register_all() -> None:
    register(*MEASURES)
