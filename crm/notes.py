"""What staff write down about a customer."""

from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm.models import Customer, Note

MOST_LETTERS = Note._meta.get_field("text").max_length or 2000


def add_note(*, customer: Customer, text: str, by: User, now: datetime) -> Note:
    """Write a note. Raises ValidationError for an empty or too long one, and where the record is closed."""
    text = text.replace("\x00", "").strip()
    if not text:
        raise ValidationError(_("The note is empty."))
    if len(text) > MOST_LETTERS:
        raise ValidationError(
            _("The note has %(has)d characters; at most %(most)d fit."),
            params={"has": len(text), "most": MOST_LETTERS},
        )
    with transaction.atomic():
        locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        if not locked.is_live:
            raise ValidationError(_("This customer's record is closed. Look the customer up again."))
        return Note.objects.create(customer=locked, text=text, written_at=now, written_by=by)


def remove_note(*, note: Note, by: User, now: datetime) -> None:
    """Take a note away; who did so and when is kept. A repeat changes nothing."""
    Note.objects.filter(pk=note.pk, removed_at=None).update(removed_at=now, removed_by=by)
