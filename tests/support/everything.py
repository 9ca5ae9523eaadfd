"""A person with something in every table that leads to them, made from the registry of models.

So a new table or field is filled without anybody thinking of it: what an erasure forgets shows in the dump.
"""

import datetime
import itertools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

from crm.customers import derive_keys
from crm.models import Customer, Job, Mending, Upload
from crm.profiles import recount
from crm.retention import Rule, personal_models, rules

NOW = datetime.datetime(2026, 5, 1, 12, 0, tzinfo=datetime.UTC)
BIRTH = datetime.date(1971, 3, 17)
NETWORK_ADDRESS = "203.0.113.99"
_numbers = itertools.count(1)

# What a database constraint wants, where the usual filling would break it.
WANTED: Mapping[str, Mapping[str, Any]] = {
    "crm.Receipt": {"kind": "sale", "total_minor": 1999, "discount_minor": 0, "returns": None},
    "crm.ReceiptLine": {"is_return": False, "returns_line": None, "total_minor": 1999, "discount_minor": 0},
    "crm.Consent": {"purpose": "marketing", "channel": "email"},
    "crm.OptIn": {"expires_at": NOW + datetime.timedelta(days=30)},
    "crm.DuplicatePair": {"score": 0.5},
    "crm.TierAward": {"ends_on": NOW.date()},
    "crm.LoyaltyCard": {"replaced_by": None, "status": "active"},
    "crm.Review": {"rating": 4},
    "crm.Invoice": {"amount_minor": 1999},
    "campaigns.Delivery": {"status": "accepted", "leased_until": None},
    "campaigns.Campaign": {"status": "finished", "launched_at": NOW, "holdout_percent": 0},
}
# Made by hand below: no foreign key leads from them to a person. The lists of hashes hold nobody's data.
BY_HAND = {"crm.Job", "crm.Upload", "crm.Mending", "admin.LogEntry", "crm.AuditEntry"}
NOT_MADE = {"crm.ErasedIdentity", "crm.Suppression"}


@dataclass
class Filler:
    """Makes the rows of one person; every text of theirs begins with ``word``."""

    word: str
    customer: Customer
    other: Customer
    made: dict[type[models.Model], models.Model] = field(default_factory=dict)

    def everything(self) -> None:
        self.made[Customer] = self.customer
        for model in sorted(personal_models(), key=lambda model: model._meta.label):
            if model._meta.label not in NOT_MADE:
                self.row(model)
        self.household()
        self.by_hand()
        recount(customer_ids=[self.customer.pk])

    def row(self, model: type[models.Model]) -> models.Model:
        """The person's row of this model, made once."""
        if model not in personal_models() and (known := model._default_manager.first()):
            return known  # what is nobody's is shared by all
        if model not in self.made:
            rule = next((one for one in rules() if one.model is model), None)
            made = model(**dict(self._values(model, rule)))
            made.save(force_insert=True)
            self.made[model] = made
        return self.made[model]

    def _values(self, model: type[models.Model], rule: Rule | None) -> Iterator[tuple[str, Any]]:
        wanted = WANTED.get(model._meta.label, {})
        # Of two customers the other, older one comes first, as pairs want it.
        columns = [one for one in model._meta.concrete_fields if isinstance(one, models.ForeignKey)]
        people = [self.customer] if sum(one.remote_field.model is Customer for one in columns) == 1 else [self.other]
        for column in model._meta.concrete_fields:
            if isinstance(column, models.AutoField) or column.name in wanted:
                continue
            if isinstance(column, models.ForeignKey):
                target: Any = column.remote_field.model
                if target is Customer:
                    yield column.name, people.pop() if people else self.customer
                elif target is not model:
                    yield column.name, self.related(target)
            elif not isinstance(column, models.UUIDField) or not (column.has_default() or column.null):
                kept = rule is None or (rule.rows == "keep" and column.name in dict(rule.keep))
                yield column.name, self.value(column, "Neutral" if kept else self.word)
        yield from wanted.items()

    def related(self, target: Any) -> Any:
        if target is User:
            return User.objects.get_or_create(username="someone")[0]
        if target is ContentType:
            return ContentType.objects.get_for_model(Customer)
        if target is Job:
            return Job.objects.get_or_create(kind="erase")[0]
        return self.row(target)

    def household(self) -> None:
        """They live alone and buy for a company."""
        household, company = (self.made[model] for model in (self._model("Household"), self._model("Company")))
        Customer.objects.filter(pk=self.customer.pk).update(household=household, company=company)

    @staticmethod
    def _model(name: str) -> type[models.Model]:
        return next(one for one in personal_models() if one._meta.label == f"crm.{name}")

    def value(self, column: Any, word: str) -> Any:
        """Something for this column that can be found again, where it can hold words."""
        if column.choices:
            return column.choices[0][0]
        if isinstance(column, ArrayField):
            return [self.value(column.base_field, word)]
        if isinstance(column, models.JSONField):
            return {f"{word} key": f"{word} {column.name}"}
        if isinstance(column, models.SlugField):
            return f"{word}-{next(_numbers)}".lower()
        if isinstance(column, models.CharField | models.TextField):
            return f"{word} {column.name} {next(_numbers)}"[: column.max_length]
        if isinstance(column, models.BinaryField):
            return f"{word}{next(_numbers)}".encode()
        if isinstance(column, models.GenericIPAddressField):
            return NETWORK_ADDRESS
        if isinstance(column, models.DateTimeField):
            return NOW
        if isinstance(column, models.DateField):
            return BIRTH if column.model is Customer else NOW.date()
        if isinstance(column, models.BooleanField):
            return True
        if isinstance(column, models.UUIDField):
            return uuid.uuid4()
        return 1

    def by_hand(self) -> None:
        """What mentions them without a foreign key: jobs, files to import, the log of changes."""
        said = f"{self.word} {self.customer.email}"
        Job.objects.create(
            kind="import", status="done", title=said, params={"search": said}, result={"first": said}, error=said
        )
        upload = Upload.objects.create(kind="customers", name=f"{self.customer.number}.csv")
        Mending.objects.create(upload=upload, position=1, cells=[self.customer.number, self.word])
        log = {"user_id": User.objects.get(username="someone").pk, "action_flag": 2}
        owned = {rule.model for rule in rules() if rule.person or rule.rows == "alone"}
        for row in (row for model, row in self.made.items() if model in owned and not isinstance(row.pk, tuple)):
            content_type = ContentType.objects.get_for_model(row)
            LogEntry.objects.create(
                **log, content_type=content_type, object_id=str(row.pk), object_repr=str(row), change_message=self.word
            )
        LogEntry.objects.create(**log, object_repr=said, change_message="")


def full_person(word: str, *, other: Customer, merged: bool = False) -> Customer:
    """A customer with every field filled and a row in every table; ``merged`` with a second record of theirs."""
    customer = _customer(word)
    Filler(word, customer, other).everything()
    if merged:
        second = _customer(word)
        Filler(word, second, other).everything()
        Customer.objects.filter(pk=second.pk).update(merged_into=customer)
    customer.refresh_from_db()
    return customer


def _customer(word: str) -> Customer:
    number = next(_numbers)
    rule = next(one for one in rules() if one.model is Customer)
    filler = Filler(word, Customer(), Customer())
    values = {
        column.name: filler.value(column, word)
        for column in Customer._meta.concrete_fields
        if column.name in rule.emptied
    }
    customer = Customer(
        **values
        | {
            "number": f"{word}{number:05d}",
            "first_name": f"{word}andra",
            "last_name": f"{word}berg",
            "email": f"{word}.{number}@example.com",
            "phone": f"+1 212 555 {number:04d}",
        }
    )
    derive_keys(customer)
    customer.save()
    return customer


def dump() -> str:
    """The whole database as text, one line a row."""
    lines = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT row_to_json(one)::text FROM "{table}" AS one ORDER BY 1')  # noqa: S608 - its own names
            lines += [f"{table} {row}" for (row,) in cursor.fetchall()]
    return "\n".join(lines)


def found_in(text: str, *words: str) -> list[str]:
    """The lines that hold one of the words, as letters in any case or as bytes."""
    needles = [needle for word in words for needle in (word.lower(), word.encode().hex(), word.upper().encode().hex())]
    return [line[:300] for line in text.splitlines() if any(needle in line.lower() for needle in needles)]
