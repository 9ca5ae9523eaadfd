"""Addresses as people write them, and the keys under which two writings are the same."""

import hashlib
import hmac
import re

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

_USUAL_EMAIL = re.compile(
    r"[a-zA-Z0-9_+-]+(?:\.[a-zA-Z0-9_+-]+)*@(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]{2,63}"
)
"""What nearly every address looks like; the others are looked at more closely, which takes ten times as long."""
_FIVE_DIGITS = re.compile(r"(?:\d\D*){5}")


def email_key(value: str) -> str:
    """The form under which two e-mail addresses are one: trimmed, lower case, domain in its ASCII (IDNA) form.

    Returns "" for a blank one. Does not judge; see :func:`clean_email`.
    """
    local, at, domain = value.strip().lower().rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            pass
    return f"{local}{at}{domain}"


def clean_email(value: str) -> str:
    """The address as written, trimmed; ValidationError where mail could not be sent to it."""
    value = value.strip()
    if value and not (len(value) < 255 and _USUAL_EMAIL.fullmatch(value)):
        validate_email(email_key(value))
    return value


def phone_key(value: str, *, country: str = "") -> str:
    """E.164 (+37120000000) where the number is a possible one, else its bare digits; "" for a blank one."""
    value = value.strip()
    if not value:
        return ""
    try:
        number = phonenumbers.parse(value, (country or settings.COUNTRY).upper())
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    except phonenumbers.NumberParseException:
        pass
    return "".join(char for char in value if char.isdigit())


def clean_phone(value: str) -> str:
    """The number as written, trimmed; ValidationError where it holds fewer than five digits."""
    value = value.strip()
    if value and not _FIVE_DIGITS.search(value):
        raise ValidationError(_("“%(value)s” is not a phone number."), params={"value": value}, code="phone")
    return value


def address_hash(key: str) -> bytes:
    """HMAC-SHA-256 of a normalised address, for the suppression list: comparable, not readable."""
    return hmac.new(settings.ADDRESS_HASH_KEY.encode(), key.encode(), hashlib.sha256).digest()


def masked(address: str) -> str:
    """Enough of an e-mail address or phone for its owner to know it, too little for whom the mail was forwarded to."""
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}***{at}{domain}"
    return f"***{address[-2:]}" if sum(char.isdigit() for char in address) > 5 else "***"
