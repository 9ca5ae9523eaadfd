"""The bells of sending. All of them may be lost, repeated or late: the database says what there is to do."""

import logging

from celery import shared_task
from django.utils import timezone

from campaigns import sending, states

logger = logging.getLogger(__name__)

BELL_SECONDS = 10
"""A bell rings for one stint of sending; one that nobody hears for so long is dropped, since beat rings new ones."""


@shared_task
def dispatch() -> None:
    """Rung by beat every few seconds, and at a launch: tidy up, launch what is due, ring for what is left to send."""
    now = timezone.now()
    states.release_expired(now=now)
    states.launch_due(now=now)
    for campaign_id, senders in sending.wanted_senders(now=now).items():
        for _bell in range(senders):
            send_chunk.apply_async(kwargs={"campaign_id": campaign_id}, expires=BELL_SECONDS)


@shared_task
def send_chunk(*, campaign_id: int) -> None:
    """One stint of sending."""
    accepted = sending.send_campaign(campaign_id=campaign_id, seconds=BELL_SECONDS)
    if accepted:
        logger.info("Campaign %s: %s accepted.", campaign_id, accepted)
