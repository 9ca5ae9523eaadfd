"""Where words and files still mention a person whom no foreign key leads to: jobs, files to import, settings."""

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import Model

from crm import files
from crm.models import Customer, ExternalId, Job, LoyaltyCard, Mending, Upload
from crm.retention import empty, fields_of, rules

BLOCK = 1 << 20
OVERLAP = 2_000
ENCODINGS = ("utf-8", "utf-16-le", "cp1251", "cp1252")
MOST_INSIDE = 2_000
"""Parts of a spreadsheet's archive that are looked into."""
MIN_SURE = 5
"""Shorter numbers are looked for in files only: among words they would be found everywhere."""
PHONE_DIGITS = 7
MOST_SAID = 20


@dataclass(frozen=True)
class Traces:
    """What gives a person away: ``sure`` wherever it stands, ``weak`` only in files, which are easily made again."""

    sure: re.Pattern[str]
    weak: re.Pattern[str]


def traces(ids: Sequence[int]) -> Traces:
    """What these records are known by, as patterns. Take it before they are emptied."""
    sure: set[str] = set()
    weak: set[str] = set()
    known = list(Customer.objects.filter(pk__in=ids))
    numbers = [one.number for one in known]
    for table, column in ((LoyaltyCard, "number"), (ExternalId, "value")):
        numbers += table._default_manager.filter(customer__in=ids).values_list(column, flat=True)
    for number in filter(None, numbers):
        is_sure = len(number) >= MIN_SURE and any(char.isdigit() for char in number)
        (sure if is_sure else weak).add(_whole(number))
    for one in known:
        sure |= {_whole(address) for address in (one.email, one.email_key) if address}
        digits = "".join(char for char in one.phone_key if char.isdigit())
        if len(digits) >= PHONE_DIGITS:
            sure.add(r"[\s().-]*".join(digits[-9:]) + r"(?!\d)")
        if one.first_name and one.last_name:
            first, last = (_whole(name) for name in (one.first_name, one.last_name))
            sure |= {rf"{first}\W{{1,8}}{last}", rf"{last}\W{{1,8}}{first}"}
    return Traces(_any_of(sure), _any_of(sure | weak))


def _whole(text: str) -> str:
    return rf"(?<!\w){re.escape(text.strip().casefold())}(?!\w)"


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(sorted(patterns)) or r"(?!)")


def remove_from_jobs(found: Traces) -> int:
    """Remove the files of jobs and uploads that mention the person, and their words; how many files went."""
    removed = 0
    emptied = {rule.model: rule.blank for rule in rules() if rule.model in (Job, Upload)}
    for row in [*Job.objects.iterator(), *Upload.objects.iterator()]:
        stored = [path for name in ("file", "error_file") if (path := getattr(row, name, ""))]
        hit = [path for path in stored if files.exists(path) and file_mentions(files.full_path(path), found)]
        for path in hit:
            files.remove(path)
        removed += len(hit)
        if hit or _row_mentions(row, emptied[type(row)], found):
            fields = fields_of(type(row))
            kept = {"params": _without_words(row.params)} if isinstance(row, Job) else {}
            values = {name: empty(fields[name]) for name in emptied[type(row)]} | kept
            type(row)._default_manager.filter(pk=row.pk).update(**values)
    mended = [row.pk for row in Mending.objects.iterator() if found.weak.search(" ".join(row.cells).casefold())]
    Mending.objects.filter(pk__in=mended).delete()
    logged = [
        entry.pk
        for entry in LogEntry.objects.exclude(object_repr="", change_message="").iterator()
        if found.sure.search(f"{entry.object_repr} {entry.change_message}".casefold())
    ]
    LogEntry.objects.filter(pk__in=logged).update(object_repr="", change_message="")
    return removed


def _without_words(params: dict[str, Any]) -> dict[str, Any]:
    """A job that still runs, or may be read later, keeps its numbers and switches."""
    return {
        name: value for name, value in params.items() if name == "language" or isinstance(value, int | float | bool)
    }


def _row_mentions(row: Model, names: Iterable[str], found: Traces) -> bool:
    return bool(found.sure.search(" ".join(str(getattr(row, name)) for name in names).casefold()))


def file_mentions(path: Path, found: Traces) -> bool:
    """Whether a file mentions the person: text in any of the usual encodings, or a spreadsheet, or a document."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                inside = [one for one in archive.infolist()[:MOST_INSIDE] if one.filename.endswith((".xml", ".rels"))]
                return any(_stream_mentions(archive.open(one), found) for one in inside)
        with path.open("rb") as stream:
            return _stream_mentions(stream, found)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
        return True  # what can't be looked into is not kept on a hope


def _stream_mentions(stream: IO[bytes], found: Traces) -> bool:
    return any(
        found.weak.search(block.decode(encoding, "ignore").casefold())
        for block in _blocks(stream)
        for encoding in ENCODINGS
    )


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """The stream in blocks that overlap, so that nothing is missed at an edge; the overlap is even, as UTF-16 is."""
    tail = b""
    while block := stream.read(BLOCK):
        yield tail + block
        tail = (tail + block)[-OVERLAP:]
        tail = tail[len(tail) % 2 :]


def elsewhere(found: Traces) -> list[str]:
    """What else mentions the person, for a human to look at: settings, segments, messages. By number, not by name."""
    ruled = {rule.model for rule in rules()}
    apps_of_ours = {model._meta.app_config for model in ruled if model is not LogEntry}
    places: list[str] = []
    for model in apps.get_models():
        if model._meta.app_config in apps_of_ours and model not in ruled:
            places += [f"{model._meta.verbose_name} {key}" for key in _mentioning(model, found)]
    return places


def _mentioning(model: type[Model], found: Traces) -> list[Any]:
    quote = connection.ops.quote_name
    table, column = quote(model._meta.db_table), quote(model._meta.pk.column)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column}, row_to_json(one)::text FROM {table} AS one")  # noqa: S608 - names of ours
        return [key for key, words in iter(cursor.fetchone, None) if found.sure.search(words.casefold())][:MOST_SAID]
