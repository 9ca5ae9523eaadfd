"""What people decide about a pair."""

from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from crm.models import DuplicatePair

Status = DuplicatePair.Status


def decide(*, pair: DuplicatePair, status: str, by: User | None, now: datetime) -> None:
    """Part the two ("different") or look at them another time ("later"); merging them is :mod:`crm.merging`.

    Raises ValidationError where somebody else has merged them meanwhile.
    """
    if status not in (Status.DIFFERENT, Status.LATER, Status.OPEN):
        raise ValidationError(_("There is no such decision."))
    undecided = DuplicatePair.objects.filter(pk=pair.pk).exclude(status=Status.SAME)
    if not undecided.update(status=status, decided_at=now, decided_by=by):
        raise ValidationError(_("Somebody else has merged these two meanwhile."))
