"""The exports of the records. Where a list can be imported, the columns are those of the import."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from crm import custom_fields
from crm.custom_values import CustomValue
from crm.exporting.declared import Column, Export, amount, declare, degrees, trimmed
from crm.models import Channel, Consent, Customer, LoyaltyCard, LoyaltyEntry, Purpose, Question, ReceiptLine

PERSONAL = "crm.export_customer"


def _consent(customer: str, channel: str) -> Subquery:
    """The newest statement: yes, no, or nothing where there is none, which is not a no."""
    person = OuterRef(OuterRef(customer))
    records = Customer.objects.filter(Q(pk=person) | Q(merged_into=person)).order_by().values("pk")
    stated = Consent.objects.filter(customer__in=records, channel=channel, purpose=Purpose.MARKETING)
    return Subquery(stated.order_by("-stated_at", "-id").values("granted")[:1])


def _card(customer: str) -> Subquery:
    """The oldest card that can be used."""
    cards = LoyaltyCard.objects.filter(customer=OuterRef(customer), status=LoyaltyCard.Status.ACTIVE)
    return Subquery(cards.order_by("id").values("number")[:1])


def _same(*names: str, to: str = "") -> list[Column]:
    return [Column(name, to + name) for name in names]


class CustomerColumns(Sequence[Column]):
    """The columns of an import of customers, the shop's own fields among them as they are now.

    ``to`` is the path to the customer ("customer__"), ``also`` comes after them. Special categories stay where they
    are: lists go too far.
    """

    def __init__(self, to: str = "", also: Sequence[Column] = ()) -> None:
        self._to, self._usual, self._also = to, _usual_columns(to), also

    def _now(self) -> list[Column]:
        path = f"{self._to}custom"
        own = [field for field in custom_fields.fields() if field.privacy != Question.Privacy.SPECIAL]
        return [
            *self._usual,
            *(Column(field.attribute, CustomValue(field.slug, field.kind, path)) for field in own),
            *self._also,
        ]

    @overload
    def __getitem__(self, at: int) -> Column: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Column]: ...

    def __getitem__(self, at: int | slice) -> Column | Sequence[Column]:
        return self._now()[at]

    def __iter__(self) -> Iterator[Column]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


def _usual_columns(to: str) -> list[Column]:
    key = f"{to}pk"
    return [
        Column("customer_id", f"{to}number"),
        *_same("first_name", "last_name", "email", "phone", "birth_date", "age_band", "gender", "language", to=to),
        *_same("address", "city", "region", "country", "postcode", "area_kind", to=to),
        *(Column(name, to + name, degrees) for name in ("latitude", "longitude")),
        *_same("income_band", "social_group", "housing", to=to),
        Column("household_id", f"{to}household__number"),
        *_same("household_size", "family_situation", "children", "pets", to=to),
        Column("company", f"{to}company__name"),
        *_same(
            "job_title", "occupation", "work_pattern", "lifestyle", "interests", "opinions", "values", "tags", to=to
        ),
        *_same("preferred_channel", "source", "goal", "registered_at", "guardian_agreed_on", to=to),
        Column("card_number", _card(key)),
        *(Column(f"consent_{channel}", _consent(key, channel)) for channel in Channel.values),
    ]


customers = declare(Export("customers", _("customers"), CustomerColumns(), ["crm.view_customer", PERSONAL]))

households = declare(
    Export(
        "households",
        _("households"),
        [Column("household_id", "number"), Column("decision_maker", "decision_maker__number")],
        ["crm.view_household", PERSONAL],
    )
)

companies = declare(
    Export(
        "companies",
        _("companies"),
        [
            Column("company", "name"),
            *_same("industry", "employees"),
            Column("decision_maker", "decision_maker__number"),
        ],
        ["crm.view_company", PERSONAL],
    )
)

products = declare(
    Export(
        "products",
        _("products"),
        [
            *_same("sku", "name"),
            Column("category", "category__path"),
            Column("brand", "brand"),
            Column("price", "price_minor", amount),
            Column("barcode", "barcode"),
        ],
        ["crm.view_product"],
    )
)

categories = declare(Export("categories", _("categories"), _same("path"), ["crm.view_category"]))

_POINT = [Column(name, name, degrees) for name in ("latitude", "longitude")]
stores = declare(
    Export("stores", _("stores"), [*_same("code", "name", "city"), *_POINT, *_same("is_active")], ["crm.view_store"])
)


def _lines(receipts: QuerySet[Any]) -> QuerySet[Any]:
    """Those of voided sales are left out: an import would take them for sales."""
    receipts = receipts.filter(void=None)
    return ReceiptLine.objects.filter(receipt__in=receipts.order_by().values("pk")).order_by("receipt_id", "position")


receipt_lines = declare(
    Export(
        "receipt-lines",
        _("receipts, a row for each line"),
        [
            Column("receipt_id", "receipt__external_id"),
            Column("sold_at", "receipt__sold_at"),
            Column("store", "receipt__store__code"),
            Column("channel", "receipt__channel"),
            Column("customer_id", "receipt__customer__number"),
            Column("sku", "product__sku"),
            Column("product", "product__name"),
            Column("category", "product__category__path"),
            Column("quantity", "quantity", trimmed),
            Column("unit_price", "unit_price", trimmed),
            Column("discount", "discount_minor", amount),
            Column("line_total", "total_minor", amount),
            Column("returns_receipt_id", "receipt__returns__external_id"),
        ],
        ["crm.view_receipt", PERSONAL],
        rows=_lines,
    )
)

receipts = declare(
    Export(
        "receipts",
        _("receipts, a row for each"),
        [
            Column("receipt_id", "external_id"),
            *_same("source", "kind", "channel", "sold_at"),
            Column("store", "store__code"),
            Column("customer_id", "customer__number"),
            Column("total", "total_minor", amount),
            Column("discount", "discount_minor", amount),
            Column("payment", "payment"),
            Column("returns_receipt_id", "returns__external_id"),
            Column("voided_at", "void__voided_at"),
        ],
        ["crm.view_receipt", PERSONAL],
    )
)

receipt_mails = declare(
    Export(
        "receipt-mails",
        _("receipts by mail"),
        [
            Column("receipt_id", "receipt__external_id"),
            *_same("email", "status", "attempts", "error", "asked_at", "settled_at"),
        ],
        ["crm.view_receiptmail", PERSONAL],
    )
)

service_mails = declare(
    Export(
        "service-mails",
        _("service mails"),
        [
            Column("customer_id", "customer__number"),
            *_same("subject", "email", "status", "attempts", "error", "asked_at", "settled_at"),
        ],
        ["crm.view_servicemail", PERSONAL],
    )
)

requests = declare(
    Export(
        "requests",
        _("what customers asked"),
        [
            Column("customer_id", "customer__number"),
            *_same("kind", "status", "through", "asked_at", "due_on", "decided_at"),
        ],
        ["crm.view_datarequest", PERSONAL],
    )
)

audit_entries = declare(
    Export(
        "looks",
        _("who looked at personal data"),
        _same("happened_at", "username", "action", "what", "customer_id", "count", "address", "detail"),
        ["crm.view_auditentry", PERSONAL],
    )
)

consents = declare(
    Export(
        "consents",
        _("consents, every statement"),
        [
            Column("customer_id", "customer__number"),
            *_same("channel", "purpose", "granted", "stated_at", "source", "wording"),
        ],
        ["crm.view_consent", PERSONAL],
    )
)

suppressions = declare(
    Export(
        "suppressions",
        _("suppressed addresses, as fingerprints"),
        [
            *_same("channel", "reason", "recorded_at"),
            Column("address_hash", "address_hash", lambda key: bytes(key).hex()),
        ],
        ["crm.view_suppression", PERSONAL],
    )
)


def _points() -> Coalesce:
    """The balance is the sum of the ledger, nothing else."""
    ledger = LoyaltyEntry.objects.filter(customer=OuterRef("pk")).order_by().values("customer")
    return Coalesce(Subquery(ledger.annotate(sum=Sum("points")).values("sum")), Value(0))


def _owners(found: QuerySet[Any]) -> QuerySet[Any]:
    return Customer.objects.filter(pk__in=found.order_by().values("customer")).order_by("pk")


balances = declare(
    Export(
        "loyalty",
        _("balances, a row for each customer"),
        [Column("customer_id", "number"), Column("card_number", _card("pk")), Column("points", _points())],
        ["crm.view_loyaltyentry", PERSONAL],
        rows=_owners,
    )
)

cards = declare(
    Export(
        "cards",
        _("cards"),
        [
            Column("customer_id", "customer__number"),
            Column("card_number", "number"),
            *_same("status", "issued_at"),
        ],
        ["crm.view_loyaltycard", PERSONAL],
    )
)


def _movements(found: QuerySet[Any]) -> QuerySet[Any]:
    """The movements on the screen, or all of the owners of the cards on it."""
    if found.model is LoyaltyEntry:
        return found
    return LoyaltyEntry.objects.filter(customer__in=found.order_by().values("customer")).order_by("id")


ledger = declare(
    Export(
        "loyalty-ledger",
        _("every movement of points"),
        [
            Column("customer_id", "customer__number"),
            Column("card_number", "card__number"),
            *_same("kind", "points"),
            Column("receipt_id", F("receipt__external_id")),
            *_same("note", "recorded_at"),
        ],
        ["crm.view_loyaltyentry", PERSONAL],
        rows=_movements,
    )
)
