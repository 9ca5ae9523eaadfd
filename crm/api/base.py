"""What every part of the API shares: permissions, pages, money, strict input."""

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import SAFE_METHODS, DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.response import Response

from crm import audit, customers, money, tokens
from crm.models import ApiToken, Customer
from crm.retention import personal_models

KEY_IN_ADDRESS = r"[^/\x00]+"
"""A number or SKU as part of an address."""

MAX_KEY = 1_000
"""No number, SKU or path is longer."""


class ModelPermissions(DjangoModelPermissions):
    """The same permissions as in the back office; reading needs "view". A token with scopes may use only those."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: Any) -> bool:
        token = request.auth
        if isinstance(token, ApiToken) and not tokens.allows(
            token=token,
            part=getattr(view, "scope", ""),
            writing=request.method not in SAFE_METHODS and not getattr(view, "only_reads", False),
        ):
            return False
        return bool(super().has_permission(request, view))


class Pages(CursorPagination):
    """Pages that neither skip nor repeat a row while rows are added; ``page_size`` up to 500."""

    ordering = "id"
    page_size_query_param = "page_size"
    max_page_size = 500

    def decode_cursor(self, request: Request) -> Any:
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not str(cursor.position).isdecimal():
            raise NotFound(self.invalid_cursor_message)
        return cursor


class StrictMixin:
    """Refuses what a serializer would ignore, so that a typo loses nothing in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            fields: Mapping[str, serializers.Field] = self.fields  # type: ignore[attr-defined]
            errors = {name: [_("There is no such field.")] for name in data if name not in fields}
            errors |= {
                name: [_("This field can only be read.")] for name in data if name in fields and fields[name].read_only
            }
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)  # type: ignore[misc]


@extend_schema_field({"type": "string", "format": "decimal", "example": "12.90"})
class MoneyField(serializers.DecimalField):
    """Integers of hundredths inside; outside a decimal string in the shop's currency, exact in every language."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=12, decimal_places=2, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return money.to_minor(super().to_internal_value(data))

    def to_representation(self, value: Any) -> str:
        return str(money.from_minor(value))


@extend_schema_field({"type": "string", "example": "EUR", "description": "ISO 4217 code of the amounts beside it."})
class CurrencyField(serializers.Field):
    """The one currency of the shop, said wherever an amount is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, value: Any) -> str:
        return str(settings.CURRENCY)


class Filter(StrictMixin, serializers.Serializer):
    """The filters of a list. ``lookups`` says what each means to the ORM; those left out are :meth:`narrow`'s work.

    A misspelt filter is an error: if it were ignored, the answer would be everybody.
    """

    lookups: ClassVar[dict[str, str]] = {}

    def narrow(self, rows: QuerySet, values: dict[str, Any]) -> QuerySet:
        return rows


class FilterMixin:
    """Applies ``filter_class`` to the list of a viewset."""

    filter_class: type[Filter]
    _ABOUT_PAGES = frozenset({"cursor", "page_size"})

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.action != "list":  # type: ignore[attr-defined]
            return queryset
        asked = self.request.query_params.dict()  # type: ignore[attr-defined]
        filters = self.filter_class(data={name: asked[name] for name in asked if name not in self._ABOUT_PAGES})
        filters.is_valid(raise_exception=True)
        values = filters.validated_data
        lookups = {filters.lookups[name]: value for name, value in values.items() if name in filters.lookups}
        return filters.narrow(queryset.filter(**lookups), values)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Reads of what belongs to customers are written down: one entry a request."""
        answer: Response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        model = self.queryset.model  # type: ignore[attr-defined]
        if request.method == "GET" and answer.status_code == 200 and model in _personal():
            _note_read(request, model, answer.data)
        return answer


@functools.cache
def _personal() -> frozenset[type[Model]]:
    return frozenset(personal_models())


def _note_read(request: Request, model: type[Model], data: Any) -> None:
    what = f"API: {model._meta.model_name}"
    if "results" in data:
        audit.searched(what=what, count=len(data["results"]), request=request)
        return
    number = data.get("number") if model is Customer else data.get("customer")
    if number and (customer := Customer.objects.filter(number=number).first()):
        audit.looked(customer=customer, what=what, request=request)


class KeyField(serializers.SlugRelatedField):
    """A reference by the name that people and imports use. What no name can be is unknown like any other."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or "\x00" in data or len(data) > MAX_KEY:
            self.fail("does_not_exist", slug_name=self.slug_field, value=str(data)[:100])
        return super().to_internal_value(data)


def by_key(model: type[Model], field: str, *, unknown: Any, **kwargs: Any) -> serializers.SlugRelatedField:
    """A reference by the name that people and imports use; ``unknown`` says {value} back where there is no such row."""
    return KeyField(
        slug_field=field, queryset=model._default_manager.all(), error_messages={"does_not_exist": unknown}, **kwargs
    )


class _LiveCustomerField(KeyField):
    def to_internal_value(self, data: Any) -> Any:
        found = customers.survivor(super().to_internal_value(data))
        if not found.is_live:
            self.fail("does_not_exist", slug_name=self.slug_field, value=str(data)[:100])
        return found


def live_customer(**kwargs: Any) -> serializers.SlugRelatedField:
    """A reference to a customer by number: to the survivor where it is a merged one's, to nobody who was erased."""
    return _LiveCustomerField(
        slug_field="number",
        queryset=Customer.objects.select_related("merged_into"),
        error_messages={"does_not_exist": _("There is no customer “{value}”.")},
        **kwargs,
    )


def acting(request: Request) -> User | None:
    """The account behind a request."""
    return request.user if isinstance(request.user, User) else None
