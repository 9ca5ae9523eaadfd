"""Background work of the records."""

import logging

from celery import shared_task
from django.utils import timezone

from crm import bell, duplicates, expiry, jobs, loyalty, outbox

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def mail_receipts() -> None:
    """Send the receipts and other service mails that wait; rung by each request for one, and by beat."""
    done = outbox.send_due(now=timezone.now())
    if done != outbox.Sent():
        logger.info("Service mails: %s", done)


@shared_task(ignore_result=True)
def run_jobs() -> None:
    """Do one job, and ring again where more wait: what else the queue holds gets its turn in between."""
    if jobs.run_next() and jobs.due(now=timezone.now()).exists():
        bell.ring(jobs.TASK)


@shared_task(ignore_result=True)
def clean_up_jobs() -> None:
    """Remove files whose time has passed."""
    if cleared := jobs.clean_up(now=timezone.now()):
        logger.info("Files of old jobs and uploads: %d cleared.", cleared)


@shared_task(ignore_result=True)
def see_to_loyalty_day() -> None:
    """What a new day of the shop brings to the programme: expiries, birthdays, tiers; nothing where it was seen to."""
    if done := loyalty.see_to_day(now=timezone.now()):
        logger.info("Loyalty: %s", done)


@shared_task(ignore_result=True)
def let_data_expire() -> None:
    """Delete, empty or erase what the rules of retention keep no longer."""
    if done := expiry.expire(now=timezone.now()):
        logger.info("Personal data whose time has passed: %s.", done)


@shared_task(ignore_result=True)
def find_duplicates() -> None:
    """Compare customers that are new or changed with all others, and merge what a rule that is turned on is sure of."""
    now = timezone.now()
    found = duplicates.find_duplicates(now=now)
    merged = duplicates.merge_by_rules(now=now)
    if found.looked_at or merged:
        logger.info("Duplicates: %s, %d merged by rules.", found, len(merged))
