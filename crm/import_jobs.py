"""What the jobs of an import do: the dry run, and the import itself."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm import jobs, mending, uploads
from crm.importing import FileRefused, ImportResult, Recognised, import_file, targets
from crm.models import Customer, Job, Product, Upload

ERRORS = "refused.csv"
PARTS = 1_000
"""An import tells the share that is done: in thousandths."""
SHOWN = 20

_BESIDE = {
    "stores": gettext_lazy("Stores"),
    "categories": gettext_lazy("Categories"),
    "products": gettext_lazy("Products"),
    "customers": gettext_lazy("Customers"),
    "households": gettext_lazy("Households"),
    "companies": gettext_lazy("Companies"),
}


def may_take(user: User, job: Job) -> bool:
    """Whether this person may have the refused rows of an import."""
    upload = Upload.objects.filter(pk=job.params.get("upload")).first()
    return upload is not None and upload.kind in uploads.kinds_for(user)


def run_import(work: jobs.Work) -> None:
    """The import, and the word that it is done, in one transaction: a killed worker leaves both or neither."""
    upload = _upload(work)
    with transaction.atomic():
        result = _import(work, upload, dry_run=False)
        report = _report(work, upload, result)
        work.settle(report, now=timezone.now(), error_file=_errors_name(upload) if result.errors_file else "")


def run_check(work: jobs.Work) -> None:
    """The dry run: all of it is undone but for the report and the file of what would be refused."""
    upload = _upload(work)
    result = _import(work, upload, dry_run=True)
    report = _report(work, upload, result)
    report |= {
        "new": _created(result, upload.kind),
        "changed": _changed(result, upload.kind),
        "creates": [{"label": str(_BESIDE.get(name, name)), **found} for name, found in result.beside.items()],
        "asks": bool(result.beside),
        "takes": max(0, result.rows - report["refused_rows"]),
    }
    work.settle(report, now=timezone.now(), error_file=_errors_name(upload) if result.errors_file else "")


def _upload(work: jobs.Work) -> Upload:
    upload = Upload.objects.filter(pk=work.params["upload"]).first()
    if upload is None:
        raise jobs.JobFailed(_("The file was removed before it could be read."))
    return upload


def _errors_name(upload: Upload) -> str:
    """What the file of refused rows is called when somebody downloads it."""
    stem = upload.file.rpartition("/")[2].rpartition(".")[0] or "rows"
    return f"{stem}.{ERRORS}"


def _import(work: jobs.Work, upload: Upload, *, dry_run: bool) -> ImportResult:
    try:
        return import_file(
            kind=upload.kind,
            path=uploads.path_of(upload),
            how=uploads.as_found(Recognised.from_dict(upload.how["found"])),
            mapping=uploads.mapping_of(upload),
            dry_run=dry_run,
            time_zone=upload.how.get("time_zone"),
            errors_path=work.path(_errors_name(upload)),
            progress=lambda share, what: work.progress(int(share * PARTS), PARTS, what),
        )
    except FileRefused as error:
        raise jobs.JobFailed(uploads.in_words(error, upload)) from error


def _refused_rows(work: jobs.Work, upload: Upload, result: ImportResult) -> int:
    """Rows in the error file: of receipts more than are counted as refused, for one bad row refuses them all."""
    if not result.errors_file:
        return 0
    return sum(1 for _cells in mending.error_rows(work.path(_errors_name(upload)))[1])


def _report(work: jobs.Work, upload: Upload, result: ImportResult) -> dict[str, Any]:
    """The result as the pages show it."""
    counts = {name: getattr(result, name) for name in ("rows", "created", "updated", "unchanged", "refused")}
    problems: list[dict[str, str]] = []
    if result.errors_file:
        problems = mending.described(upload=upload, path=work.path(_errors_name(upload)), rows=SHOWN)
    return {
        **counts,
        "refused_rows": _refused_rows(work, upload, result),
        "problems": problems,
        "notes": [*result.notes, *(_note(name, number) for name, number in result.extra.items() if number)],
        "message": _sentence(result),
        "page": reverse("admin:crm_upload_change", args=[upload.pk]),
    }


def _created(result: ImportResult, kind: str) -> list[str]:
    """The first new ones by what names them: the first cells that they have."""
    samples = result.samples.created if result.samples else []
    named = ("name", "first_name", "last_name")
    key = next((column.name for column in targets(kind) if column.required), "")
    return [
        " ".join(str(sample["values"][name]) for name in dict.fromkeys((key, *named)) if sample["values"].get(name))
        for sample in samples
    ]


def _changed(result: ImportResult, kind: str) -> list[dict[str, Any]]:
    """The first changed ones, field by field, as people read them."""
    labels = {column.name: str(column.label or column.name) for column in targets(kind)}
    samples = result.samples.updated if result.samples else []
    names = _names(kind, [sample["key"] for sample in samples])
    return [
        {
            "name": f"{sample['key']} {names.get(sample['key'], '')}".strip(),
            "changes": [
                {"field": labels.get(name, name), "before": _readable(before), "after": _readable(after)}
                for name, (before, after) in sample["changes"].items()
            ],
        }
        for sample in samples
    ]


def _names(kind: str, keys: list[str]) -> dict[str, str]:
    """How the changed ones are called now, beside the number that the file knows them by."""
    if kind == "customers":
        return {one.number: one.full_name for one in Customer.objects.filter(number__in=keys)}
    if kind == "products":
        return dict(Product.objects.filter(sku__in=keys).values_list("sku", "name"))
    return {}


def _readable(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return _("yes") if value else _("no")
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _sentence(result: ImportResult) -> str:
    """The result in words; the parts that are nought are left out."""
    if not result.rows:
        return _("There are no rows in this file.")
    if not (result.created or result.updated or result.refused):
        return _("Nothing changes: everything in this file is known already.")
    parts = [
        (ngettext("%(n)s new", "%(n)s new", result.created), result.created),
        (ngettext("%(n)s changed", "%(n)s changed", result.updated), result.updated),
        (ngettext("%(n)s as it was", "%(n)s as they were", result.unchanged), result.unchanged),
        (ngettext("%(n)s refused", "%(n)s refused", result.refused), result.refused),
    ]
    return ", ".join(text % {"n": f"{number:,}"} for text, number in parts if number) + "."


def _note(name: str, number: int) -> str:
    """What an import has to say beside its counts."""
    said = {
        "returns_without_receipt": ngettext(
            "%(n)s return whose receipt is not known was recorded without one.",
            "%(n)s returns whose receipts are not known were recorded without them.",
            number,
        ),
        "withdrawals_kept": ngettext(
            "%(n)s no stays a no: the file says yes, but not when and where that was said later.",
            "%(n)s noes stay noes: the file says yes, but not when and where that was said later.",
            number,
        ),
        "returns_matched": ngettext(
            "%(n)s return named no receipt; the latest sale of the same things was taken for it.",
            "%(n)s returns named no receipt; the latest sales of the same things were taken for them.",
            number,
        ),
        "addresses_suppressed": ngettext(
            "%(n)s address will not be written to any more.",
            "%(n)s addresses will not be written to any more.",
            number,
        ),
    }.get(name, f"{name.replace('_', ' ').capitalize()}: %(n)s")
    return said % {"n": f"{number:,}"}
