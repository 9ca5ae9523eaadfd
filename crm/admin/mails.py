"""Mails to single people: what went out, what waits, and what nobody can know; a human may send those again."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from crm import outbox
from crm.admin.base import FactAdmin
from crm.exporting import lists
from crm.models import QueuedMail, ReceiptMail, ServiceMail


class QueuedMailAdmin(FactAdmin):
    """What every kind of mail shows, and sends again."""

    list_filter = ["status"]
    actions = ["send_again"]

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("crm.ring_up_sale")

    @admin.action(description=_("Send again (failed and unclear ones)"), permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[QueuedMail]) -> None:
        count = outbox.send_again(mails=queryset, now=timezone.now())
        self.message_user(
            request, ngettext("%(n)d mail is sent again.", "%(n)d mails are sent again.", count) % {"n": count}
        )


@admin.register(ReceiptMail)
class ReceiptMailAdmin(QueuedMailAdmin):
    exports = [lists.receipt_mails]
    personal = "receipt__customer"
    list_display = ["receipt", "email", "status", "attempts", "asked_at", "settled_at", "error"]
    list_select_related = ["receipt"]
    search_fields = ["receipt__external_id", "email_key"]
    fields = ["receipt", "email", "status", "attempts", "error", "asked_at", "due_at", "settled_at"]


@admin.register(ServiceMail)
class ServiceMailAdmin(QueuedMailAdmin):
    exports = [lists.service_mails]
    personal = "customer"
    list_display = ["subject", "email", "status", "attempts", "asked_at", "settled_at", "error"]
    search_fields = ["subject", "email_key"]
    fields = ["subject", "email", "text", "status", "attempts", "error", "asked_at", "due_at", "settled_at"]
