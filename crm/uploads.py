"""Files on their way in, step by step: taken, read, mapped, tried out, imported. Every step is kept.

An :class:`~crm.models.Upload` remembers how its file is read (``how``: what was ``found``, and what somebody has
``chosen`` over it) and which column means what (``mapping``). The dry run and the import are jobs.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import files, jobs
from crm.importing import (
    KINDS,
    FileRefused,
    Mapping,
    Recognised,
    from_json,
    guess_mapping,
    open_file,
    recognise,
    targets,
)
from crm.importing.columns import REASON, Column
from crm.importing.findings import Finding
from crm.importing.guessing import complete
from crm.importing.mapping import Source, labels
from crm.models import Job, Upload

PREVIEWED = 10
SAMPLED = 1_000
"""Rows by whose content columns are guessed."""
DOUBTFUL = 0.4
"""From this confidence on a guess is offered; up to "sure" it is marked to be looked at."""
PASTED = "pasted.txt"


@dataclass(frozen=True)
class Kind:
    """What a kind of file is to people, and who may import it."""

    label: str | Promise
    about: str | Promise
    permission: str


_PEOPLE, _SALES = "crm.import_customer", "crm.import_receipt"
ABOUT: dict[str, Kind] = {
    "customers": Kind(
        gettext_lazy("Customers"),
        gettext_lazy("A row for each person: number, name, e-mail, phone, birthday, household, what they allow…"),
        _PEOPLE,
    ),
    "households": Kind(
        gettext_lazy("Households"), gettext_lazy("A row for each household, and who decides there."), _PEOPLE
    ),
    "consents": Kind(
        gettext_lazy("Consents"), gettext_lazy("A row for each yes or no: who, which channel, when, where."), _PEOPLE
    ),
    "companies": Kind(
        gettext_lazy("Companies"), gettext_lazy("A row for each company: name, industry, size, who decides."), _PEOPLE
    ),
    "answers": Kind(
        gettext_lazy("Answers to surveys"),
        gettext_lazy("A row for each answer: who, which question, what they said, when."),
        _PEOPLE,
    ),
    "products": Kind(
        gettext_lazy("Products"), gettext_lazy("A row for each product: SKU, name, category, price, barcode."), _SALES
    ),
    "receipts": Kind(gettext_lazy("Receipts"), gettext_lazy("A row for each line of a receipt; returns, too."), _SALES),
    "loyalty": Kind(gettext_lazy("Points"), gettext_lazy("A row for each customer or card and its balance."), _SALES),
    "invoices": Kind(
        gettext_lazy("Sales on account"),
        gettext_lazy("A row for each invoice: number, customer, amount, when it is due, when it was paid."),
        _SALES,
    ),
    "places": Kind(
        gettext_lazy("Places of postcodes"),
        gettext_lazy("A row for each postcode with its latitude and longitude; distances are measured from them."),
        _SALES,
    ),
}


def about(kind: str) -> Kind:
    return ABOUT.get(kind) or Kind(kind.replace("_", " ").capitalize(), "", _SALES)


def kinds_for(user: User | AnonymousUser) -> dict[str, Kind]:
    """The kinds of files that a person may import, in the order in which they are offered."""
    known = sorted(KINDS, key=lambda kind: list(ABOUT).index(kind) if kind in ABOUT else len(ABOUT))
    return {kind: about(kind) for kind in known if user.is_active and user.has_perm(about(kind).permission)}


def visible_to(user: User) -> QuerySet[Upload]:
    """The uploads that a person may work with: of kinds they may import, their own, or everybody's."""
    found = Upload.objects.filter(kind__in=kinds_for(user)).select_related("job", "check_job", "created_by")
    return found if user.has_perm("crm.oversee_job") else found.filter(created_by=user)


# Taking the file


def take_file(*, kind: str, sent: UploadedFile, by: User | None, follows: Upload | None = None) -> Upload:
    """Keep an uploaded file. A large one is on the disk already and only changes its place."""
    name = files.safe_name(sent.name or "")
    stored = f"{files.make_folder()}/{name}"
    path = files.full_path(stored)
    temporary = getattr(sent, "temporary_file_path", None)
    if temporary is not None:
        shutil.move(temporary(), path)
    else:
        with path.open("wb") as file:
            file.writelines(sent.chunks())
    return _taken(kind, (sent.name or name)[:255], stored, by, follows)


def take_text(*, kind: str, text: str, by: User | None) -> Upload:
    """Keep a pasted list as a file."""
    stored = f"{files.make_folder()}/{PASTED}"
    files.full_path(stored).write_text(text.replace("\r\n", "\n"), encoding="utf-8", errors="replace", newline="\n")
    return _taken(kind, _("Pasted list"), stored, by, None)


def _taken(kind: str, name: str, stored: str, by: User | None, follows: Upload | None) -> Upload:
    size = files.full_path(stored).stat().st_size
    return Upload.objects.create(kind=kind, name=name, file=stored, size=size, created_by=by, follows=follows)


def path_of(upload: Upload) -> Path:
    """Where the file is. FileRefused where it was removed."""
    if not files.exists(upload.file):
        raise FileRefused(_("The file was removed: it is kept for a while only. Upload it again."))
    return files.full_path(upload.file)


def in_words(error: FileRefused, upload: Upload) -> str:
    """What is wrong with a file, with the name that its owner knows."""
    said = str(error)
    return said.replace(str(files.full_path(upload.file)), upload.name) if upload.file else said


def discard(*, upload: Upload) -> None:
    """Forget a file that was not imported. Nothing happens once an import of it has begun."""
    if upload.job_id is None:
        if upload.file:
            files.remove(upload.file)
        upload.delete()


# How it is read


def chosen(upload: Upload) -> Recognised:
    return Recognised.from_dict(upload.how.get("chosen", {}))


def read(*, upload: Upload, today: date) -> Recognised:
    """How the file is written: recognised once, and kept. FileRefused where it can't be read."""
    if "found" not in upload.how:
        return choose(upload=upload, choice=chosen(upload), today=today)
    return Recognised.from_dict(upload.how["found"])


def choose(*, upload: Upload, choice: Recognised, today: date, time_zone: str = "") -> Recognised:
    """Read the file as somebody says. What they leave blank is recognised. A new header begins a new mapping."""
    path = path_of(upload)
    how: dict[str, Any] = {"time_zone": time_zone} if time_zone else {}
    how["chosen"] = {name: value for name, value in choice.as_dict().items() if value not in ("", None, [], ())}
    if "found" in upload.how and how == {
        name: upload.how[name] for name in upload.how if name in ("time_zone", "chosen")
    }:
        return Recognised.from_dict(upload.how["found"])  # as it was: a large file takes a while to be looked through
    upload.how = how
    upload.check_job = None  # what was tried out was read differently
    upload.save(update_fields=["how", "check_job"])
    found = recognise(path, choice, today=today)
    upload.how = {**upload.how, "found": found.as_dict()}
    shape = _shape(upload.kind, [finding.column for finding in found.findings])
    if shape != upload.shape:
        upload.shape, upload.mapping = shape, None
    upload.save(update_fields=["how", "shape", "mapping"])
    return found


def questions(found: Recognised) -> list[Finding]:
    """The columns that can be read in two ways, so that somebody has to say."""
    return [finding for finding in found.findings if finding.candidates]


def as_found(found: Recognised) -> Recognised:
    """The file as it was found, to be opened again in the same way without looking for it."""
    return dataclasses.replace(found, findings=(), sheets=(), encodings=())


@dataclass(frozen=True)
class Preview:
    header: list[str]
    rows: list[tuple[int, list[str], str]]


def preview(*, upload: Upload, found: Recognised, rows: int = PREVIEWED) -> Preview:
    """The first rows as they are read now."""
    reader = open_file(path_of(upload), as_found(found))
    width = len(reader.header)
    shown = [
        (number, [*cells[:width], *[""] * (width - len(cells))], problem)
        for number, cells, problem in islice(reader.rows(), rows)
    ]
    return Preview(labels(reader.header), shown)


def _shape(kind: str, header: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([kind, *header]).encode()).hexdigest()


# Which column is which


@dataclass(frozen=True)
class Theirs:
    """A column of the file, what is in it, and which of ours it is taken for ("" for none)."""

    label: str
    samples: tuple[str, ...]
    ours: str
    confidence: float
    why: str


def columns(*, upload: Upload, found: Recognised) -> list[Theirs]:
    """The columns of the file with what they mean: as somebody said it, as last time, or as it is guessed."""
    reader = open_file(path_of(upload), as_found(found))
    sample = [cells for _number, cells, problem in islice(reader.rows(), SAMPLED) if not problem]
    said = upload.mapping if upload.mapping is not None else remembered(upload)
    guesses = guess_mapping(upload.kind, reader.header, sample)
    known = {column.name for column in targets(upload.kind)}
    theirs = []
    for at, guess in enumerate(guesses):
        samples = tuple(dict.fromkeys(row[at].strip()[:60] for row in sample if at < len(row) and row[at].strip()))[:4]
        if said is not None and guess.header in said:
            ours = said[guess.header] or ""
            why = _("as you said") if upload.mapping is not None else _("as last time")
            theirs.append(Theirs(guess.header, samples, ours if ours in known else "", 1.0, why))
        else:
            sure = guess.column or "" if guess.confidence >= DOUBTFUL else ""
            theirs.append(Theirs(guess.header, samples, sure, guess.confidence, guess.why))
    return [one for one in theirs if one.label != REASON]


def remembered(upload: Upload) -> dict[str, str | None] | None:
    """What the columns meant the last time that a file with the same ones was imported."""
    earlier = Upload.objects.filter(shape=upload.shape, mapping__isnull=False, job__isnull=False).exclude(pk=upload.pk)
    mapping: dict[str, str | None] | None = earlier.order_by("-id").values_list("mapping", flat=True).first()
    return mapping


def choose_columns(*, upload: Upload, mapping: dict[str, str | None]) -> None:
    """Keep which column means what; FileRefused says what is wrong or missing, and then it is kept all the same."""
    upload.mapping = mapping
    upload.check_job = None
    upload.save(update_fields=["mapping", "check_job"])
    check_mapping(upload)


def check_mapping(upload: Upload) -> None:
    found = Recognised.from_dict(upload.how["found"])
    header = [finding.column for finding in found.findings]
    ours = targets(upload.kind)
    twice = _twice(upload.mapping or {}, ours)
    if twice:
        raise FileRefused(
            _("Two columns can't both be “%(name)s”. Leave one of them out.") % {"name": twice.label or twice.name}
        )
    complete(from_json(upload.mapping or {}, ours), header, ours)


def _twice(mapping: dict[str, str | None], ours: Sequence[Column]) -> Column | None:
    taken = [name for name in mapping.values() if name]
    return next((column for column in ours if taken.count(column.name) > 1), None)


def mapping_of(upload: Upload) -> Mapping:
    """The mapping with what was found of each column's numbers and dates, so that a part of the file (its refused rows)
    is read as the whole was.
    """
    ours = {column.name: column for column in targets(upload.kind)}
    findings = Recognised.from_dict(upload.how["found"]).findings
    found = dict(zip(labels([finding.column for finding in findings]), findings, strict=True))
    sources: dict[str, Source] = {}
    for label, name in (upload.mapping or {}).items():
        if not name or name not in ours:
            continue
        finding, holds = found.get(label), ours[name].holds
        source = Source(columns=(label,))
        if finding and holds == "number" and (finding.decimal == "," or finding.thousands):
            source = dataclasses.replace(source, decimal=finding.decimal, thousands=finding.thousands)
        elif finding and holds in ("date", "time") and finding.date_order in ("dmy", "mdy"):
            source = dataclasses.replace(source, date_order=finding.date_order)
        sources[name] = source
    left_out = frozenset(label for label, name in (upload.mapping or {}).items() if not name)
    return Mapping(sources, left_out, ignore_rest=True)


# Checking and importing


@transaction.atomic
def start_check(*, upload: Upload, by: User) -> Job:
    """Begin the dry run. One that still goes on is cancelled: the file is read differently now."""
    locked = Upload.objects.select_for_update().get(pk=upload.pk)
    if locked.job_id:
        raise FileRefused(_("This file was imported already."))
    title = _("Try out: %(name)s") % {"name": locked.name}
    locked.check_job = jobs.start_job(kind="import-check", title=title, by=by, upload=locked.pk)
    locked.save(update_fields=["check_job"])
    upload.check_job = locked.check_job
    return locked.check_job


@transaction.atomic
def start_import(*, upload: Upload, by: User) -> Job:
    """Begin the import: once, however often somebody clicks. One that failed or was cancelled may be begun again."""
    # The lock alone first: a joined job would be the one from before the wait.
    locked = Upload.objects.select_for_update().get(pk=upload.pk)
    if locked.job and locked.job.status not in (Job.Status.FAILED, Job.Status.CANCELLED):
        return locked.job
    title = _("Import: %(name)s") % {"name": locked.name}
    locked.job = jobs.start_job(kind="import", title=title, by=by, upload=locked.pk)
    locked.save(update_fields=["job"])
    upload.job = locked.job
    return locked.job


def step_of(upload: Upload) -> str:
    """Where the work on this file stands: "read", "columns", "check" or "result"."""
    if upload.job_id:
        return "result"
    if upload.check_job_id:
        return "check"
    return "columns" if upload.mapping is not None else "read"
