"""A spreadsheet with 100,000 rows, read as an import reads it, against python-calamine's bare read.

The limit reads the workbook and makes Python rows of it, nothing else. Ours opens it in a process of its own (a hostile
sheet may cost that one only), finds the header, makes text of typed cells and yields the rows. The second line goes as
far as the database: columns recognised and mapped, every cell checked and turned into what COPY takes. What comes after
that is the same for every format, and measured with text files.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import python_calamine
import xlsxwriter
from django.utils import timezone

from benchmarks.results import Result, Scale, interleaved
from crm.importing import Recognised, open_file
from crm.importing.customers import CustomerImporter
from crm.importing.guessing import by_names
from crm.importing.plan import make_plan
from crm.importing.staging import BLOCK

ROWS: dict[Scale, int] = {"small": 20_000, "full": 100_000}
RUNS: dict[Scale, int] = {"small": 3, "full": 5}
HEADER = ("Kundennummer", "Vorname", "Nachname", "E-Mail", "Telefon", "Geburtsdatum", "Ort", "PLZ", "Land", "Kinder")


def run(scale: Scale) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="regulars-bench-") as name:
        path = Path(name) / "customers.xlsx"
        _write(path, ROWS[scale])
        yield _compare("reading a workbook", lambda: _timed(lambda: _read(path)), path, scale)
        yield _compare("reading, mapping and checking it", lambda: _timed(lambda: _check(path)), path, scale)


def _compare(name: str, measured: Callable[[], float], path: Path, scale: Scale) -> Result:
    compared = interleaved(measured, lambda: _timed(lambda: _bare(path)), RUNS[scale])
    return Result(
        name=f"{name}, against python-calamine's bare read",
        ratio=compared.time_ratio,
        goal=3.0,
        better="lower",
        limit_per_s=compared.limit_per_s(ROWS[scale]),
        more={
            "per_s": round(compared.per_s(ROWS[scale])),
            "rows": ROWS[scale],
            "seconds": round(compared.measured_s, 2),
            "runs": compared.runs,
        },
    )


def _write(path: Path, rows: int) -> None:
    chance = random.Random(1)
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        page = book.add_worksheet()
        day = book.add_format({"num_format": "dd.mm.yyyy"})
        page.write_row(0, 0, HEADER)
        for row in range(1, rows + 1):
            born = date(1940, 1, 1) + timedelta(days=chance.randrange(25_000))
            page.write_number(row, 0, 100_000 + row)
            page.write_string(row, 1, chance.choice(("Anna", "Jānis", "Päivi", "Иван", "Þór")))
            page.write_string(row, 2, f"Ozola{chance.randrange(5_000)}")
            page.write_string(row, 3, f"person{row}@shop.example")
            page.write_string(row, 4, f"+371 2{chance.randrange(10**7):07}")
            page.write_datetime(row, 5, born, day)
            page.write_string(row, 6, chance.choice(("Riga", "Helsinki", "Reykjavík", "Roma")))
            page.write_string(row, 7, f"{chance.randrange(10_000):05}")
            page.write_string(row, 8, chance.choice(("LV", "FI", "IS", "IT")))
            page.write_number(row, 9, chance.randrange(4))


def _bare(path: Path) -> None:
    assert python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()


def _read(path: Path) -> None:
    for _row in open_file(path).rows():
        pass


def _check(path: Path) -> None:
    now = timezone.now()
    importer = CustomerImporter(zone=ZoneInfo("UTC"), now=now, source="")
    reader = open_file(path)
    plan = make_plan(
        reader=reader,
        mapping=by_names(importer.targets, reader.header),
        columns=importer.targets,
        how=Recognised(),
        today=now.date(),
    )
    encode, rows = importer.encoder(plan.where), plan.rows()
    lines = 0
    while block := [cells for _number, cells, _problem in islice(rows, BLOCK)]:
        lines += sum(map(bool, encode(block)))
    assert lines in ROWS.values()


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
