"""What the shop sells and where: products, categories, stores, and the shop itself."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from crm import categories, duplicates, lifecycle, money, products, stores
from crm.admin.base import RecordAdmin
from crm.exporting import lists
from crm.models import Category, Product, Shop, Store

MOST_FOUND = 200


class ProductForm(forms.ModelForm):
    price = forms.DecimalField(
        label=_("Price"),
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=2,
        help_text=_("With tax. Left empty, the till asks for it."),
        widget=UnfoldAdminDecimalFieldWidget,
    )

    class Meta:
        model = Product
        fields = ["sku", "barcode", "name", "brand", "category", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.price_minor is not None:
            self.initial["price"] = money.from_minor(self.instance.price_minor)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        price = data.get("price")
        self.instance.price_minor = None if price is None else money.to_minor(price)
        return data


@admin.register(Product)
class ProductAdmin(RecordAdmin):
    exports = [lists.products]
    form = ProductForm
    in_use_by = ["lines", "reviews", "wished_by"]
    list_display = ["name", "sku", "brand", "category", "price", "is_active"]
    list_filter = ["is_active"]
    list_select_related = ["category"]
    search_fields = ["search_text"]
    search_help_text = _("Name, brand, SKU or barcode")
    autocomplete_fields = ["category"]
    fieldsets = [
        (None, {"fields": ["name", "brand", "category", "price", "is_active"]}),
        (_("Codes"), {"fields": ["sku", "barcode"]}),
    ]

    @admin.display(description=_("price"), ordering="price_minor")
    def price(self, product: Product) -> str:
        return money.show(product.price_minor)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Product], search_term: str
    ) -> tuple[QuerySet[Product], bool]:
        if not search_term.strip():
            return queryset, False
        found = products.look_up(text=search_term, limit=MOST_FOUND).products
        return queryset.filter(pk__in=[product.pk for product in found]), False

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> list[str]:
        """Receipts and imports name a product by its SKU, so it stays. Who may only look sees the price as text."""
        if not self.has_change_permission(request, obj):
            return ["price"]
        return ["sku"] if obj else []

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        products.save_product(product=obj)


class CategoryForm(forms.ModelForm):
    class Meta:
        model = Category
        fields = ["name", "parent"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            before = Category.objects.filter(pk=self.instance.pk).first() or Category()
            categories.check_category(category=before, name=data["name"], parent=data["parent"])
        return data


@admin.register(Category)
class CategoryAdmin(RecordAdmin):
    exports = [lists.categories]
    form = CategoryForm
    in_use_by = ["products", "children", "customers"]
    list_display = ["path"]
    search_fields = ["path"]
    autocomplete_fields = ["parent"]

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: bool) -> None:
        categories.save_category(category=obj, name=form.cleaned_data["name"], parent=form.cleaned_data["parent"])


@admin.register(Store)
class StoreAdmin(RecordAdmin):
    exports = [lists.stores]
    list_display = ["name", "code", "city", "is_active"]
    in_use_by = ["receipts"]
    search_fields = ["name", "code", "city"]
    fields = ["name", "code", "city", "latitude", "longitude", "is_active"]

    def get_readonly_fields(self, request: HttpRequest, obj: Store | None = None) -> list[str]:
        return ["code"] if obj else []

    def save_model(self, request: HttpRequest, obj: Store, form: Any, change: bool) -> None:
        stores.save_store(store=obj)


class ShopForm(forms.ModelForm):
    auto_merge = forms.MultipleChoiceField(
        label=_("Duplicates merged by themselves"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What must be the same in two records so that nobody is asked. None: somebody decides on each."),
    )

    class Meta:
        model = Shop
        fields = ["name"]  # the page adds its own

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rules = [(rule.name, str(rule.label).capitalize()) for rule in duplicates.RULES.values()]
        if "auto_merge" in self.fields:
            self.fields["auto_merge"].choices = rules  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance._state.adding and Shop.objects.exists():
            raise ValidationError(_("The shop's settings exist already."))
        return data


@admin.register(Shop)
class ShopAdmin(RecordAdmin):
    """One row: its list leads straight to it."""

    form = ShopForm
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "name",
                    "address",
                    "website",
                    "return_terms",
                    "contact_email",
                    "attribution_days",
                    "double_opt_in",
                    "data_recipients",
                    "auto_merge",
                ]
            },
        ),
        (
            _("Stages and scores of customers"),
            {
                "fields": [*lifecycle.SETTINGS, "rfm_months", "forecast_months"],
                "description": _(
                    "Where one stage of a customer's life ends and the next begins. After a change all segments are "
                    "counted anew."
                ),
            },
        ),
    ]

    def save_model(self, request: HttpRequest, obj: Shop, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        lifecycle.follow_settings(changed=form.changed_data)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "website":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        if Shop.objects.exists():
            return redirect(reverse("admin:crm_shop_change", args=[Shop.objects.get().pk]))
        return redirect(reverse("admin:crm_shop_add"))
