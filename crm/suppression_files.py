"""The list of who must not be known or written to any more, as a file: so that a restored backup can obey it.

It holds keyed hashes only. The first line bears a fingerprint of the key: under another one the hashes say nothing.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from crm import erasing, forgotten
from crm.addresses import address_hash
from crm.models import Channel, Customer, ErasedIdentity, Suppression

HEADER = ["regulars suppressions 1"]
_PROBE = "regulars: which key is this"
Kind = ErasedIdentity.Kind


class ListUnreadable(Exception):
    """The file is none of ours, was made under another key, or a line of it is broken; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """How many entries were new, who came back with the backup and was erased again, and who may be one of them."""

    suppressions: int
    identities: int
    erased_again: int
    lookalikes: list[str]


def export_list(*, path: Path) -> int:
    """Write every suppressed address and erased identity to a file; how many there were."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*HEADER, _fingerprint()])
        for rows in (Suppression.objects.order_by("pk"), ErasedIdentity.objects.order_by("pk")):
            for one in rows.iterator():
                writer.writerow(forgotten.as_row(one))
                count += 1
    return count


def _fingerprint() -> str:
    return address_hash(_PROBE)[:8].hex()


def apply_list(*, path: Path, by: User | None, now: datetime) -> Applied:
    """Take over what the file says, then erase again whoever a restored backup brought back.

    Somebody is known by their customer number. Who only shares an address with an erased person may be a sister: they
    are named, not erased. Raises :class:`ListUnreadable`; then nothing has changed.
    """
    with transaction.atomic():
        before = Suppression.objects.count(), ErasedIdentity.objects.count()
        suppressions: list[Suppression] = []
        identities: list[ErasedIdentity] = []
        for one in _read(path):
            if isinstance(one, Suppression):
                suppressions.append(one)
            else:
                identities.append(one)
        Suppression.objects.bulk_create(suppressions, ignore_conflicts=True, batch_size=5_000)
        ErasedIdentity.objects.bulk_create(identities, ignore_conflicts=True, batch_size=5_000)
        new = Suppression.objects.count() - before[0], ErasedIdentity.objects.count() - before[1]
    back, alike = _came_back()
    again = 0
    for customer in Customer.objects.filter(pk__in=back).order_by("pk"):
        try:
            erasing.erase_customer(customer=customer, by=by, now=now)
        except erasing.NothingToErase:
            continue  # with another of their records
        again += 1
    alike = [number for number in alike if Customer.objects.filter(number=number, erased_at=None).exists()]
    return Applied(suppressions=new[0], identities=new[1], erased_again=again, lookalikes=alike)


def _read(path: Path) -> Iterator[Suppression | ErasedIdentity]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            head = next(lines, [])
            if head[:1] != HEADER:
                raise ListUnreadable(_("%(path)s is no list of suppressions.") % {"path": path})
            if head[1:] != [_fingerprint()]:
                raise ListUnreadable(
                    _("%(path)s was made under another REGULARS_ADDRESS_HASH_KEY: use that key.") % {"path": path}
                )
            for line in lines:
                try:
                    yield _entry(line)
                except (ValueError, IndexError) as error:
                    raise ListUnreadable(
                        _("%(path)s, line %(line)d can't be read.") % {"path": path, "line": lines.line_num}
                    ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ListUnreadable(f"{path}: {error}") from error


def _entry(line: list[str]) -> Suppression | ErasedIdentity:
    what, of, hexed, reason, at = line
    hashed, moment = bytes.fromhex(hexed), datetime.fromisoformat(at)
    if len(hashed) != 32 or moment.tzinfo is None:
        raise ValueError(line)
    if what == "identity":
        return ErasedIdentity(kind=Kind(of), key_hash=hashed, erased_at=moment)
    if what == "suppression":
        return Suppression(
            channel=Channel(of), address_hash=hashed, reason=Suppression.Reason(reason), recorded_at=moment
        )
    raise ValueError(line)


def _came_back() -> tuple[list[int], list[str]]:
    """Customers who bear an erased number, and the numbers of others who bear an erased address."""
    known = {str(kind): forgotten.hashes(kind) for kind in (Kind.NUMBER, Kind.EMAIL, Kind.PHONE)}
    back, alike = [], []
    rows = Customer.objects.filter(erased_at=None).order_by("pk").values_list("pk", "number", "email_key", "phone_key")
    for pk, number, email_key, phone_key in rows.iterator(chunk_size=10_000):
        if address_hash(number) in known[Kind.NUMBER]:
            back.append(pk)
        elif (email_key and address_hash(email_key) in known[Kind.EMAIL]) or (
            phone_key and address_hash(phone_key) in known[Kind.PHONE]
        ):
            alike.append(number)
    return back, alike
