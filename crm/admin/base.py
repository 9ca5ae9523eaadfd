"""What the pages of the records share."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline


class ReadOnly:
    """For facts and what is derived from them: to be looked at, whatever an account may do."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(ModelAdmin):
    """Counts no million rows only to say how many there are, and offers no mass deletion."""

    show_full_result_count = False
    list_per_page = 50
    actions = None


class FactAdmin(ReadOnly, RecordAdmin):
    pass


class FactInline(ReadOnly, TabularInline):
    extra = 0
    hide_title = True
    can_delete = False
    show_change_link = False
