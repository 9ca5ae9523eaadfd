"""What every part of the API shares: permissions, pages, strict input."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import DjangoModelPermissions


class ModelPermissions(DjangoModelPermissions):
    """The same permissions as in the back office; reading needs "view"."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }


class Pages(CursorPagination):
    """Pages that neither skip nor repeat a row while rows are added; ``page_size`` up to 500."""

    ordering = "id"
    page_size_query_param = "page_size"
    max_page_size = 500


class StrictMixin:
    """Refuses what it would otherwise ignore, so that a typo loses nothing in silence."""

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
