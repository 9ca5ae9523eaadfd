"""What the pages of the records share."""

from typing import Any, ClassVar

from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from crm.admin.exporting import Exportable
from crm.admin.looks import Looked


class ReadOnly:
    """For facts and what is derived from them: to be looked at, whatever an account may do."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(Looked, Exportable, ModelAdmin):
    """Counts no million rows only to say how many there are, and deletes neither in bulk nor what is in use."""

    show_full_result_count = False
    list_per_page = 50
    actions: Any = None
    in_use_by: ClassVar[list[str]] = []
    """Relations that keep a row from being deleted. Django would list everything behind them before it says no."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = bool(super().has_delete_permission(request, obj))
        return allowed and not (obj and any(getattr(obj, name).exists() for name in self.in_use_by))


class FactAdmin(ReadOnly, RecordAdmin):
    pass


class FactInline(ReadOnly, TabularInline):
    extra = 0
    hide_title = True
    can_delete = False
    show_change_link = False
