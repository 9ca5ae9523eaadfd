"""The analysis as a job: sale lines into a sparse matrix, products and categories, what was found by COPY."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Max, Model
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from numpy.typing import NDArray
from scipy import sparse

from crm.days import shop_day
from crm.jobs import JobFailed, Work
from crm.models import Category, Product, ReceiptLine
from segments.affinity.counting import Integers, Pairs, best_pairs, matrix
from segments.arrays import blocks
from segments.models import AffinityRun, CategoryPair, ProductPair

DAYS = 365
KEPT_RUNS = 2
"""Of each unit: the one that is shown, and the one before it."""
STEPS = 100

# Sale lines with a product that was kept: what was brought back whole counts as not bought, nor does a voided sale.
_LINES = """
  FROM crm_receiptline AS line
  LEFT JOIN (SELECT returns_line_id AS id, -sum(quantity) AS quantity
               FROM crm_receiptline WHERE returns_line_id IS NOT NULL GROUP BY returns_line_id) AS back
    ON back.id = line.id
 WHERE NOT line.is_return AND line.quantity > 0 AND (back.id IS NULL OR back.quantity < line.quantity)
   AND line.sold_on BETWEEN %s AND %s AND {of_whom}
   AND NOT EXISTS (SELECT FROM crm_receiptvoid AS void WHERE void.receipt_id = line.receipt_id)
   AND line.id {{block}}
"""
_BOUNDS = "SELECT min(id), max(id) FROM crm_receiptline"
_UNITS = {AffinityRun.Unit.BASKET: "receipt_id", AffinityRun.Unit.CUSTOMER: "customer_id"}
# Of baskets also those of guests; of customers only those who are content to be profiled.
_OF_WHOM = {
    AffinityRun.Unit.BASKET: "true",
    AffinityRun.Unit.CUSTOMER: "line.customer_id IS NOT NULL AND NOT EXISTS (SELECT FROM crm_customer AS quiet"
    " WHERE quiet.id = line.customer_id AND quiet.no_profiling)",
}


def run_affinity(work: Work, *, unit: str, now: datetime) -> None:
    """Find what is bought together in the last year of sales; harmless when done twice, for only its end is kept."""
    last = ReceiptLine.objects.filter(sold_on__lte=shop_day(now)).aggregate(last=Max("sold_on"))["last"]
    if last is None:
        raise JobFailed(_("Nothing has been sold yet."))
    since = last - timedelta(days=DAYS - 1)
    work.progress(0, STEPS, _("Reading the sales"))
    skus, has = read(unit=unit, since=since, until=last)

    def tell(share: float, note: str) -> None:
        work.progress(10 + int(80 * share), STEPS, note)

    products = best_pairs(has, progress=lambda done, total: tell(0.7 * done / total, _("Products")))
    paths, in_category = categories(skus)
    family = related(paths)
    by_category = has @ in_category
    by_category.data[:] = 1
    found = best_pairs(
        by_category.tocsr(),
        excluded=lambda first, other: family[first, other],
        progress=lambda done, total: tell(0.7 + 0.3 * done / total, _("Categories")),
    )
    work.progress(90, STEPS, _("Keeping what was found"))
    with transaction.atomic():
        run = AffinityRun.objects.create(
            made_at=now, unit=unit, since_on=since, until_on=last, units=products.units, pairs=products.tested
        )
        _keep(ProductPair, run, skus, products)
        _keep(CategoryPair, run, np.array([pk for pk, _path in paths], dtype=np.int64), found)
        runs = AffinityRun.objects.filter(unit=unit).order_by("-made_at", "-pk")
        AffinityRun.objects.filter(pk__in=list(runs.values_list("pk", flat=True)[KEPT_RUNS:])).delete()
        work.settle(_result(products, unit), now=now)


def read(*, unit: str, since: date, until: date) -> tuple[Integers, sparse.csr_matrix]:
    """The ids of the products that were sold, and who (a purchase, a customer) has which of them."""
    ids = np.array(Product.objects.order_by("pk").values_list("pk", flat=True), dtype=np.int64)
    if not len(ids):
        return ids, sparse.csr_matrix((0, 0), dtype=np.int32)
    column = _UNITS[AffinityRun.Unit(unit)]
    sql = _LINES.format(of_whom=_OF_WHOM[AffinityRun.Unit(unit)])
    units: list[NDArray[Any]] = []
    things: list[NDArray[Any]] = []
    wanted = [f"line.{column}", "line.product_id"]
    for unit_ids, product_ids in blocks(sql, columns=wanted, params=[since, until], bounds=_BOUNDS):
        units.append(unit_ids.astype(np.int64))
        things.append(np.searchsorted(ids, product_ids.astype(np.int64)).astype(np.int32))
    if not units:
        return ids, sparse.csr_matrix((0, len(ids)), dtype=np.int32)
    return ids, matrix(np.concatenate(units), np.concatenate(things), width=len(ids))


def categories(products: Integers) -> tuple[list[tuple[int, str]], sparse.csr_matrix]:
    """All categories with their paths, and which product lies in which, at every level of the tree."""
    paths = list(Category.objects.order_by("path").values_list("pk", "path"))
    place = {path: number for number, (_pk, path) in enumerate(paths)}
    above = {pk: [place[one] for one in _upwards(path)] for pk, path in paths}
    leaf = dict(Product.objects.filter(category__isnull=False).values_list("pk", "category"))
    rows, columns = [], []
    for row, pk in enumerate(products.tolist()):
        for column in above[leaf[pk]] if pk in leaf else ():
            rows.append(row)
            columns.append(column)
    ones = np.ones(len(rows), dtype=np.int32)
    return paths, sparse.csr_matrix((ones, (rows, columns)), shape=(len(products), len(paths)))


def _upwards(path: str) -> Iterator[str]:
    names = path.split(Category.SEPARATOR)
    return (Category.SEPARATOR.join(names[: depth + 1]) for depth in range(len(names)))


def related(paths: Sequence[tuple[int, str]]) -> NDArray[np.bool_]:
    """Which of two categories lies within the other: whoever buys milk buys dairy, which says nothing."""
    place = {path: number for number, (_pk, path) in enumerate(paths)}
    family = np.eye(len(paths), dtype=bool)
    for number, (_pk, path) in enumerate(paths):
        for one in _upwards(path):
            family[number, place[one]] = family[place[one], number] = True
    return family


def _keep(model: type[Model], run: AffinityRun, ids: Integers, pairs: Pairs) -> None:
    """By COPY, for there are ten pairs a product. Whatever was removed meanwhile is left out."""
    columns = (
        "run_id", "first_id", "other_id", "position", "together", "first_count", "other_count", "lift", "evidence",
        "is_sure",
    )  # fmt: skip
    still = set(model._meta.get_field("first").related_model._default_manager.values_list("pk", flat=True))  # type: ignore[union-attr]
    rows = zip(
        ids[pairs.first].tolist(),
        ids[pairs.other].tolist(),
        pairs.position.tolist(),
        pairs.together.tolist(),
        pairs.counts[pairs.first].tolist(),
        pairs.counts[pairs.other].tolist(),
        pairs.lift.tolist(),
        pairs.evidence.tolist(),
        pairs.is_sure.tolist(),
        strict=True,
    )
    statement = f"COPY {model._meta.db_table} ({', '.join(columns)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            if row[0] in still and row[1] in still:
                copy.write_row((run.pk, *row))


def _result(products: Pairs, unit: str) -> dict[str, Any]:
    sure = int(products.is_sure.sum())
    message = ngettext(
        "%(sure)d pair of products goes together beyond chance.",
        "%(sure)d pairs of products go together beyond chance.",
        sure,
    )
    return {"message": message % {"sure": sure}, "page": f"{reverse('admin:segments_affinity')}?by={unit}"}
