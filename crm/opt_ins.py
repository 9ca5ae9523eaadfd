"""Double opt-in: a yes to e-mail counts once the link in a mail was used, so that nobody says yes for others."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from crm import addresses, consents, customers, outbox, wordings
from crm.models import Channel, Consent, Customer, OptIn, Purpose, Shop, SignupForm
from crm.text import clean
from crm.wordings import Wording

VALID = timedelta(days=14)
"""How long the link in the mail works."""

PATIENCE = timedelta(hours=1)
"""Asked again within this, no second mail goes out."""


class OptInOver(ValidationError):
    """The link is of no use any more; the message says why."""


def allow_email(
    *,
    customer: Customer,
    source: str,
    now: datetime,
    by: User | None = None,
    form: SignupForm | None = None,
    proof: dict[str, Any] | None = None,
) -> Consent | OptIn:
    """The customer says yes to news by e-mail: a consent, or a question by mail where the shop wants it confirmed."""
    shop = Shop.current()
    wording = wordings.in_force(channel=Channel.EMAIL, shop=shop)
    if shop.double_opt_in:
        return ask(customer=customer, source=source, wording=wording, now=now, form=form, proof=proof)
    return consents.record_consent(
        customer=customer,
        channel=Channel.EMAIL,
        granted=True,
        source=source,
        stated_at=now,
        wording=wording.text[:500],
        wording_version=wording.version,
        form=form,
        proof=proof,
        by=by,
        now=now,
    )


def ask(
    *,
    customer: Customer,
    source: str,
    wording: Wording,
    now: datetime,
    form: SignupForm | None = None,
    proof: dict[str, Any] | None = None,
    purpose: str = Purpose.MARKETING,
) -> OptIn:
    """Mail the customer a link that turns their yes into a consent. Asked twice in a row, it is one mail.

    Raises ValidationError where they have no address, or none that may be written to.
    """
    with transaction.atomic():
        waiting = OptIn.objects.filter(
            customer=customer, email=customer.email, purpose=purpose, confirmed_at=None, asked_at__gt=now - PATIENCE
        )
        if first := waiting.order_by("-id").first():
            return first
        opt_in = OptIn.objects.create(
            customer=customer,
            email=customer.email,
            purpose=purpose,
            source=source,
            wording=wording.text[:500],
            wording_version=wording.version,
            form=form,
            proof=proof or {},
            asked_at=now,
            expires_at=now + VALID,
        )
        shop = Shop.current()
        text = _(
            "Hello,\n\nsomebody, you we hope, asked for this:\n\n    %(wording)s\n\n"
            "If it was you, confirm it here within %(days)d days:\n%(url)s\n\n"
            "If it was not you, do nothing: we will not write again.\n\n%(shop)s"
        ) % {"wording": wording.text, "days": VALID.days, "url": confirm_url(opt_in), "shop": clean(shop.name)}
        subject = _("Please confirm: news from %(shop)s") % {"shop": clean(shop.name)}
        outbox.write(
            key=f"opt-in:{opt_in.public_id}", to=customer.email, subject=subject, text=text, customer=customer, now=now
        )
    return opt_in


def confirm_url(opt_in: OptIn) -> str:
    """The page that asks once more; opening it confirms nothing (promise 7)."""
    return settings.SITE_URL.rstrip("/") + reverse("opt-in", args=[opt_in.public_id])


def confirm(*, public_id: uuid.UUID, proof: dict[str, Any], now: datetime) -> Consent:
    """Turn a waiting yes into a consent, stated now; used again, the link answers with the first one.

    Raises :class:`OptInOver` where it has expired, or the customer's address is another by now.
    """
    with transaction.atomic():
        opt_in = OptIn.objects.select_for_update(of=["self"]).select_related("customer").get(public_id=public_id)
        customer = customers.survivor(opt_in.customer)
        if opt_in.confirmed_at is not None:
            first = Consent.objects.filter(customer=customer, proof__opt_in=str(public_id)).order_by("id").first()
            if first is not None:
                return first
        if opt_in.expires_at <= now:
            raise OptInOver(_("This link has expired. Ask for a new one."))
        if addresses.email_key(opt_in.email) != customer.email_key:
            raise OptInOver(_("Your address has changed since. Ask for a new link."))
        opt_in.confirmed_at = now
        opt_in.save(update_fields=["confirmed_at"])
        return consents.record_consent(
            customer=customer,
            channel=Channel.EMAIL,
            purpose=opt_in.purpose,
            granted=True,
            source=opt_in.source,
            stated_at=now,
            wording=opt_in.wording,
            wording_version=opt_in.wording_version,
            form=opt_in.form,
            proof={
                **opt_in.proof,
                "asked_at": opt_in.asked_at.isoformat(),
                "opt_in": str(public_id),
                "confirmed": proof,
            },
            now=now,
        )
