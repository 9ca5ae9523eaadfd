"""Consents and loyalty points: ledgers, whose entries are added and never changed."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from crm import consents
from crm.api.activity import CustomerFilter
from crm.api.base import KEY_IN_ADDRESS, FilterMixin, StrictMixin, acting, live_customer
from crm.models import Channel, Consent, LoyaltyCard, LoyaltyEntry, Purpose


class ConsentSerializer(StrictMixin, serializers.ModelSerializer):
    """One statement: yes or no, for a channel and purpose. Of several, the newest by ``stated_at`` counts."""

    customer = live_customer()
    channel = serializers.ChoiceField(
        choices=Channel.choices, required=False, help_text=_("Left out only where the purpose is “sensitive”.")
    )
    stated_at = serializers.DateTimeField(help_text=_("When the customer said so."))

    class Meta:
        model = Consent
        fields = ["id", "customer", "channel", "purpose", "granted", "stated_at", "recorded_at", "source", "wording"]
        read_only_fields = ["recorded_at"]

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        sensitive = values.get("purpose") == Purpose.SENSITIVE
        if sensitive == ("channel" in values):
            raise serializers.ValidationError(
                {"channel": _("Sensitive data have no channel.") if sensitive else _("This field is required.")}
            )
        return values


class ConsentFilter(CustomerFilter):
    channel = serializers.ChoiceField(choices=Channel.choices, required=False)
    purpose = serializers.ChoiceField(choices=Purpose.choices, required=False)
    granted = serializers.BooleanField(required=False)
    recorded_since = serializers.DateTimeField(required=False, help_text=_("Recorded at this time or later."))

    lookups = {
        **CustomerFilter.lookups,
        "channel": "channel",
        "purpose": "purpose",
        "granted": "granted",
        "recorded_since": "recorded_at__gte",
    }


@extend_schema_view(
    list=extend_schema(parameters=[ConsentFilter]),
    create=extend_schema(responses={201: ConsentSerializer, 200: ConsentSerializer}),
)
class ConsentViewSet(FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Consent]):
    """The ledger of consents. The same statement sent again is answered with the first."""

    scope = "consents"
    queryset = Consent.objects.select_related("customer")
    serializer_class = ConsentSerializer
    filter_class = ConsentFilter

    def create(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = {"channel": "", "purpose": Purpose.MARKETING, **given.validated_data}
        known = ("customer", "channel", "purpose", "granted", "stated_at", "source")
        first = Consent.objects.filter(**{name: said[name] for name in known}).order_by("id").first()
        consent = first or consents.record_consent(by=acting(request), now=timezone.now(), **said)
        return Response(self.get_serializer(consent).data, status.HTTP_200_OK if first else status.HTTP_201_CREATED)


class LoyaltyEntrySerializer(serializers.ModelSerializer):
    customer = serializers.CharField(source="customer.number")
    card = serializers.CharField(source="card.number", allow_null=True, default=None)
    receipt = serializers.UUIDField(source="receipt.public_id", allow_null=True, default=None)

    class Meta:
        model = LoyaltyEntry
        fields = ["id", "customer", "card", "receipt", "kind", "points", "note", "recorded_at"]


class LoyaltyEntryFilter(CustomerFilter):
    kind = serializers.ChoiceField(choices=LoyaltyEntry.Kind.choices, required=False)
    recorded_since = serializers.DateTimeField(required=False, help_text=_("Recorded at this time or later."))

    lookups = {**CustomerFilter.lookups, "kind": "kind", "recorded_since": "recorded_at__gte"}


@extend_schema_view(list=extend_schema(parameters=[LoyaltyEntryFilter]))
class LoyaltyEntryViewSet(
    FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[LoyaltyEntry]
):
    """The ledger of points. A customer's balance is in their profile, and is the sum of these."""

    scope = "loyalty"
    queryset = LoyaltyEntry.objects.select_related("customer", "card", "receipt")
    serializer_class = LoyaltyEntrySerializer
    filter_class = LoyaltyEntryFilter


class CardSerializer(serializers.ModelSerializer):
    """A loyalty card with its owner and their balance."""

    customer = serializers.CharField(source="customer.number")
    replaced_by = serializers.CharField(source="replaced_by.number", allow_null=True, default=None)
    points = serializers.IntegerField(source="customer.profile.points", help_text=_("Their owner's balance."))

    class Meta:
        model = LoyaltyCard
        fields = ["number", "customer", "status", "issued_at", "replaced_by", "points"]


class CardFilter(CustomerFilter):
    status = serializers.ChoiceField(choices=LoyaltyCard.Status.choices, required=False)

    lookups = {**CustomerFilter.lookups, "status": "status"}


@extend_schema_view(list=extend_schema(parameters=[CardFilter]))
class CardViewSet(FilterMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[LoyaltyCard]):
    """Loyalty cards: whose they are, and how many points there are."""

    scope = "loyalty"
    queryset = LoyaltyCard.objects.select_related("customer__profile", "replaced_by")
    serializer_class = CardSerializer
    filter_class = CardFilter
    lookup_field = "number"
    lookup_value_regex = KEY_IN_ADDRESS

    def get_queryset(self) -> QuerySet[LoyaltyCard]:
        return super().get_queryset().filter(customer__merged_into=None, customer__erased_at=None)
