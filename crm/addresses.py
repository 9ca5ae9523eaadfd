"""Addresses as people write them, and the keys under which two writings are the same."""

import functools
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
    if key := _plainly_international(value):
        return key
    try:
        number = phonenumbers.parse(value, (country or settings.COUNTRY).upper())
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    except phonenumbers.NumberParseException:
        pass
    return "".join(char for char in value if char.isdigit())


_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{0,2}(?: ?[0-9]+){1,6}")
_MOST_DIGITS = 15


def _plainly_international(value: str) -> str:
    """The key of a number that is written with its country's code, in digits and blanks, has a possible length and
    nothing in front of it that its country may put there: parsing it would come to the same. Else "".
    """
    if not _INTERNATIONAL.fullmatch(value) or len(digits := value[1:].replace(" ", "")) > _MOST_DIGITS:
        return ""
    for size in (1, 2, 3):
        if (lengths := _lengths_of_numbers(digits[:size])) is not None:
            rest = digits[size:]
            prefix, possible = lengths
            return f"+{digits}" if len(rest) in possible and rest[0] != "0" and not prefix.match(rest) else ""
    return ""


_NO_PREFIX = re.compile(r"(?!)")


@functools.cache
def _lengths_of_numbers(calling_code: str) -> tuple[re.Pattern[str], frozenset[int]] | None:
    """What may stand in front of a number of this country, and how many digits it has; None for no country's code."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(calling_code))
    if not regions:
        return None
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(calling_code), regions[0])
    if metadata is None or metadata.general_desc is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    return re.compile(prefix) if prefix else _NO_PREFIX, frozenset(metadata.general_desc.possible_length)


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
