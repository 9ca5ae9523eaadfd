"""Wishlists, reviews and visits: what an online shop tells beside sales."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from crm import activity
from crm.api.base import Filter, FilterMixin, StrictMixin, by_key, live_customer
from crm.models import Product, Review, WebVisit, WishlistItem

MOST_VISITS = 1_000
"""Visits that one request may bring."""

_UNKNOWN_PRODUCT = _("There is no product “{value}”.")


class CustomerFilter(Filter):
    """The filter that all of these lists share."""

    customer = serializers.CharField(required=False, help_text=_("A customer number."))

    lookups: ClassVar[dict[str, str]] = {"customer": "customer__number"}


class WishSerializer(StrictMixin, serializers.ModelSerializer):
    """A product that a customer wishes for; taken off, it keeps the day."""

    customer = live_customer()
    sku = by_key(Product, "sku", unknown=_UNKNOWN_PRODUCT, source="product")

    class Meta:
        model = WishlistItem
        fields = ["id", "customer", "sku", "added_at", "removed_at"]
        read_only_fields = ["removed_at"]
        extra_kwargs = {"added_at": {"required": False, "help_text": _("Left out: now.")}}
        validators: ClassVar[list[Any]] = []  # there already is no error: the item that is there is the answer


class WishFilter(CustomerFilter):
    sku = serializers.CharField(required=False)
    wished = serializers.BooleanField(required=False, help_text=_("Still on the list, or taken off."))

    lookups = {**CustomerFilter.lookups, "sku": "product__sku"}

    def narrow(self, rows: QuerySet[WishlistItem], values: dict[str, Any]) -> QuerySet[WishlistItem]:
        return rows.filter(removed_at__isnull=values["wished"]) if "wished" in values else rows


@extend_schema_view(
    list=extend_schema(parameters=[WishFilter]),
    create=extend_schema(responses={201: WishSerializer, 200: WishSerializer}),
)
class WishViewSet(FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[WishlistItem]):
    """Wishlists. What is on it already is answered with 200; deleting takes a product off."""

    scope = "activity"
    queryset = WishlistItem.objects.select_related("customer", "product")
    serializer_class = WishSerializer
    filter_class = WishFilter

    def create(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        item, is_new = activity.wish(
            customer=values["customer"], product=values["product"], now=values.get("added_at") or timezone.now()
        )
        return Response(self.get_serializer(item).data, status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    def destroy(self, request: Request, pk: str) -> Response:
        activity.unwish(item=self.get_object(), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReviewSerializer(StrictMixin, serializers.ModelSerializer):
    """What a customer thinks of a product, from 1 to 5."""

    client_key = serializers.UUIDField(help_text=_("A UUID of the client's making, one a review."))
    customer = live_customer()
    sku = by_key(Product, "sku", unknown=_UNKNOWN_PRODUCT, source="product")
    text = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")

    class Meta:
        model = Review
        fields = ["id", "client_key", "customer", "sku", "rating", "text", "written_at"]


class ReviewFilter(CustomerFilter):
    sku = serializers.CharField(required=False)
    rating = serializers.IntegerField(required=False, min_value=1, max_value=5)
    written_since = serializers.DateTimeField(required=False)

    lookups = {
        **CustomerFilter.lookups,
        "sku": "product__sku",
        "rating": "rating",
        "written_since": "written_at__gte",
    }


@extend_schema_view(
    list=extend_schema(parameters=[ReviewFilter]),
    create=extend_schema(responses={201: ReviewSerializer, 200: ReviewSerializer}),
)
class ReviewViewSet(FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Review]):
    """Reviews of products."""

    scope = "activity"
    queryset = Review.objects.select_related("customer", "product")
    serializer_class = ReviewSerializer
    filter_class = ReviewFilter

    def create(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        key = values.pop("client_key")
        review, is_new = activity.write_review(key=key, now=timezone.now(), **values)
        return Response(self.get_serializer(review).data, status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)


class VisitSerializer(StrictMixin, serializers.ModelSerializer):
    client_key = serializers.UUIDField(help_text=_("A UUID of the client's making, one a visit."))
    customer = live_customer(required=False, allow_null=True)
    sku = by_key(
        Product,
        "sku",
        unknown=_UNKNOWN_PRODUCT,
        source="product",
        required=False,
        allow_null=True,
        help_text=_("The product that the page shows, if it shows one."),
    )

    class Meta:
        model = WebVisit
        fields = ["client_key", "customer", "sku", "visitor", "path", "referrer", "visited_at", "visited_on"]
        read_only_fields = ["visited_on"]


class NewVisitsSerializer(StrictMixin, serializers.Serializer):
    """Visits to record together."""

    visits = VisitSerializer(many=True, allow_empty=False)

    def validate_visits(self, visits: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(visits) > MOST_VISITS:
            raise serializers.ValidationError(_("At most %(n)d at once.") % {"n": MOST_VISITS})
        return visits


class RecordedSerializer(serializers.Serializer):
    recorded = serializers.IntegerField(help_text=_("So many are on record now, those sent before included."))


class VisitFilter(CustomerFilter):
    visitor = serializers.CharField(required=False)
    visited_since = serializers.DateTimeField(required=False)

    lookups = {**CustomerFilter.lookups, "visitor": "visitor", "visited_since": "visited_at__gte"}


@extend_schema_view(
    list=extend_schema(parameters=[VisitFilter]),
    create=extend_schema(request=NewVisitsSerializer, responses={201: RecordedSerializer}),
)
class VisitViewSet(FilterMixin, mixins.ListModelMixin, viewsets.GenericViewSet[WebVisit]):
    """Pages of the online shop that somebody looked at, known customer or not."""

    scope = "activity"
    queryset = WebVisit.objects.select_related("customer", "product")
    serializer_class = VisitSerializer
    filter_class = VisitFilter

    def create(self, request: Request) -> Response:
        given = NewVisitsSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        visits = [activity.Visit(key=visit.pop("client_key"), **visit) for visit in given.validated_data["visits"]]
        recorded = activity.record_visits(visits=visits, now=timezone.now())
        return Response({"recorded": recorded}, status.HTTP_201_CREATED)
