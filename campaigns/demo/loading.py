"""Loading the demo once, through the import that users use, and comparing it with its source.

A Job keeps the shift in weeks that the first attempt chose, and the steps that are done. The records come in one
transaction: a load that is killed has either all of them or none.
"""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils import timezone

from campaigns.demo import content, stores
from campaigns.demo.journey import SOURCE, ZONE, DemoRefused, Facts, Journey, weeks_until
from config.demo_users import DEMO_USERS
from crm import staff
from crm.importing import import_file
from crm.models import Customer, CustomerProfile, Job, Receipt, ReceiptLine, Shop, Store

KIND = "load_demo"
_LOCK = "SELECT pg_advisory_lock(hashtext('regulars load_demo'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('regulars load_demo'))"

Progress = Callable[[float, str], None]

_FILES = ("customers", "households", "products", "receipts")
_SHARES = {"customers": 0.03, "households": 0.01, "products": 0.08, "receipts": 0.76}


def load_demo(*, households: int | None, now: datetime, progress: Progress) -> bool:
    """Load the demo, or what is missing of it. False where it was there already.

    ``households`` takes the first so many only. Raises :class:`DemoRefused` in a shop that holds other customers, and
    where revenue or receipts differ from the source by a cent or a basket.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)  # two starts at once: the second waits and then finds it done
        try:
            return _load(households=households, now=now, progress=progress)
        finally:
            cursor.execute(_UNLOCK)


def _load(*, households: int | None, now: datetime, progress: Progress) -> bool:
    job = Job.objects.filter(kind=KIND).order_by("id").first()
    if job is None:
        if Customer.objects.exists():
            raise DemoRefused("This shop has customers of its own; the demo goes into an empty one.")
        params = {"weeks": weeks_until(timezone.localdate(now)), "households": households}
        job = Job.objects.create(kind=KIND, status=Job.Status.RUNNING, params=params, started_at=now)
    if job.status == Job.Status.DONE:
        return False
    journey = Journey(weeks=job.params["weeks"], households=job.params["households"])
    if not job.result.get("records"):
        _load_records(job, journey, now=now, progress=progress)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # what follows asks a great deal of tables that were empty a moment ago
    progress(0.92, "campaigns")
    content.create(journey=journey, now=now)
    progress(0.97, "statistics")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    job.status, job.finished_at = Job.Status.DONE, timezone.now()
    job.save(update_fields=["status", "finished_at"])
    progress(1.0, "done")
    return True


def _load_records(job: Job, journey: Journey, *, now: datetime, progress: Progress) -> None:
    progress(0.0, "purchases")
    facts = journey.facts
    with tempfile.TemporaryDirectory(prefix="regulars-demo-") as folder, transaction.atomic():
        _write_files(journey, Path(folder), now=now)
        start = 0.05
        for kind in _FILES:
            _import(kind, Path(folder), now, _part(progress, start, _SHARES[kind]))
            start += _SHARES[kind]
        stores.name_stores()
        _shop_and_users()
        compare(facts)
        job.result = {**job.result, "records": asdict(facts)}
        job.save(update_fields=["result"])


def _part(progress: Progress, start: float, width: float) -> Progress:
    return lambda share, what: progress(start + share * width, what)


def _write_files(journey: Journey, folder: Path, *, now: datetime) -> None:
    journey.write_customers(folder / "customers.csv", today=now)
    journey.write_households(folder / "households.csv")
    journey.write_products(folder / "products.csv")
    journey.write_receipts(folder / "receipts.csv")


def _import(kind: str, folder: Path, now: datetime, progress: Progress) -> None:
    result = import_file(
        kind=kind, path=folder / f"{kind}.csv", time_zone=ZONE, source=SOURCE, now=now, progress=progress
    )
    if result.refused and result.errors_file:
        with result.errors_file.open(encoding="utf-8") as file:
            first = [line for line, _ in zip(file, range(2), strict=False)][-1]
        raise DemoRefused(f"{result.refused} of the demo's {kind} were refused, the first with: {first.strip()}")


def compare(facts: Facts) -> None:
    """Raise :class:`DemoRefused` unless the tables say what the source says, to the cent and the basket."""
    receipts = Receipt.objects.filter(source=SOURCE)
    totals = receipts.aggregate(receipts=Count("pk"), revenue=Sum("total_minor"))
    lines = ReceiptLine.objects.filter(receipt__source=SOURCE).aggregate(lines=Count("pk"), revenue=Sum("total_minor"))
    stored = Facts(
        households=receipts.values("customer").distinct().count(),
        receipts=totals["receipts"],
        lines=lines["lines"],
        revenue_minor=totals["revenue"] or 0,
        stores=Store.objects.count(),
    )
    if stored != facts or lines["revenue"] != totals["revenue"]:
        raise DemoRefused(f"The demo was loaded as {stored}, but its source says {facts}.")
    kept = CustomerProfile.objects.aggregate(receipts=Sum("receipts"), spend=Sum("spend_minor"))
    if (kept["receipts"], kept["spend"]) != (stored.receipts, stored.revenue_minor):
        raise DemoRefused(f"The profiles hold {kept}, but the receipts say {stored}.")


def _shop_and_users() -> None:
    Shop.objects.update_or_create(
        pk=1,
        defaults={
            "name": "Riverton Market",
            "address": "1 Market Square\nRiverton, OH 43001",
            "website": "https://shop.example.com/",
            "return_terms": "Bring it back within 30 days with the receipt.",
        },
    )
    for person in DEMO_USERS:
        if User.objects.filter(username=person.username).exists():
            continue
        user = User.objects.create_user(
            person.username,
            person.email,
            person.password,
            first_name=person.first_name,
            last_name=person.last_name,
        )
        user.groups.add(Group.objects.get(name=person.group))
        staff.open_back_office(user=user)
