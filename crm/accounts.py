"""Sales on account: what is owed, and that it was paid."""

from django.db import transaction

from crm import bell, holds, marks
from crm.models import Invoice
from crm.sales import REFRESH


def save_invoice(*, invoice: Invoice) -> Invoice:
    """Keep an invoice, new or changed, and mark its customer. Raises ValidationError where its days contradict."""
    with transaction.atomic():
        if invoice.customer_id is not None:
            invoice.customer_id = holds.hold_roots(customer_ids=[invoice.customer_id])[invoice.customer_id]
        invoice.full_clean()
        invoice.save()
        if invoice.customer_id is not None:
            marks.mark_customers(customer_ids=[invoice.customer_id])
            bell.ring_after_commit(REFRESH)
    return invoice
