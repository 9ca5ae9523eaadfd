"""Bells for the refresh: all they may do is read from the database what there is to do."""

from celery import shared_task
from django.utils import timezone

from crm.bell import ring
from segments import refresh


@shared_task(name="segments.tasks.refresh_marked")
def refresh_marked() -> None:
    """Membership of the customers whose facts changed; rung every two seconds."""
    refresh.refresh_marked(now=timezone.now())


@shared_task(name="segments.tasks.refresh_due")
def refresh_due() -> None:
    """One segment that is due for everybody, then the bell for the next, so that sales are never kept waiting long."""
    if refresh.refresh_due(now=timezone.now(), limit=1):
        ring("segments.tasks.refresh_due")
