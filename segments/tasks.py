"""Bells for the refresh: all they may do is read from the database what there is to do."""

from celery import shared_task
from django.utils import timezone

from crm.bell import ring
from segments import flow, jobs, prices, proof, refresh, value_job


@shared_task(name="segments.tasks.refresh_marked")
def refresh_marked() -> None:
    """Membership of the customers whose facts changed; rung every two seconds."""
    refresh.refresh_marked(now=timezone.now())


@shared_task(name="segments.tasks.refresh_due")
def refresh_due() -> None:
    """The new day; one segment that is due for everybody, or else for its nightly proof, then the bell for the next.

    So sales are never kept waiting long.
    """
    prices.remake_if_due(now=timezone.now())
    if refresh.refresh_due(now=timezone.now(), limit=1) or proof.prove_due(now=timezone.now(), limit=1):
        ring("segments.tasks.refresh_due")


@shared_task(name="segments.tasks.see_to_knowledge")
def see_to_knowledge() -> None:
    """The night's expected value and clusters, one month of the flow between RFM groups; then the bell for the next."""
    now = timezone.now()
    value_job.start_if_due(now=now)
    jobs.remake_clusters(now=now)
    if flow.work_out_missing(now=now):
        ring("segments.tasks.see_to_knowledge")
