"""One import from file to tables: all or nothing in the database, row by row towards the user."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import bell, sales
from crm.importing.answers import AnswerImporter
from crm.importing.columns import Column
from crm.importing.customers import CustomerImporter
from crm.importing.errors import errors_path as errors_path_of
from crm.importing.errors import remove_errors, write_errors
from crm.importing.findings import SAMPLE
from crm.importing.formats import Recognised, TableFile, open_file
from crm.importing.groups import CompanyImporter, HouseholdImporter
from crm.importing.guessing import by_names, complete
from crm.importing.invoices import InvoiceImporter
from crm.importing.loyalty import LoyaltyImporter
from crm.importing.mapping import Mapping, from_json
from crm.importing.merging import Importer
from crm.importing.places import PlaceImporter
from crm.importing.plan import WRITTEN, Plan, make_plan
from crm.importing.products import ProductImporter
from crm.importing.reading import FileRefused, Reader
from crm.importing.receipts import ReceiptImporter
from crm.importing.samples import Beside, Samples
from crm.importing.staging import Staging, explain_with
from crm.importing.statements import ConsentImporter
from crm.importing.unchanged import Unchanged, find_unchanged
from crm.turns import IMPORT_ALONE

Progress = Callable[[float, str], None]
"""Told the share that is done (0 to 1) and what is going on, in words."""

IMPORTERS: dict[str, type[Importer]] = {
    importer.kind: importer
    for importer in (
        CustomerImporter,
        HouseholdImporter,
        CompanyImporter,
        ProductImporter,
        ReceiptImporter,
        LoyaltyImporter,
        ConsentImporter,
        AnswerImporter,
        PlaceImporter,
        InvoiceImporter,
    )
}
KINDS = tuple(IMPORTERS)

_READING = 0.5
"""The share of an import's time that reading the file takes, more or less."""


@dataclass(frozen=True)
class ImportResult:
    """``rows`` are those of the file; the others count what a row (or, of receipts, its rows together) stands for.

    ``beside`` are the stores, categories, products... that the file names and that did not exist before. ``notes`` say
    what was settled by a hint rather than a proof. ``samples`` are a dry run's, after which nothing has changed.
    """

    rows: int
    created: int
    updated: int
    unchanged: int
    refused: int
    errors_file: Path | None
    extra: dict[str, int] = field(default_factory=dict)
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    samples: Samples | None = None

    @property
    def is_dry_run(self) -> bool:
        return self.samples is not None

    def as_dict(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        said: dict[str, Any] = {
            name: getattr(self, name) for name in ("rows", "created", "updated", "unchanged", "refused")
        }
        said |= {**self.extra, "errors_file": str(self.errors_file) if self.errors_file else None}
        if self.notes:
            said["notes"] = list(self.notes)
        if self.samples is not None:
            said |= {"dry_run": True, "beside": self.beside, "samples": self.samples.as_dict()}
        return said


def import_file(
    *,
    kind: str,
    path: Path | str,
    how: Recognised | None = None,
    mapping: Mapping | dict[str, Any] | None = None,
    dry_run: bool = False,
    time_zone: str | None = None,
    source: str = "import",
    errors_path: Path | str | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> ImportResult:
    """Import a file of one of :data:`KINDS` in one transaction.

    How it is written is recognised as far as ``how`` does not say it; ``mapping`` (a :class:`Mapping` or its JSON) says
    which of its columns is which of ours, as far as their names do not. A ``dry_run`` takes everything back at the end.

    Rows that cannot be taken are written, with their reasons, to ``errors_path`` (by default beside the file; by a dry
    run only where it is given), in the file's own columns; the others are taken. ``time_zone`` says which wall clock
    times without an offset are (the shop's unless given). ``source`` is where receipts come from: their numbers are
    unique within it, and it can't be the till, which numbers its own. An error file that an earlier import left goes
    where nothing is refused. Raises :class:`FileRefused` where nothing of the file can be taken; then nothing has
    changed. :class:`crm.importing.plan.Undecided`, one of them, carries a question.
    """
    _check_source(source)
    told = progress or (lambda share, what: None)
    importer = IMPORTERS[kind](zone=ZoneInfo(time_zone or settings.TIME_ZONE), now=now or timezone.now(), source=source)
    importer.samples = Samples() if dry_run else None
    importer.file_name = Path(path).name
    how = how or Recognised()
    plan = _plan(open_file(path, how), how=how, mapping=mapping, importer=importer)
    errors = errors_path_of(plan.reader, errors_path) if errors_path or not dry_run else None
    with transaction.atomic(), connection.cursor() as cursor:
        result = _Import(cursor, importer, how, told).run(plan, errors)
        if dry_run:
            transaction.set_rollback(True)
        else:
            bell.ring_after_commit("segments.tasks.refresh_marked")
    if errors and not result.errors_file and not dry_run:
        remove_errors(errors)
    told(1.0, _("done"))
    return result


class _Import:
    """One import in its transaction."""

    def __init__(self, cursor: Any, importer: Importer, how: Recognised, told: Progress) -> None:
        self.cursor, self.importer, self.how, self.told = cursor, importer, how, told

    def run(self, plan: Plan, errors: Path | None) -> ImportResult:
        """Stage, merge, count, and write the refused rows to ``errors``."""
        cursor, importer = self.cursor, self.importer
        cursor.execute(IMPORT_ALONE)  # two imports at once would create the same products
        cursor.execute("SET LOCAL work_mem = '128MB'")
        beside = Beside(cursor, kind=importer.kind)
        staging = Staging(cursor, importer.staging_columns())
        plan = self._fill(staging, plan)
        self.told(_READING, _("merging"))
        counts = importer.merge(cursor)
        cursor.execute("SELECT EXISTS (SELECT FROM import_problem) OR %s", [counts.refused > 0])
        refused = cursor.fetchone()[0]
        if refused and importer.samples is not None:
            importer.samples.take_refused(_stream(cursor, importer.refused, importer.params()))
        if refused and errors:
            write_errors(plan.reader, errors, _stream(cursor, importer.refused, importer.params()))
        staging.drop()
        return ImportResult(
            rows=staging.rows + staging.unchanged,
            created=counts.created,
            updated=counts.updated,
            unchanged=counts.unchanged + staging.unchanged,
            refused=counts.refused,
            errors_file=errors if refused else None,
            extra=counts.extra,
            beside=beside.count(cursor),
            notes=plan.notes(),
            samples=importer.samples,
        )

    def _fill(self, staging: Staging, plan: Plan) -> Plan:
        """Stage the file. Where the first rows left no doubt how it is written but a later one cannot be read, all of
        it is looked at and read again; returns the plan that was followed in the end.
        """
        self._fill_by(staging, plan)
        written = [column.name for column in self.importer.columns if column.holds in WRITTEN]
        if plan.whole or not written or not staging.has_problems(written):
            return plan
        closer = make_plan(
            reader=plan.reader,
            mapping=plan.mapping,
            columns=self.importer.targets,
            how=self.how,
            today=timezone.localdate(self.importer.now),
            whole=True,
        )
        if not closer.leaves_rows_alone or not plan.leaves_rows_alone:
            staging.empty()
            self._fill_by(staging, closer)
        return closer

    def _fill_by(self, staging: Staging, plan: Plan) -> None:
        """Stage the rows, those aside that say word for word what is known."""
        importer = self.importer
        known = None
        if importer.comparison is not None:
            columns = {column.name: column for column in importer.columns}
            known = find_unchanged(self.cursor, plan, columns, importer.comparison, self._at)
        self._stage(staging, plan, known)
        if known and known.is_contradicted(self.cursor, importer.columns[0].name):
            staging.empty()
            self._stage(staging, plan, None)

    def _stage(self, staging: Staging, plan: Plan, known: Unchanged | None) -> None:
        where, importer = plan.where, self.importer
        rows = iter(()) if known and known.is_everything else plan.rows(self._at)
        staging.fill(
            known.others(rows) if known else rows,
            copied=importer.copied(where),
            encode=importer.encoder(where),
            key=importer.key(where),
            explain=explain_with(importer.checks(where)),
        )
        staging.unchanged = known.count if known else 0

    def _at(self, share: float) -> None:
        self.told(share * _READING, _("reading"))


def _plan(reader: TableFile, *, how: Recognised, mapping: Mapping | dict[str, Any] | None, importer: Importer) -> Plan:
    return make_plan(
        reader=reader,
        mapping=_complete_mapping(mapping, reader, importer.targets),
        columns=importer.targets,
        how=how,
        today=timezone.localdate(importer.now),
    )


def _check_source(source: str) -> None:
    if source == sales.TILL:
        raise FileRefused(
            _("“%(source)s” is the name of the shop's own till, which numbers its receipts itself. Choose another.")
            % {"source": source}
        )


def _stream(cursor: Any, query: str, params: dict[str, Any]) -> Iterator[tuple[int, str]]:
    cursor.execute(f"DECLARE import_refusals NO SCROLL CURSOR FOR {query}", params)
    while True:
        cursor.execute("FETCH 5000 FROM import_refusals")
        if not (rows := cursor.fetchall()):
            break
        yield from rows
    cursor.execute("CLOSE import_refusals")


def _complete_mapping(mapping: Mapping | dict[str, Any] | None, reader: Reader, columns: Sequence[Column]) -> Mapping:
    blank = _nameless_and_blank(reader)
    if mapping is None:
        return by_names(columns, reader.header, blank=blank)
    if not isinstance(mapping, Mapping):
        mapping = from_json(mapping, columns)
    return complete(mapping, reader.header, columns, blank=blank)


def _nameless_and_blank(reader: Reader) -> set[int]:
    """Columns that a spreadsheet keeps beside its table: no name, and nothing in the first rows."""
    nameless = {at for at, name in enumerate(reader.header) if not name}
    if not nameless:
        return set()
    sample = [cells for _number, cells, problem in islice(reader.rows(), SAMPLE) if not problem]
    return {at for at in nameless if sample and not any(cells[at].strip() for cells in sample)}


def targets(kind: str) -> tuple[Column, ...]:
    """The columns that a file of this kind may have, and those of which others are made: what a mapping leads to."""
    return IMPORTERS[kind](zone=ZoneInfo(settings.TIME_ZONE), now=timezone.now(), source="").targets


def targets_of_all_kinds() -> tuple[Column, ...]:
    return tuple(column for kind in KINDS for column in targets(kind))
