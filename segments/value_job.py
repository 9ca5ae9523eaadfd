"""The nightly job that makes expected values anew, and lets the segments that ask for them follow."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.jobs import Work, job, start_job
from crm.models import CustomerProfile, Job
from segments import expected, refresh
from segments.rules import RuleError, conditions, parse
from segments.value_attributes import NAMES

KIND = "expected-value"


def run(work: Work) -> dict[str, Any]:
    """Harmless when done twice: each time the newest model is in force."""
    from segments import value  # numpy and scipy are loaded when they are needed, not when the program starts

    now = timezone.now()
    work.progress(0, 2, _("Trying the forecast out on the past"))
    made = value.remake(now=now)
    work.progress(1, 2, _("Counting segments"))
    refresh.ask_anew(segment_ids=asking())
    work.progress(2, 2)
    return {"in_use": made.is_used, **({} if made.is_used else {"why_not": expected.why_not(made.result)})}


def start(*, by: User | None) -> Job:
    """Make expected values anew, unless that is being done."""
    return going_on() or start_job(kind=KIND, title=_("Expected value of customers"), by=by)


def start_if_due(*, now: datetime) -> bool:
    """Start the night's job where there is anything to reckon from. Whether it was started."""
    if not expected.due(now=now) or going_on() or not CustomerProfile.objects.filter(receipts__gt=0).exists():
        return False
    start(by=None)
    return True


def going_on() -> Job | None:
    waiting = Job.objects.filter(kind=KIND, status__in=[Job.Status.QUEUED, Job.Status.RUNNING])
    return waiting.order_by("pk").first()


def asking() -> list[int]:
    """The live segments whose rules ask for an expected value."""
    found = []
    for pk, rule in refresh.live_segments().values_list("pk", "rule"):
        try:
            if any(condition.attribute in NAMES for _path, condition in conditions(parse(rule))):
                found.append(pk)
        except RuleError:
            continue
    return found


def register_all() -> None:
    job(KIND, label=gettext_lazy("Expected value"))(run)
