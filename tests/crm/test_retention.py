"""The rules of retention: every field that holds personal data has one, and every rule its field."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import models
from pytest_django import Settings

from crm import retention
from crm.models import Customer, Receipt
from crm.retention import Rule, RulesUnreadable


def rule(label: str) -> Rule:
    return next(one for one in retention.rules() if one.label == label)


def problems_with(changed: Rule) -> list[str]:
    return list(retention.problems([changed if one.label == changed.label else one for one in retention.rules()]))


@pytest.fixture
def shoe_size() -> Iterator[None]:
    """A field that nobody thought a rule for."""
    field: models.Field = models.PositiveSmallIntegerField(null=True)
    field.contribute_to_class(Customer, "shoe_size")
    yield
    Customer._meta.local_fields.remove(field)
    Customer._meta._expire_cache()  # type: ignore[attr-defined]  # as contribute_to_class does, undocumented
    delattr(Customer, "shoe_size")


def test_everything_has_a_rule() -> None:
    assert list(retention.problems()) == []
    call_command("check")


def test_a_new_personal_field_without_a_rule_fails_the_check(shoe_size: None) -> None:
    with pytest.raises(SystemCheckError, match=r"crm\.Customer\.shoe_size: it has no rule"):
        call_command("check")


def test_a_new_table_that_leads_to_a_customer_needs_a_rule() -> None:
    assert list(retention.problems([one for one in retention.rules() if one.label != "crm.ReceiptLine"])) == [
        "crm.ReceiptLine: it leads to a customer and has no rule."
    ]


def test_tables_reach_a_customer_through_others() -> None:
    found = {model._meta.label for model in retention.personal_models()}
    assert {"crm.Customer", "crm.Receipt", "crm.ReceiptLine", "campaigns.TrackedEvent", "crm.MergeMove"} <= found
    assert {"crm.Product", "crm.Store", "segments.Segment", "campaigns.Campaign"}.isdisjoint(found)


@pytest.mark.parametrize(
    ("label", "change", "complaint"),
    [
        ("crm.Customer", {"blank": ("hat_size",)}, "crm.Customer.hat_size: a rule names it, and there is no such"),
        ("crm.Answer", {"hash": (("hat", "card"),)}, "crm.Answer.hat: a rule names it, and there is no such field."),
        ("crm.Customer", {"hash": (("number", "shoe"),)}, "a hash is of number, email, phone, card, not 'shoe'"),
        ("crm.Receipt", {"unlink": ("store",)}, "crm.Receipt.store: only a foreign key that may be NULL"),
        ("crm.Receipt", {"blank": ("customer",)}, "crm.Receipt.customer: it can't be blank"),
        ("crm.Customer", {"renew": ("email",)}, "crm.Customer.email: only a UUID"),
        ("crm.Customer", {"stamp": ("email",)}, "crm.Customer.email: only a moment"),
        ("crm.Customer", {"stamp": ("erased_at", "created_at")}, "crm.Customer.created_at: more than one rule"),
        ("crm.Customer", {"keep": (("created_at", " "),)}, "it is kept without a reason"),
        ("crm.Customer", {"rows": "burn"}, "rows = 'burn' is none of"),
        ("crm.Customer", {"why": ""}, "say what it holds, and why"),
        ("crm.Note", {"blank": ("text",)}, "its rows are deleted, so no field needs a rule"),
        ("crm.ReceiptMail", {"person": ("receipt__store",)}, "'receipt__store' leads to no customer"),
        ("crm.ReceiptMail", {"person": ("nowhere",)}, "'nowhere' leads to no customer"),
        ("crm.ReceiptMail", {"ownerless": "nowhere"}, "crm.ReceiptMail.nowhere: a rule names it"),
        ("crm.Household", {"unlink": ()}, "crm.Household.decision_maker: it names a customer"),
        ("crm.WebVisit", {"period": retention.Period(months=1, after="path", then="delete")}, "'path' is no moment"),
        ("crm.WebVisit", {"period": retention.Period(months=1, after="visited_at", then="x")}, "'x' is none of"),
        ("crm.WebVisit", {"period": retention.Period(months=1, after="visited_at", then="erase")}, "nothing else is"),
    ],
)
def test_a_rule_that_cannot_be_carried_out_is_named(label: str, change: dict[str, object], complaint: str) -> None:
    assert any(complaint in problem for problem in problems_with(replace(rule(label), **change)))  # type: ignore[arg-type]


def test_a_rule_for_a_model_that_is_gone_is_named() -> None:
    gone = [*retention.rules(), Rule(label="crm.Fax", what="Faxes", rows="delete")]
    assert list(retention.problems(gone)) == ["crm.Fax: there is no such model."]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[crm.Customer", "Expected"),
        ("[crm.Customer]\nblanc = []", "“blanc” is no word"),
        ("[crm.Customer]\nmonths = 0", "months = 0"),
        ("[crm.Customer]\nmonths = true", "months = True"),
        ('[crm.Customer]\nblank = "email"', "blank must be a list"),
        ('[crm.Customer]\nkeep = ["email"]', "keep must be a table"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_check(
    text: str, complaint: str, tmp_path: Path, settings: Settings
) -> None:
    settings.RETENTION_RULES = tmp_path / "rules.toml"
    settings.RETENTION_RULES.write_text(text)
    with pytest.raises(RulesUnreadable, match=complaint):
        retention.rules()
    with pytest.raises(SystemCheckError, match="E001"):
        call_command("check")


def test_a_missing_file_fails_the_check(tmp_path: Path, settings: Settings) -> None:
    settings.RETENTION_RULES = tmp_path / "nowhere.toml"
    with pytest.raises(SystemCheckError, match=r"nowhere\.toml"):
        call_command("check")


def test_an_emptied_field_holds_nothing_of_its_kind() -> None:
    fields = {field.name: field for field in Customer._meta.concrete_fields}
    emptied = {name: retention.empty(fields[name]) for name in ("email", "birth_date", "tags", "custom", "name_key")}
    assert emptied == {"email": "", "birth_date": None, "tags": [], "custom": {}, "name_key": b""}
    assert retention.empty(Receipt._meta.get_field("payment")) == ""
