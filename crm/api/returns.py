"""Goods that come back, through the API."""

import uuid
from decimal import Decimal
from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from crm import returns
from crm.api.base import MoneyField, StrictMixin, acting, by_key
from crm.api.serializers import ReceiptSerializer, known_products
from crm.api.views import IDEMPOTENCY_KEY, ReceiptPermissions, ReceiptViewSet, client_key
from crm.models import Customer, Receipt, ReceiptLine, SalesChannel, Store


class NewReturnLineSerializer(StrictMixin, serializers.Serializer):
    """With the original: a position of it. Without: a product."""

    position = serializers.IntegerField(
        min_value=1, required=False, help_text=_("The line's position on the original.")
    )
    sku = serializers.CharField(max_length=100, required=False, help_text=_("Only without the original."))
    quantity = serializers.DecimalField(max_digits=14, decimal_places=3, default=Decimal(1), help_text=_("Positive."))
    unit_price = serializers.DecimalField(
        max_digits=18, decimal_places=6, required=False, help_text=_("Only without the original; else the product's.")
    )


class NewReturnSerializer(StrictMixin, serializers.Serializer):
    """A return to record. ``Idempotency-Key`` (header) or ``client_key`` makes a repeat harmless."""

    client_key = serializers.UUIDField(
        required=False, help_text=_("A UUID of the client's making, one a return; or send it as Idempotency-Key.")
    )
    original = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text=_("The receipt (its id) that the goods were bought with. Left out: a return without a receipt."),
    )
    store = by_key(Store, "code", unknown=_("There is no store “{value}”."))
    customer = by_key(
        Customer,
        "number",
        unknown=_("There is no customer “{value}”."),
        required=False,
        allow_null=True,
        help_text=_("Only without the original, which tells whose it was."),
    )
    returned_at = serializers.DateTimeField(required=False, help_text=_("Left out: now."))
    number = serializers.CharField(
        max_length=100, required=False, help_text=_("The client's number. Left out: the store's next.")
    )
    source = serializers.CharField(max_length=50, default="api")  # type: ignore[assignment]  # a field of ours
    channel = serializers.ChoiceField(choices=SalesChannel.choices, default=SalesChannel.ONLINE)
    payment = serializers.CharField(max_length=20, required=False, allow_blank=True)
    refund = MoneyField(
        required=False, min_value=0, help_text=_("What the customer got back: another result refuses the return.")
    )
    lines = NewReturnLineSerializer(many=True, allow_empty=False)

    def validate_original(self, public_id: uuid.UUID | None) -> Receipt | None:
        if public_id is None:
            return None
        original = Receipt.objects.filter(public_id=public_id).first()
        if original is None:
            raise serializers.ValidationError(_("There is no receipt “%(id)s”.") % {"id": public_id})
        return original

    def validate_source(self, source: str) -> str:
        if source == "till":
            raise serializers.ValidationError(_("“till” is the name of the shop's own till."))
        return source

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        original = values.get("original")
        if original is None:
            return {**values, "lines": known_products(values["lines"])}
        if values.get("customer"):
            raise serializers.ValidationError({"customer": [_("The original tells whose it was.")]})
        bought = {
            line.position: line for line in ReceiptLine.objects.filter(receipt=original).select_related("product")
        }
        errors = {
            str(index): {"position": [_("There is no such line on the original.")]}
            for index, line in enumerate(values["lines"])
            if line.get("position") not in bought or "sku" in line or "unit_price" in line
        }
        if errors:
            raise serializers.ValidationError({"lines": errors})
        return {**values, "lines": [{**line, "line": bought[line["position"]]} for line in values["lines"]]}


class ReturnViewSet(viewsets.GenericViewSet[Receipt]):
    """Goods brought back, to a receipt or, where the account may do that, without one.

    What is given back of a line is in proportion to what was paid; never more is taken back than was bought.
    """

    scope = "receipts"
    queryset = Receipt.objects.all()
    serializer_class = ReceiptSerializer
    permission_classes: list[type[BasePermission]] = [ReceiptPermissions]

    @extend_schema(
        request=NewReturnSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={
            201: ReceiptSerializer,
            200: OpenApiResponse(ReceiptSerializer, _("Recorded before: this is the first result.")),
            409: OpenApiResponse(description=_("The key stands for a return with other content.")),
        },
    )
    def create(self, request: Request) -> Response:
        given = NewReturnSerializer(data=request.data, context={"request": request})
        given.is_valid(raise_exception=True)
        return_ = _return(given.validated_data, client_key(request, given.validated_data))
        repeated = Receipt.objects.filter(client_key=return_.client_key).exists()
        try:
            receipt = returns.record_return(return_=return_, by=acting(request), now=timezone.now())
        except IntegrityError:
            raise serializers.ValidationError(
                {"number": [_("There is a return of this source with this number already.")]}
            ) from None
        shown = ReceiptSerializer(ReceiptViewSet.queryset.get(pk=receipt.pk)).data
        return Response(shown, status=status.HTTP_200_OK if repeated else status.HTTP_201_CREATED)


def _return(values: dict[str, Any], key: Any) -> returns.Return:
    return returns.Return(
        client_key=key,
        store=values["store"],
        original=values.get("original"),
        customer=values.get("customer"),
        payment=values.get("payment", ""),
        returned_at=values.get("returned_at"),
        source=values["source"],
        number=values.get("number", ""),
        channel=values["channel"],
        expected_refund_minor=values.get("refund"),
        lines=[
            returns.ReturnLine(
                quantity=line["quantity"],
                line=line.get("line"),
                product=line.get("product"),
                unit_price=line.get("unit_price"),
            )
            for line in values["lines"]
        ],
    )
