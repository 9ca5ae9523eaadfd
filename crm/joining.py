"""Leaving one's address on a sign-up form: a prospect with a source and a goal, and their yes."""

import uuid
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm import addresses, consents, customers, opt_ins, wordings
from crm.models import Channel, Customer, SignupForm


def join(
    *, form: SignupForm, email: str, first_name: str, language: str, proof: dict[str, Any], now: datetime
) -> Customer:
    """Take somebody's yes to news by e-mail on this form; it counts once they use the link that is mailed to them.

    The one customer with this address is asked; where there is none, or several share it, it is somebody new: a form
    can't tell two sisters apart, and must not speak for the wrong one. The same form sent twice makes one prospect.
    Raises ValidationError where the address can't be written to.
    """
    email = addresses.clean_email(email)
    key = addresses.email_key(email)
    if not email:
        raise ValidationError(_("Type an e-mail address."))
    if consents.suppressed(channel=Channel.EMAIL, address_keys=[key], reasons=consents.FORBIDS_SERVICE):
        raise ValidationError(_("Mail to this address came back. Type another."))
    with transaction.atomic():
        known = list(customers.live().filter(email_key=key)[:2])
        customer = (
            known[0]
            if len(known) == 1
            else customers.create_customer(
                now=now,
                key=uuid.uuid5(uuid.NAMESPACE_URL, f"signup:{form.pk}:{key}"),
                registered=True,
                first_name=first_name,
                email=email,
                language=language,
                source=f"form: {form.title}"[:100],
                goal=form.goal,
            )
        )
        # Whoever fills in a form may be anybody: only the mailbox's owner can say yes for it.
        wording = wordings.in_force(channel=Channel.EMAIL)
        opt_ins.ask(
            customer=customer, source=f"form: {form.title}"[:100], wording=wording, form=form, proof=proof, now=now
        )
    return customer
