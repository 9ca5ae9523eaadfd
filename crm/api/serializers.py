"""Records as the API shows and takes them."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crm import addresses, custom_fields
from crm.api.base import CurrencyField, MoneyField, StrictMixin, by_key
from crm.models import (
    Category,
    Company,
    Customer,
    CustomerProfile,
    Household,
    LoyaltyCard,
    Product,
    Receipt,
    ReceiptLine,
    SalesChannel,
    Store,
)


class ConsentFlags(serializers.Serializer):
    """To which channels the customer has said yes."""

    email = serializers.BooleanField(source="consent_email")
    sms = serializers.BooleanField(source="consent_sms")
    phone = serializers.BooleanField(source="consent_phone")
    post = serializers.BooleanField(source="consent_post")


class ProfileSerializer(serializers.ModelSerializer):
    """What the receipts say about a customer; net of returns."""

    spend = MoneyField(source="spend_minor")
    discount = MoneyField(source="discount_minor")
    currency = CurrencyField()
    units = serializers.DecimalField(max_digits=18, decimal_places=3, normalize_output=True)
    consents = ConsentFlags(source="*")

    class Meta:
        model = CustomerProfile
        fields = [
            "receipts",
            "returns",
            "units",
            "spend",
            "discount",
            "currency",
            "first_sold_on",
            "last_sold_on",
            "points",
            "consents",
        ]


class CustomerSerializer(StrictMixin, serializers.ModelSerializer):
    """A customer, addressed by number. Blank text and empty lists mean "unknown"."""

    number = serializers.CharField(
        max_length=100, required=False, help_text=_("Left out: the next free one. It can't be changed later.")
    )
    household = by_key(
        Household, "number", unknown=_("There is no household “{value}”."), required=False, allow_null=True
    )
    company = by_key(Company, "name", unknown=_("There is no company “{value}”."), required=False, allow_null=True)
    cards = serializers.SerializerMethodField(help_text=_("Numbers of the active loyalty cards."))
    profile = ProfileSerializer(read_only=True)

    class Meta:
        model = Customer
        fields = [
            "number",
            "first_name",
            "last_name",
            "email",
            "phone",
            "birth_date",
            "age_band",
            "gender",
            "language",
            "address",
            "city",
            "region",
            "country",
            "postcode",
            "area_kind",
            "latitude",
            "longitude",
            "income_band",
            "social_group",
            "housing",
            "occupation",
            "work_pattern",
            "company",
            "job_title",
            "household",
            "household_size",
            "family_situation",
            "children",
            "pets",
            "lifestyle",
            "interests",
            "opinions",
            "values",
            "tags",
            "custom",
            "preferred_channel",
            "source",
            "goal",
            "registered_at",
            "no_profiling",
            "guardian_agreed_on",
            "created_at",
            "cards",
            "profile",
        ]
        read_only_fields = ["created_at"]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_cards(self, customer: Customer) -> list[str]:
        return [card.number for card in customer.cards.all() if card.status == LoyaltyCard.Status.ACTIVE]

    def validate_email(self, value: str) -> str:
        return addresses.clean_email(value)

    def validate_phone(self, value: str) -> str:
        return addresses.clean_phone(value)

    def validate_custom(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise serializers.ValidationError(_("Custom fields are an object of names and values."))
        try:
            return custom_fields.clean(value)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from None


class CustomerChangeSerializer(CustomerSerializer):
    """What may be changed of a customer: what imports and receipts call them stays."""

    number = serializers.CharField(read_only=True)


class StandingSerializer(serializers.Serializer):
    """Where a customer stands in the loyalty programme today."""

    points = serializers.IntegerField(help_text=_("Their own balance."))
    spendable = serializers.IntegerField(help_text=_("What they may redeem: with their household's, where it shares."))
    tier = serializers.CharField(source="standing.tier.name", allow_null=True, default=None)
    tier_ends_on = serializers.DateField(source="standing.ends_on", allow_null=True)
    spend = MoneyField(source="standing.spend_minor", help_text=_("Within the months that tiers look at."))
    next_tier = serializers.CharField(source="standing.next_tier.name", allow_null=True, default=None)
    missing = MoneyField(source="standing.missing_minor", help_text=_("What is still to be spent for the next tier."))
    currency = CurrencyField()


class ProductSerializer(StrictMixin, serializers.ModelSerializer):
    """A product, addressed by SKU."""

    category = by_key(
        Category,
        "path",
        unknown=_("There is no category “{value}”; write its whole path."),
        required=False,
        allow_null=True,
        help_text=_("The whole path: Food > Dairy > Milk."),
    )
    price = MoneyField(source="price_minor", required=False, allow_null=True, min_value=0)
    currency = CurrencyField()

    class Meta:
        model = Product
        fields = ["sku", "name", "category", "brand", "price", "currency", "barcode", "is_active"]


class ProductChangeSerializer(ProductSerializer):
    sku = serializers.CharField(read_only=True)


class LineSerializer(serializers.ModelSerializer):
    sku = serializers.CharField(source="product.sku")
    name = serializers.CharField(source="product.name")
    quantity = serializers.DecimalField(max_digits=14, decimal_places=3, normalize_output=True)
    unit_price = serializers.DecimalField(
        max_digits=18,
        decimal_places=6,
        normalize_output=True,
        help_text=_("Before discount. May have more decimals than money: prices by weight do."),
    )
    discount = MoneyField(source="discount_minor")
    total = MoneyField(source="total_minor")

    class Meta:
        model = ReceiptLine
        fields = ["position", "sku", "name", "quantity", "unit_price", "discount", "total"]


class ReceiptSerializer(serializers.ModelSerializer):
    """A sale, or a return, whose quantities and amounts are negative."""

    id = serializers.UUIDField(source="public_id")
    number = serializers.CharField(source="external_id")
    store = serializers.CharField(source="store.code")
    customer = serializers.CharField(source="customer.number", allow_null=True, default=None)
    returns = serializers.UUIDField(
        source="returns.public_id", allow_null=True, default=None, help_text=_("The sale that this return takes back.")
    )
    total = MoneyField(source="total_minor")
    discount = MoneyField(source="discount_minor")
    currency = CurrencyField()
    lines = LineSerializer(many=True)

    class Meta:
        model = Receipt
        fields = [
            "id",
            "source",
            "number",
            "kind",
            "channel",
            "store",
            "customer",
            "returns",
            "sold_at",
            "sold_on",
            "recorded_at",
            "payment",
            "total",
            "discount",
            "currency",
            "lines",
        ]


class NewLineSerializer(StrictMixin, serializers.Serializer):
    sku = serializers.CharField(max_length=100)
    quantity = serializers.DecimalField(max_digits=14, decimal_places=3, default=Decimal(1))
    unit_price = serializers.DecimalField(
        max_digits=18, decimal_places=6, required=False, help_text=_("Left out: the product's own price.")
    )
    discount = MoneyField(default=0, help_text=_("On the whole line."))


class NewReceiptSerializer(StrictMixin, serializers.Serializer):
    """A sale to record. ``Idempotency-Key`` (header) or ``client_key`` makes a repeat harmless."""

    client_key = serializers.UUIDField(
        required=False, help_text=_("A UUID of the client's making, one a sale; or send it as Idempotency-Key.")
    )
    store = by_key(Store, "code", unknown=_("There is no store “{value}”."))
    customer = by_key(Customer, "number", unknown=_("There is no customer “{value}”."), required=False, allow_null=True)
    sold_at = serializers.DateTimeField(required=False, help_text=_("Left out: now."))
    number = serializers.CharField(
        max_length=100, required=False, help_text=_("The client's receipt number. Left out: the store's next.")
    )
    source = serializers.CharField(  # type: ignore[assignment]  # a field of ours, not the serializer's own source
        max_length=50, default="api", help_text=_("The program that sends it.")
    )
    channel = serializers.ChoiceField(choices=SalesChannel.choices, default=SalesChannel.ONLINE)
    payment = serializers.CharField(max_length=20, required=False, allow_blank=True)
    total = MoneyField(required=False, help_text=_("What the customer paid: the sale is refused if the lines differ."))
    redeem_points = serializers.IntegerField(
        min_value=0, max_value=10**9, default=0, help_text=_("Points of the customer that pay for a part of it.")
    )
    lines = NewLineSerializer(many=True, allow_empty=False)

    def validate_source(self, source: str) -> str:
        if source == "till":
            raise serializers.ValidationError(_("“till” is the name of the shop's own till."))
        return source

    def to_internal_value(self, data: Any) -> Any:
        """Asked before the number is looked up: the answer must not tell whether it exists."""
        named = isinstance(data, dict) and data.get("customer") is not None
        if named and not self.context["request"].user.has_perm("crm.lookup_customer"):
            raise serializers.ValidationError({"customer": [_("Your account may not name customers.")]})
        return super().to_internal_value(data)

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return known_products(lines)


def known_products(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These lines with their ``product`` by SKU, in one query; an error for each that is unknown or names none."""
    wanted = {line["sku"] for line in lines if "sku" in line}
    known = {product.sku: product for product in Product.objects.filter(sku__in=wanted)}
    unknown = _("There is no product “%(sku)s”.")
    errors = {
        str(index): {"sku": [unknown % {"sku": line.get("sku", "")}]}
        for index, line in enumerate(lines)
        if line.get("sku") not in known
    }
    if errors:
        raise serializers.ValidationError(errors)
    return [{**line, "product": known[line["sku"]]} for line in lines]
