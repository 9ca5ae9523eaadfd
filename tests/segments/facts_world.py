"""A small random shop of facts that are not purchases, and what attributes of them mean, said plainly in Python."""

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Any

from campaigns.models import Campaign, Delivery, TrackedEvent
from crm import custom_fields, profiles
from crm.attributes import Filter
from crm.models import (
    Answer,
    Company,
    Consent,
    Customer,
    CustomField,
    Household,
    Invoice,
    PostcodePlace,
    Product,
    Question,
    ReceiptLine,
    Review,
    Store,
    Survey,
    WebVisit,
    WishlistItem,
)
from segments.tree import And, Condition, Last, Node, Not, Or
from tests.crm import make

TODAY = date(2027, 3, 1)
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
AGES = (0, 1, 6, 7, 28, 29, 30, 31, 89, 90, 364, 365, 400)
STORES = {"main": (56.95, 24.1), "far": (59.44, 24.75), "nowhere": None}
PLACES = {"1010": (56.95, 24.11), "1015": (57.2, 24.3)}
SKUS = ("milk", "kefir", "hammer")
CATEGORY = {"milk": "Food > Dairy", "kefir": "Food > Dairy", "hammer": "Tools"}
QUESTIONS = ("season", "belief")
ANSWERS = ("winter", "Summer", "wine")
INDUSTRIES = ("retail", "Building")
CUSTOM: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "colour": ("text", ("red", "Rose", "", 5), "ordinary"),
    "shoe": ("number", (41, 42.5, "41", None), "ordinary"),
    "plan": ("choice", ("gold", "silver", 3), "ordinary"),
    "since": ("date", ("2026-02-28", "2026-02-31", "soon", "2027-03-01"), "ordinary"),
    "vip": ("flag", (True, False, "yes"), "ordinary"),
    "likes": ("words", (["tea"], ["tea", "Jazz"], [], "tea"), "ordinary"),
    "health": ("text", ("well", "ill"), "special"),
}
UNKNOWN = object()


@dataclass
class Person:
    """Everything about one customer, read from the tables."""

    customer: Customer
    rows: dict[str, list[Any]] = field(default_factory=dict)


class FactsWorld:
    """Two dozen customers; most of what there is comes from one seed."""

    def __init__(self, seed: int, customers: int = 24) -> None:
        self.pick = random.Random(seed)
        self.stores = {
            code: Store.objects.create(code=code, name=code.title(), latitude=at and at[0], longitude=at and at[1])
            for code, at in STORES.items()
        }
        for postcode, (latitude, longitude) in PLACES.items():
            PostcodePlace.objects.create(
                country="LV", postcode=postcode, postcode_key=postcode, latitude=latitude, longitude=longitude
            )
        self.products = {sku: make.a_product(sku, make.category(path)) for sku, path in CATEGORY.items()}
        self.questions = [
            Question.objects.create(slug=slug, text=slug.title(), privacy="special" if slug == "belief" else "ordinary")
            for slug in QUESTIONS
        ]
        for slug, (kind, _values, privacy) in CUSTOM.items():
            choices = ["gold", "silver"] if kind == "choice" else []
            custom_fields.save_field(
                field=CustomField(slug=slug, label=slug.title(), kind=kind, privacy=privacy, choices=choices)
            )
        self.survey = Survey.objects.create(slug="s", title="S")
        self.campaign = Campaign.objects.create(name="C")
        self.companies = [
            Company.objects.create(name=f"Company {n}", industry=industry, employees=size)
            for n, (industry, size) in enumerate([("retail", 5), ("Building", None), ("", 250)])
        ]
        self.customers = [self._customer(number) for number in range(customers)]
        for number, customer in enumerate(self.customers):
            if number % 7 == 3:
                Customer.objects.filter(pk=customer.pk).update(merged_into=self.customers[number - 1])
        self.companies[0].decision_maker = self.customers[0]
        self.companies[0].save()
        Household.objects.create(number="h", decision_maker=self.customers[1])
        for customer in self.customers:
            self._deeds(customer)
        profiles.recount(customer_ids=[customer.pk for customer in self.customers])

    def _customer(self, number: int) -> Customer:
        pick = self.pick
        point = pick.choice([(None, None), (56.9, 24.2), (57.0, None), (59.4, 24.7)])
        postcode = pick.choice(["", "1010", "1015", "9999"])
        return Customer.objects.create(
            number=f"F{number}",
            birth_date=pick.choice([None, None, date(2011, 3, 1), date(2011, 3, 2), date(1990, 1, 1)]),
            guardian_agreed_on=pick.choice([None, None, date(2026, 1, 1)]),
            company=pick.choice([None, *self.companies]),
            area_kind=pick.choice(["", "urban", "Rural"]),
            work_pattern=pick.choice(["", "Retired", "full time"]),
            occupation=pick.choice(["", "", "pensioner", "cook"]),
            postcode=postcode,
            postcode_key=postcode,
            country=pick.choice(["", "LV", "lv", "EE"]),
            latitude=point[0],
            longitude=point[1],
            custom={
                slug: pick.choice(values) for slug, (_kind, values, _privacy) in CUSTOM.items() if pick.random() < 0.8
            },
        )

    def day(self) -> date:
        return TODAY - timedelta(days=self.pick.choice(AGES))

    def moment(self) -> datetime:
        """At noon, or a minute before the shop's midnight or after it."""
        at = self.pick.choice([time(12), time(0, 0), time(23, 59)])
        return datetime.combine(self.day(), at, UTC)

    def _deeds(self, customer: Customer) -> None:
        pick = self.pick
        for _ in range(pick.choice([0, 0, 1, 3])):
            moment = self.moment()
            WebVisit.objects.create(
                customer=customer,
                visitor="v",
                path="/",
                product=pick.choice([None, *self.products.values()]),
                visited_at=moment,
                visited_on=moment.date(),
            )
        for _ in range(pick.choice([0, 1, 2])):
            Review.objects.create(
                customer=customer, product=pick.choice(list(self.products.values())), rating=3, written_at=self.moment()
            )
        for product in pick.sample(list(self.products.values()), pick.choice([0, 1, 2])):
            WishlistItem.objects.create(
                customer=customer, product=product, added_at=self.moment(), removed_at=pick.choice([None, None, NOW])
            )
        for _ in range(pick.choice([0, 1, 3])):
            Answer.objects.create(
                customer=customer,
                survey=self.survey,
                question=pick.choice(self.questions),
                value=pick.choice(ANSWERS),
                answered_at=self.moment(),
            )
        for number in range(pick.choice([0, 1, 2])):
            self._mail(customer, number)
        for number in range(pick.choice([0, 0, 1, 2])):
            issued = self.day()
            due = issued + timedelta(days=pick.choice([0, 14, 30]))
            paid = pick.choice([None, issued, due + timedelta(days=1)])
            Invoice.objects.create(
                customer=customer,
                number=f"{customer.number}-{number}",
                issued_on=issued,
                due_on=due,
                paid_on=paid,
                amount_minor=1_000,
            )
        for purpose, channel in (("marketing", "email"), ("sensitive", "")):
            for _ in range(pick.choice([0, 1, 2])):
                Consent.objects.create(
                    customer=customer,
                    channel=channel,
                    purpose=purpose,
                    granted=pick.random() < 0.6,
                    stated_at=self.moment(),
                    source="world",
                )
        for product in pick.sample(list(self.products.values()), pick.choice([0, 1])):
            kind = pick.choice(["sale", "sale", "return"])
            quantity, minor = ("-1", -100) if kind == "return" else ("1", 100)
            make.a_receipt(customer, [(product, quantity, minor)], sold_on=self.day(), kind=kind)

    def _mail(self, customer: Customer, number: int) -> None:
        pick = self.pick
        delivery = Delivery.objects.create(
            campaign=self.campaign,
            occurrence=f"o{number}",
            unit=f"p{customer.pk}",
            customer=customer,
            channel=pick.choice(["email", "email", "sms"]),
            status=pick.choice(["accepted", "accepted", "failed"]),
            assigned_at=NOW,
            sent_at=self.moment(),
            token=uuid.UUID(int=pick.getrandbits(128)),
        )
        for _ in range(pick.choice([0, 1, 3])):
            TrackedEvent.objects.create(
                delivery=delivery,
                kind=pick.choice(["opened", "clicked"]),
                happened_at=self.moment(),
                is_automated=pick.random() < 0.3,
            )


def read() -> list[Person]:
    """Everybody whom a rule may speak of, with their facts; of a merged record some facts stay and count here."""
    people = []
    for customer in Customer.objects.filter(merged_into=None, erased_at=None, no_profiling=False).select_related(
        "company"
    ):
        records = {customer.pk, *Customer.objects.filter(merged_into=customer).values_list("pk", flat=True)}
        own: dict[str, list[Any]] = {
            "visits": list(WebVisit.objects.filter(customer=customer).select_related("product__category")),
            "reviews": list(Review.objects.filter(customer=customer).select_related("product__category")),
            "wishes": list(
                WishlistItem.objects.filter(customer=customer, removed_at=None).select_related("product__category")
            ),
            "answers": list(Answer.objects.filter(customer=customer).select_related("question")),
            "invoices": list(Invoice.objects.filter(customer=customer)),
            "bought": list(ReceiptLine.objects.filter(customer=customer, is_return=False)),
            "mails": list(Delivery.objects.filter(customer__in=records).prefetch_related("events")),
            "consents": list(Consent.objects.filter(customer__in=records)),
        }
        people.append(Person(customer, own))
    return people


def is_live(person: Person, today: date) -> bool:
    born = person.customer.birth_date
    if born is None or person.customer.guardian_agreed_on:
        return True
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day)) >= 16


def members(node: Node, people: list[Person], today: date) -> set[int]:
    return {one.customer.pk for one in people if is_live(one, today) and selects(node, one, today)}


def selects(node: Node, person: Person, today: date, wanted: bool = True) -> bool:
    """Whether the rule (its complement, with ``wanted`` false) selects somebody. What is special asks leave first."""
    match node:
        case And(nodes=nodes):
            return (all if wanted else any)(selects(one, person, today, wanted) for one in nodes)
        case Or(nodes=nodes):
            return (any if wanted else all)(selects(one, person, today, wanted) for one in nodes)
        case Not(node=inner):
            return selects(inner, person, today, not wanted)
    if is_special(node) and not _newest(person, "sensitive"):
        return False
    return meets(node, value_of(node, person, today)) == wanted


def is_special(condition: Condition) -> bool:
    return condition.attribute == "custom_health" or condition.filters.get(Filter.QUESTION) == "belief"


def _newest(person: Person, purpose: str) -> bool:
    said = [one for one in person.rows["consents"] if one.purpose == purpose]
    return bool(said) and max(said, key=lambda one: (one.stated_at, one.pk)).granted


def meets(condition: Condition, actual: Any) -> bool:
    operator, value = condition.operator, condition.value
    if operator == "unknown":
        return actual is UNKNOWN
    if actual is UNKNOWN:
        return False
    if operator == "known":
        return True
    asked: Any = value
    tests = {
        "=": lambda: actual == asked,
        "is": lambda: actual == asked,
        "!=": lambda: actual != asked,
        ">=": lambda: actual >= asked,
        ">": lambda: actual > asked,
        "<=": lambda: actual <= asked,
        "<": lambda: actual < asked,
        "between": lambda: asked[0] <= actual <= asked[1],
        "in": lambda: actual in asked,
        "not in": lambda: actual not in asked,
        "starts with": lambda: actual.upper().startswith(asked.upper()),
        "contains": lambda: asked.upper() in actual.upper(),
        "has": lambda: asked in actual,
        "has any": lambda: any(one in actual for one in asked),
        "has all": lambda: all(one in actual for one in asked),
    }
    return bool(tests[operator]())


def value_of(condition: Condition, person: Person, today: date) -> Any:
    customer, rows, filters = person.customer, person.rows, condition.filters
    match condition.attribute:
        case "company":
            return customer.company.name if customer.company else UNKNOWN
        case "industry":
            return (customer.company.industry if customer.company else "") or UNKNOWN
        case "company_size":
            size = customer.company.employees if customer.company else None
            return UNKNOWN if size is None else size
        case "decision_maker":
            return Company.objects.filter(decision_maker=customer).exists()
        case "household_decision_maker":
            return Household.objects.filter(decision_maker=customer).exists()
        case "area_kind":
            return customer.area_kind or UNKNOWN
        case "retired":
            if not customer.work_pattern and not customer.occupation:
                return UNKNOWN
            return customer.work_pattern == "Retired" or customer.occupation == "pensioner"
        case "unsubscribed":
            said = [one for one in rows["consents"] if one.purpose == "marketing"]
            return bool(said) and not _newest(person, "marketing")
        case "distance":
            return _distance(customer, str(filters[Filter.STORE]))
        case "answer":
            said = [one for one in rows["answers"] if one.question.slug == filters[Filter.QUESTION]]
            return max(said, key=lambda one: (one.answered_at, one.pk)).value if said else UNKNOWN
        case "visits":
            return len(_within(rows["visits"], "visited_at", condition, today))
        case "reviews":
            return len(_within(rows["reviews"], "written_at", condition, today))
        case "wishlist":
            return len(_within(rows["wishes"], "added_at", condition, today))
        case "days_since_visit":
            days = [one.visited_on for one in rows["visits"]]
            return (today - max(days)).days if days else UNKNOWN
        case "wished_not_bought":
            return _not_bought(_within(rows["wishes"], "added_at", condition, today), "added_at", rows["bought"])
        case "viewed_not_bought":
            return _not_bought(_within(rows["visits"], "visited_at", condition, today), "visited_at", rows["bought"])
        case "mails":
            return _mails(rows["mails"], condition, today)
        case "solvent" | "overdue":
            late = [
                one for one in rows["invoices"] if one.due_on < today and (one.paid_on is None or one.paid_on > today)
            ]
            if condition.attribute == "overdue":
                return 10 * len(late)
            return not late if rows["invoices"] else UNKNOWN
    return _custom(customer, condition.attribute.removeprefix("custom_"))


def _custom(customer: Customer, slug: str) -> Any:
    kind, value = CUSTOM[slug][0], customer.custom.get(slug)
    match kind:
        case "number":
            return value if isinstance(value, int | float) and not isinstance(value, bool) else UNKNOWN
        case "flag":
            return value if isinstance(value, bool) else UNKNOWN
        case "words":
            return value if isinstance(value, list) and value else UNKNOWN
        case "date":
            try:
                return date.fromisoformat(value)
            except (TypeError, ValueError):
                return UNKNOWN
    return value if isinstance(value, str) and value else UNKNOWN


def _distance(customer: Customer, store: str) -> Any:
    there = STORES[store]
    here: Any = (customer.latitude, customer.longitude)
    if None in here:
        here = PLACES.get(customer.postcode) if customer.country in ("", "LV", "lv") else None
    if there is None or here is None:
        return UNKNOWN
    (north, east), (south, west) = (tuple(map(radians, point)) for point in (here, there))
    chord = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin((east - west) / 2) ** 2
    return 2 * 6371.0088 * asin(sqrt(chord))


def _within(rows: list[Any], at: str, condition: Condition, today: date) -> list[Any]:
    return [one for one in rows if _passes(one, getattr(one, at).date(), condition, today)]


def _passes(row: Any, day: date, condition: Condition, today: date) -> bool:
    for name, value in condition.filters.items():
        product: Product | None = getattr(row, "product", None)
        match name:
            case Filter.LAST:
                assert isinstance(value, Last)
                days = {"days": 1, "weeks": 7}[value.unit] * value.count
                if not today - timedelta(days=days - 1) <= day <= today:
                    return False
            case Filter.SINCE:
                if day < value:  # type: ignore[operator]
                    return False
            case Filter.UNTIL:
                if day > value:  # type: ignore[operator]
                    return False
            case Filter.PRODUCT:
                if product is None or product.sku != value:
                    return False
            case Filter.CATEGORY:
                path = product.category.path if product and product.category else ""
                if path != value and not path.startswith(f"{value} > "):
                    return False
    return True


def _not_bought(rows: list[Any], at: str, bought: list[ReceiptLine]) -> bool:
    return any(
        one.product is not None
        and not any(line.product_id == one.product_id and line.sold_on >= getattr(one, at).date() for line in bought)
        for one in rows
    )


def _mails(mails: list[Delivery], condition: Condition, today: date) -> int:
    by_mail = [one for one in mails if one.channel == "email"]
    event = condition.filters[Filter.EVENT]
    if event == "sent":
        return len(_within([one for one in by_mail if one.status == "accepted"], "sent_at", condition, today))
    return sum(
        any(
            one.kind == event and not one.is_automated and _passes(one, one.happened_at.date(), condition, today)
            for one in mail.events.all()
        )
        for mail in by_mail
    )
