"""Background work of the records."""

import logging

from celery import shared_task
from django.utils import timezone

from crm import receipts

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def mail_receipts() -> None:
    """Send the receipts that wait; rung by each request for one, and by beat."""
    done = receipts.send_due(now=timezone.now())
    if done != receipts.Sent():
        logger.info("Receipts by mail: %s", done)
