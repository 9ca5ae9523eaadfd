"""Searching customers against reading one by its primary key, on the same connection through the same ORM.

The customers come through the import; their names are as unevenly spread as real ones. What is looked for is drawn
from them. A search answers with its ten best; reading by key gives one row and knows which.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from django.db import connection

from benchmarks import people
from benchmarks.results import Result, Scale, interleaved
from crm import finding
from crm.importing import import_file
from crm.models import Customer
from crm.text import typed_words

CUSTOMERS: dict[Scale, int] = {"small": 50_000, "full": 1_000_000}
SEARCHES = 300
MOST_TIMES = 20.0
MOST_MISTYPED_MS = 100
COMMON = ("ma", "an", "iv", "a.o", "maria", "anna", "iva", "mar", "ber")
COMMON_TOGETHER = (
    "anna i",
    "maria b",
    "i anna",
    "ma an",
    "ivanov a",
    "mar ber",
    "an iv",
    "jan ka",
    "al iv",
    "maria anna",
)
NOTHING = ("xqzwv", "qqqqqq wwwwww", "maria xqzwvk", "0000000001", "nobody@nowhere.example", "zzyx anna")


def run(scale: Scale) -> Iterator[Result]:
    count = CUSTOMERS[scale]
    with tempfile.TemporaryDirectory(prefix="regulars-bench-") as name:
        path = Path(name) / "customers.csv"
        people.write(path, count)
        import_file(kind="customers", path=path)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) crm_customer, crm_customername, crm_nameword, crm_loyaltycard")
    drawn = _Drawn(count)
    for what, texts in drawn.without_slips().items():
        yield _against_key(what, texts, drawn, count)
    for what, texts in drawn.with_slips().items():
        yield _within_time(what, texts, count)


class _Drawn:
    """What to look for."""

    def __init__(self, count: int) -> None:
        self.chance = random.Random(11)
        least, most = Customer.objects.order_by("pk")[0].pk, Customer.objects.order_by("-pk")[0].pk
        self.keys = [self.chance.randint(least, most) for _ in range(SEARCHES)]
        self.customers = list(Customer.objects.filter(pk__in=self.keys).prefetch_related("cards"))

    def without_slips(self) -> dict[str, list[str]]:
        whole = [
            text
            for one in self.customers
            for text in (one.number, one.email, one.phone, *(card.number for card in one.cards.all()))
            if text
        ]
        begun = [
            text
            for one in self.customers
            for text in (
                one.last_name[: self.chance.randint(2, 6)],
                f"{one.first_name} {one.last_name}",
                f"{one.last_name} {one.first_name[:3]}",
                f"{one.first_name[:2]} {one.last_name[:3]}",
                one.email.partition("@")[0][:9],
                one.phone[-4:],
                f"{one.last_name} {one.postcode}",
                one.number[:-1],
            )
            if text
        ]
        return {
            "a whole number, address or phone": self._some(whole),
            "beginnings": self._some(begun),
            "common beginnings": list(COMMON),
            "common beginnings together": list(COMMON_TOGETHER),
        }

    def with_slips(self) -> dict[str, list[str]]:
        named = [words for one in self.customers if (words := typed_words(f"{one.first_name} {one.last_name}"))]
        one_word = [people.slip(self.chance, words[-1]) for words in named]
        together = [f"{words[0]} {people.slip(self.chance, words[-1])}" for words in named]
        twice = [f"{people.slip(self.chance, words[-1])} {people.slip(self.chance, words[0])}" for words in named]
        mailboxes = [people.slip(self.chance, one.email) for one in self.customers if one.email]
        phones = [people.slip(self.chance, one.phone, "0123456789") for one in self.customers if one.phone]
        return {
            "mistyped": self._some([*one_word, *together, *twice, *mailboxes, *phones]),
            "what nobody has": list(NOTHING),
        }

    def _some(self, texts: list[str]) -> list[str]:
        return self.chance.sample(texts, min(SEARCHES, len(texts)))


def _against_key(what: str, texts: Sequence[str], drawn: _Drawn, count: int) -> Result:
    times = max(1, SEARCHES // len(texts))
    searched = [text for text in texts for _ in range(times)]
    found = sum(bool(finding.search(text=text)) for text in texts)

    def search() -> float:
        return _seconds(lambda: [finding.search(text=text) for text in searched])

    def by_key() -> float:
        return _seconds(
            lambda: [Customer.objects.get(pk=drawn.keys[nr % len(drawn.keys)]) for nr in range(len(searched))]
        )

    compared = interleaved(search, by_key)
    return Result(
        name=f"searching {what} against reading by primary key",
        ratio=compared.time_ratio,
        goal=MOST_TIMES,
        better="lower",
        limit_per_s=compared.limit_per_s(len(searched)),
        more={
            "ms": round(1000 * compared.measured_s / len(searched), 2),
            "worst_ms": round(max(_each(texts)), 1),
            "found": f"{found}/{len(texts)}",
            "customers": count,
            "runs": compared.runs,
        },
    )


def _within_time(what: str, texts: Sequence[str], count: int) -> Result:
    """The slowest of twenty, against what is allowed."""
    milliseconds = _each(texts)
    p95 = statistics.quantiles(milliseconds, n=20)[-1]
    return Result(
        name=f"searching {what}: the 95th of a hundred against {MOST_MISTYPED_MS} ms",
        ratio=p95 / MOST_MISTYPED_MS,
        goal=1.0,
        better="lower",
        limit_per_s=1000 / MOST_MISTYPED_MS,
        more={
            "p95_ms": round(p95, 1),
            "median_ms": round(statistics.median(milliseconds), 1),
            "found": f"{sum(bool(finding.search(text=text)) for text in texts)}/{len(texts)}",
            "customers": count,
        },
    )


def _each(texts: Sequence[str]) -> list[float]:
    """Milliseconds of each search, of two the quicker: the machine has other work, too."""
    return [1000 * min(_seconds(partial(finding.search, text=text)) for _ in range(2)) for text in texts]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
