"""Mails to single people that are a service: queued with what caused them, sent at most once.

Each kind of :class:`crm.models.QueuedMail` registers how its message is made.
"""

import logging
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from crm import addresses, bell, consents
from crm.models import Channel, Customer, QueuedMail, ServiceMail
from crm.text import clean

logger = logging.getLogger(__name__)

TASK = "crm.tasks.mail_receipts"
MAX_ATTEMPTS = 8
UNCLEAR_AFTER = timedelta(minutes=10)
"""A mail still "sending" after this was left so by a worker that died: nobody knows whether it went out."""

_makers: dict[type[QueuedMail], Callable[[Any], EmailMessage]] = {}


def register(model: type[QueuedMail], make: Callable[[Any], EmailMessage]) -> None:
    """Say how the message of this kind of mail is made, at the moment of sending."""
    _makers[model] = make


def write(*, key: str, to: str, subject: str, text: str, customer: Customer | None, now: datetime) -> ServiceMail:
    """Queue a mail of plain text, in the caller's transaction. The same ``key`` again is the mail that is there.

    Raises ValidationError where the address can't be written to, or asked not to be.
    """
    to = addresses.clean_email(to)
    email_key = addresses.email_key(to)
    if not to:
        raise ValidationError(_("There is no e-mail address."))
    if consents.suppressed(channel=Channel.EMAIL, address_keys=[email_key], reasons=consents.FORBIDS_SERVICE):
        raise ValidationError(_("Mail to this address came back, or its owner asked to be forgotten. Ask for another."))
    mail, _is_new = ServiceMail.objects.get_or_create(
        key=key,
        defaults={
            "email": to,
            "email_key": email_key,
            "customer": customer,
            "subject": clean(subject)[:300],
            "text": text,
            "asked_at": now,
            "due_at": now,
        },
    )
    bell.ring_after_commit(TASK)
    return mail


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What one round of :func:`send_due` did."""

    sent: int = 0
    waiting: int = 0
    failed: int = 0


def send_due(*, now: datetime, limit: int = 50) -> Sent:
    """Send mails that wait, one at a time; each is "sending" in the database before its first byte leaves.

    Two workers never take the same one. A mail server that is down, or that says "later", leaves them waiting, longer
    each time; what it refuses for good has failed, with its words kept. A round ends with the first line that breaks:
    a server that hangs costs one mail's patience and leaves one unclear, and the next round tries it again.
    """
    sent = failed = waiting = 0
    connection: BaseEmailBackend | None = None
    for _round in range(limit):
        mail = _claim(now)
        if mail is None:
            break
        try:
            connection = connection or _open()
        except OSError as error:  # smtplib's own errors are OSErrors too: nothing has left
            _settle(mail, error, now, again=True)
            waiting += 1
            break
        outcome = _send(mail, connection, now)
        sent, failed, waiting = (
            sent + (outcome == "sent"),
            failed + (outcome == "failed"),
            waiting + (outcome in ("queued", "trouble")),
        )
        if outcome in ("unclear", "trouble"):
            connection = None
            break
    if connection is not None:
        connection.close()
    return Sent(sent=sent, waiting=waiting, failed=failed)


def _open() -> BaseEmailBackend:
    connection: BaseEmailBackend = get_connection()
    connection.open()
    return connection


def _claim(now: datetime) -> QueuedMail | None:
    """The next mail of any kind; the kinds take turns by being few."""
    for model in _makers:
        with transaction.atomic():
            waiting = model._default_manager.select_for_update(skip_locked=True, no_key=True, of=("self",))
            mail = waiting.filter(status=QueuedMail.Status.QUEUED, due_at__lte=now).order_by("due_at", "id").first()
            if mail is not None:
                mail.status, mail.attempts, mail.settled_at = QueuedMail.Status.SENDING, mail.attempts + 1, now
                mail.save(update_fields=["status", "attempts", "settled_at"])
                return mail
    return None


def _send(mail: QueuedMail, connection: BaseEmailBackend, now: datetime) -> str:
    """Send one claimed mail and settle it.

    Returns its new status; "unclear" where nobody can know, and "trouble" where the server said "later" to us rather
    than to the recipient.
    """
    try:
        if consents.suppressed(channel=Channel.EMAIL, address_keys=[mail.email_key], reasons=consents.FORBIDS_SERVICE):
            raise ValidationError(_("The address is not written to any more."))
        message = _makers[type(mail)](mail)
        message.connection = connection
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        later = all(400 <= code < 500 for code, _words in error.recipients.values())
        return _settle(mail, error, now, again=later)
    except smtplib.SMTPResponseException as error:
        later = 400 <= error.smtp_code < 500
        status = _settle(mail, error, now, again=later)
        return "trouble" if later else status
    except (ValidationError, ValueError) as error:  # our own refusal, before any byte (a line break in a header)
        return _settle(mail, error, now, again=False)
    except OSError:
        # The line broke while bytes were leaving. It stays "sending": shown as unclear, never sent again by itself.
        logger.exception("%s %s is unclear.", type(mail).__name__, mail.pk)
        return "unclear"
    return _settle(mail, None, now, again=False)


def _settle(mail: QueuedMail, error: Exception | None, now: datetime, *, again: bool) -> str:
    if error is None:
        mail.status, mail.error = QueuedMail.Status.SENT, ""
    else:
        mail.error = clean("; ".join(error.messages) if isinstance(error, ValidationError) else str(error))[:500]
        mail.status = QueuedMail.Status.FAILED
        if again and mail.attempts < MAX_ATTEMPTS:
            mail.status, mail.due_at = QueuedMail.Status.QUEUED, now + timedelta(seconds=30 * 2**mail.attempts)
    mail.settled_at = now
    mail.save(update_fields=["status", "error", "due_at", "settled_at"])
    return mail.status


def send_again(*, mails: QuerySet[Any], now: datetime) -> int:
    """Queue mails once more on a human's word: those that failed, and those long enough unclear. Returns how many."""
    settled = Q(status=QueuedMail.Status.FAILED)
    unclear = Q(status=QueuedMail.Status.SENDING, settled_at__lt=now - UNCLEAR_AFTER)
    queued = mails.filter(settled | unclear).update(
        status=QueuedMail.Status.QUEUED, attempts=0, due_at=now, error="", settled_at=None
    )
    bell.ring_after_commit(TASK)
    return queued


def service_message(*, mail: ServiceMail) -> EmailMessage:
    """A mail of plain text, as it was written when it was asked for."""
    return EmailMessage(
        subject=clean(mail.subject), body=mail.text, to=[mail.email], headers={"Auto-Submitted": "auto-generated"}
    )
