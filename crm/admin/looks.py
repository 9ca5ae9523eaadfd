"""Whoever looks at customers in the back office is written down: a mixin for the pages, and the book itself."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateFilter

from crm import audit
from crm.admin.exporting import Exportable
from crm.exporting import lists
from crm.models import AuditEntry, Customer


class Looked:
    """Notes who opens a list or a page that shows customers: one entry a page.

    ``personal`` is the way from a row to the customers whose data it shows (``"customer"``, ``"receipt__customer"``,
    ``"members"``); "self" for customers themselves, blank where no page of this kind shows anybody.
    """

    personal: str = ""
    opts: Any

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)  # type: ignore[misc]  # ModelAdmin's
        shown = getattr(response, "context_data", None) or {}
        if self.personal and "cl" in shown:
            audit.searched(
                what=f"list: {self.opts.verbose_name_plural}",
                count=len(shown["cl"].result_list),
                request=request,
                detail=", ".join(sorted(name for name in request.GET if name.isidentifier()))[:500],
            )
        return response

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        obj = kwargs.get("obj")
        if obj is not None:
            self._note_look(request, obj, "page")
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]
        return response

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        response: HttpResponse = super().history_view(request, object_id, extra_context)  # type: ignore[misc]
        shown = getattr(response, "context_data", None) or {}
        if shown.get("object") is not None:
            self._note_look(request, shown["object"], "history")
        return response

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        response: HttpResponse = super().delete_view(request, object_id, extra_context)  # type: ignore[misc]
        shown = getattr(response, "context_data", None) or {}
        if shown.get("object") is not None:
            self._note_look(request, shown["object"], "deletion")
        return response

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._note_change(request, obj, message)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._note_change(request, obj, message)
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    @property
    def _kind(self) -> str:
        return str(self.opts.verbose_name)

    def _note_look(self, request: HttpRequest, obj: Model, part: str) -> None:
        people = people_of(obj, self.personal)
        if len(people) == 1:
            audit.looked(customer=people[0], what=f"{part}: {self._kind}", request=request)
        elif people:
            audit.searched(what=f"{part}: {self._kind}", count=len(people), request=request)

    def _note_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        people = people_of(obj, self.personal)
        if len(people) == 1:
            audit.changed(
                customer=people[0], what=f"page: {self._kind}", request=request, detail=_field_names(message)[:500]
            )


def people_of(obj: Model, way: str) -> list[Customer]:
    """The customers to whom this way leads from a row."""
    if way == "self":
        return [obj] if isinstance(obj, Customer) else []
    found: Any = obj
    for step in way.split("__") if way else ():
        found = getattr(found, step, None)
    if hasattr(found, "all"):
        return list(found.all()[:500])
    return [found] if isinstance(found, Customer) else []


def _field_names(message: Any) -> str:
    """Which fields the admin says were changed; never what is in them."""
    names: list[str] = []
    for part in message if isinstance(message, list) else []:
        names += part.get("changed", {}).get("fields", []) if isinstance(part, dict) else []
    return ", ".join(map(str, names))


class PersonFilter(admin.SimpleListFilter):
    """By customer, as the links of other pages name one; shown only where it is in use."""

    title = _("customer")
    parameter_name = "customer_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(self.parameter_name, "")
        return [(value, value)] if value else []

    def has_output(self) -> bool:
        return self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        value = self.value()
        if value is None:
            return queryset
        is_id = value.isascii() and value.isdecimal() and len(value) < 19
        return queryset.filter(customer_id=int(value)) if is_id else queryset.none()


@admin.register(AuditEntry)
class AuditAdmin(Exportable, ModelAdmin):
    """Who looked at personal data, or took them out. To be read."""

    exports = [lists.audit_entries]

    list_display = ["happened_at", "who", "action", "what", "customer_number", "count", "address", "detail"]
    list_filter = ["action", ("happened_at", RangeDateFilter), PersonFilter]
    list_filter_submit = True
    search_fields = ["username", "what"]
    search_help_text = _("A log-in, a page, or a customer's number")
    show_full_result_count = False
    list_per_page = 100
    list_display_links = None
    actions = None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        text = search_term.strip()
        people = list(Customer.objects.filter(number=text).values_list("pk", flat=True)) if text else []
        if people:
            return queryset.filter(customer_id__in=people), False
        return super().get_search_results(request, queryset, search_term)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        rows = (getattr(response, "context_data", None) or {}).get("cl")
        if rows is not None:
            # One query for the numbers of everybody on the page.
            ids = {entry.customer_id for entry in rows.result_list if entry.customer_id}
            numbers = dict(Customer.objects.filter(pk__in=ids).values_list("pk", "number"))
            for entry in rows.result_list:
                entry.number = numbers.get(entry.customer_id, "")
        return response

    @admin.display(description=_("who"), ordering="username")
    def who(self, entry: AuditEntry) -> str:
        return entry.username or str(_("a program"))

    @admin.display(description=_("customer"))
    def customer_number(self, entry: AuditEntry) -> str:
        return getattr(entry, "number", "") or (str(entry.customer_id) if entry.customer_id else "–")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
