"""Customers, products and receipts: thin doors to the domain functions."""

import uuid
from typing import Any

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from crm import customers, loyalty, products, sales
from crm.api.base import KEY_IN_ADDRESS, Filter, FilterMixin, ModelPermissions, acting
from crm.api.serializers import (
    CustomerChangeSerializer,
    CustomerSerializer,
    NewReceiptSerializer,
    ProductChangeSerializer,
    ProductSerializer,
    ReceiptSerializer,
    StandingSerializer,
)
from crm.days import shop_day
from crm.models import Category, Channel, Customer, Product, Receipt, ReceiptKind, SalesChannel

MOST_FOUND = 500
"""A search narrows a list to its best this many matches."""

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.UUID,
    OpenApiParameter.HEADER,
    description=_("A UUID of the client's making. Sent again with the same content, it answers with the first result."),
)


class CustomerFilter(Filter):
    search = serializers.CharField(
        required=False, help_text=_("Name, e-mail, phone, card or customer number, also mistyped: the best 500.")
    )
    email = serializers.CharField(required=False, help_text=_("Exactly this address, however it is written."))
    phone = serializers.CharField(required=False, help_text=_("Exactly this number, however it is written."))
    city = serializers.CharField(required=False)
    country = serializers.CharField(required=False)
    tag = serializers.CharField(required=False)
    consent = serializers.ChoiceField(choices=Channel.choices, required=False, help_text=_("Said yes to this channel."))
    bought_from = serializers.DateField(required=False, help_text=_("Last purchase on this day or later."))
    bought_until = serializers.DateField(required=False, help_text=_("Last purchase on this day or earlier."))

    lookups = {
        "city": "city",
        "country": "country",
        "bought_from": "profile__last_sold_on__gte",
        "bought_until": "profile__last_sold_on__lte",
    }

    def narrow(self, rows: QuerySet[Customer], values: dict[str, Any]) -> QuerySet[Customer]:
        if "search" in values:
            found = customers.search(text=values["search"], limit=MOST_FOUND)
            rows = rows.filter(pk__in=[customer.pk for customer in found])
        keys = customers.derived_keys(email=values.get("email", ""), phone=values.get("phone", ""))
        if "email" in values:
            rows = rows.filter(email_key=keys["email_key"])
        if "phone" in values:
            rows = rows.filter(phone_key=keys["phone_key"])
        if "tag" in values:
            rows = rows.filter(tags__contains=[values["tag"]])
        if "consent" in values:
            rows = rows.filter(**{f"profile__consent_{values['consent']}": True})
        return rows


@extend_schema_view(
    list=extend_schema(parameters=[CustomerFilter]),
    create=extend_schema(parameters=[IDEMPOTENCY_KEY], responses={201: CustomerSerializer, 200: CustomerSerializer}),
    partial_update=extend_schema(request=CustomerChangeSerializer, responses=CustomerSerializer),
)
class CustomerViewSet(
    FilterMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Customer],
):
    """Customers, without those that were merged into another or erased."""

    scope = "customers"
    queryset = customers.live().select_related("profile", "household", "company").prefetch_related("cards")
    serializer_class = CustomerSerializer
    filter_class = CustomerFilter
    lookup_field = "number"
    lookup_value_regex = KEY_IN_ADDRESS

    def create(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        key = idempotency_key(request)
        repeated = key is not None and Customer.objects.filter(public_id=key).exists()
        fields = dict(given.validated_data)
        registered_at = fields.pop("registered_at", None)
        customer = customers.create_customer(
            now=registered_at or timezone.now(), key=key, registered=registered_at is not None, **fields
        )
        return self._show(customer, status.HTTP_200_OK if repeated else status.HTTP_201_CREATED)

    def partial_update(self, request: Request, number: str) -> Response:
        customer = self.get_object()
        given = CustomerChangeSerializer(customer, data=request.data, partial=True, context={"request": request})
        given.is_valid(raise_exception=True)
        return self._show(customers.change_customer(customer=customer, **given.validated_data))

    @extend_schema(responses=StandingSerializer)
    @action(detail=True, url_path="loyalty", scope="loyalty", filter_class=None)
    def loyalty(self, request: Request, number: str) -> Response:
        """Points, tier and what the next tier asks for, as of today."""
        customer = self.get_object()
        today = shop_day(timezone.now())
        standing = loyalty.standing(customer=customer, today=today)
        shown = {"points": customer.profile.points, "spendable": loyalty.spendable(customer), "standing": standing}
        return Response(StandingSerializer(shown).data)

    def _show(self, customer: Customer, code: int = status.HTTP_200_OK) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=customer.pk)).data, status=code)


class ProductFilter(Filter):
    search = serializers.CharField(required=False, help_text=_("Name, brand, SKU or barcode, also mistyped."))
    barcode = serializers.CharField(required=False)
    category = serializers.CharField(required=False, help_text=_("A whole path; what lies below it counts, too."))
    is_active = serializers.BooleanField(required=False)

    lookups = {"barcode": "barcode", "is_active": "is_active"}

    def narrow(self, rows: QuerySet[Product], values: dict[str, Any]) -> QuerySet[Product]:
        if "search" in values:
            found = products.look_up(text=values["search"], limit=MOST_FOUND).products
            rows = rows.filter(pk__in=[product.pk for product in found])
        if "category" in values:
            path = values["category"]
            rows = rows.filter(Q(category__path=path) | Q(category__path__startswith=path + Category.SEPARATOR))
        return rows


@extend_schema_view(
    list=extend_schema(parameters=[ProductFilter]),
    partial_update=extend_schema(request=ProductChangeSerializer, responses=ProductSerializer),
)
class ProductViewSet(
    FilterMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Product],
):
    """What the shop sells, and once sold."""

    scope = "products"
    queryset = Product.objects.select_related("category")
    serializer_class = ProductSerializer
    filter_class = ProductFilter
    lookup_field = "sku"
    lookup_value_regex = KEY_IN_ADDRESS

    def create(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        product = products.save_product(product=Product(**given.validated_data))
        return Response(self.get_serializer(product).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, sku: str) -> Response:
        product = self.get_object()
        given = ProductChangeSerializer(product, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        for name, value in given.validated_data.items():
            setattr(product, name, value)
        return Response(self.get_serializer(products.save_product(product=product)).data)


class ReceiptFilter(Filter):
    customer = serializers.CharField(required=False, help_text=_("A customer number."))
    store = serializers.CharField(required=False, help_text=_("A store's code."))
    source = serializers.CharField(required=False)  # type: ignore[assignment]  # the filter, not the field's own source
    number = serializers.CharField(required=False)
    kind = serializers.ChoiceField(choices=ReceiptKind.choices, required=False)
    channel = serializers.ChoiceField(choices=SalesChannel.choices, required=False)
    sold_from = serializers.DateField(required=False, help_text=_("Sold on this day of the shop or later."))
    sold_until = serializers.DateField(required=False, help_text=_("Sold on this day of the shop or earlier."))
    recorded_since = serializers.DateTimeField(required=False, help_text=_("Recorded at this time or later."))

    lookups = {
        "customer": "customer__number",
        "store": "store__code",
        "source": "source",
        "number": "external_id",
        "kind": "kind",
        "channel": "channel",
        "sold_from": "sold_on__gte",
        "sold_until": "sold_on__lte",
        "recorded_since": "recorded_at__gte",
    }


class ReceiptPermissions(ModelPermissions):
    """Whoever may ring up a sale may record one; reading them needs more."""

    perms_map = {**ModelPermissions.perms_map, "POST": ["crm.ring_up_sale"]}


@extend_schema_view(
    list=extend_schema(parameters=[ReceiptFilter]),
    create=extend_schema(
        request=NewReceiptSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={
            201: ReceiptSerializer,
            200: OpenApiResponse(ReceiptSerializer, _("Recorded before: this is the first result.")),
            409: OpenApiResponse(description=_("The key stands for a sale with other content.")),
        },
    ),
)
class ReceiptViewSet(
    FilterMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Receipt],
):
    """Sales and returns. They are only ever added: what was wrong is taken back by a return."""

    scope = "receipts"
    queryset = Receipt.objects.select_related("store", "customer", "returns").prefetch_related("lines__product")
    serializer_class = ReceiptSerializer
    permission_classes: list[type[BasePermission]] = [ReceiptPermissions]
    filter_class = ReceiptFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"

    def create(self, request: Request) -> Response:
        given = NewReceiptSerializer(data=request.data, context={"request": request})
        given.is_valid(raise_exception=True)
        sale = _sale(given.validated_data, client_key(request, given.validated_data))
        repeated = Receipt.objects.filter(client_key=sale.client_key).exists()
        try:
            receipt = sales.record_sale(sale=sale, by=acting(request))
        except IntegrityError:
            raise serializers.ValidationError(
                {"number": [_("There is a receipt of this source with this number already.")]}
            ) from None
        shown = ReceiptSerializer(self.get_queryset().get(pk=receipt.pk)).data
        return Response(shown, status=status.HTTP_200_OK if repeated else status.HTTP_201_CREATED)


def idempotency_key(request: Request) -> uuid.UUID | None:
    """The request's Idempotency-Key header; an error where it is no UUID."""
    text = request.headers.get("Idempotency-Key", "").strip().strip('"')
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise serializers.ValidationError({"Idempotency-Key": [_("This is not a UUID.")]}) from None


def client_key(request: Request, values: dict[str, Any]) -> uuid.UUID:
    """The key of the client's making, from the header or the body; an error where there is none, or two."""
    header_key, body_key = idempotency_key(request), values.get("client_key")
    if header_key and body_key and header_key != body_key:
        raise serializers.ValidationError({"client_key": [_("It differs from the Idempotency-Key header.")]})
    key = header_key or body_key
    if key is None:
        raise serializers.ValidationError(
            {"client_key": [_("Send a UUID of your making as the Idempotency-Key header, or here.")]}
        )
    return key


def _sale(values: dict[str, Any], key: uuid.UUID) -> sales.Sale:
    return sales.Sale(
        client_key=key,
        store=values["store"],
        customer=values.get("customer"),
        payment=values.get("payment", ""),
        sold_at=values.get("sold_at"),
        source=values["source"],
        number=values.get("number", ""),
        channel=values["channel"],
        expected_total_minor=values.get("total"),
        redeem_points=values["redeem_points"],
        lines=[
            sales.SaleLine(
                product=line["product"],
                quantity=line["quantity"],
                unit_price=line.get("unit_price"),
                discount_minor=line["discount"],
            )
            for line in values["lines"]
        ],
    )
