"""To add an attribute is to add one declaration: everything that reads the catalogue then knows it."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from crm.attributes import Attribute, DuplicateAttribute, Group, Type, holds, lookup, register, unregister
from crm.models import Customer
from crm.sources import text
from segments import builder, domain, offers, refresh, why
from segments.compile import customers, live_customers, scope_for
from segments.models import Segment
from segments.rules import RuleError, describe, dump, parse
from tests.crm.make import a_customer
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW
from tests.support.words import in_brackets

pytestmark = pytest.mark.django_db
COBBLERS = a_rule(ask("shoe", "starts with", "cob"))


@pytest.fixture
def shoe() -> Iterator[Attribute]:
    """An attribute that nobody has heard of."""
    attribute = Attribute(
        name="shoe",
        label="shoe",
        help="What they wear.",
        group=Group.DEMOGRAPHIC,
        type=Type.TEXT,
        source=text("occupation"),
        offered_from="occupation",
    )
    register(attribute)
    yield attribute
    unregister("shoe")


def test_it_is_offered_by_the_builder_with_the_values_that_occur(shoe: Attribute) -> None:
    a_customer(occupation="cobbler")
    a_customer(occupation="cobbler")
    groups = builder.catalogue_data()["groups"]
    (plain,) = (one for group in groups for one in group["attributes"] if one["name"] == "shoe")
    assert (plain["label"], plain["help"], plain["type"], plain["offered"]) == ("shoe", "What they wear.", "text", True)
    assert "starts with" in plain["operators"]
    assert offers.values_of(attribute=shoe, text="cob") == [offers.Offer("cobbler", "cobbler", 2)]


def test_it_is_written_described_and_compiled(shoe: Attribute) -> None:
    cobbler = a_customer(occupation="cobbler")
    a_customer()
    rule = parse(COBBLERS)
    assert parse(dump(rule)) == rule
    assert describe(rule) == "Shoe starts with “cob”"
    assert list(customers(rule=rule, now=NOW)) == [cobbler]
    assert builder.preview(rule=COBBLERS, now=NOW, with_names=False)["members"]["value"] == 1


def test_it_has_a_value_and_its_answers_are_explained(shoe: Attribute) -> None:
    cobbler, nobody = a_customer(occupation="cobbler"), a_customer()
    scope = scope_for(parse(COBBLERS), now=NOW)
    answers = dict(
        live_customers().annotate(answer=shoe.source.value(scope=scope, filters={})).values_list("pk", "answer")
    )
    assert answers == {cobbler.pk: "cobbler", nobody.pk: None}
    assert [holds("starts with", answers[one.pk], "cob") for one in (cobbler, nobody)] == [True, False]

    segment = domain.create_segment(name="Cobblers", rule=COBBLERS, by=None)
    refresh.refresh_all(now=timezone.now())
    assert list(Customer.objects.filter(memberships__segment=segment)) == [cobbler]
    (belonging,) = why.why(customer=cobbler, now=timezone.now(), kinds=Segment.Kind.values)
    assert [(one.sentence, one.holds) for one in belonging.conditions] == [("Shoe starts with “cob”", True)]


def test_its_name_is_taken_and_gone_with_it(shoe: Attribute) -> None:
    with pytest.raises(DuplicateAttribute, match="shoe"):
        register(Attribute(name="shoe", label="", group=Group.GOAL, type=Type.TEXT, source=text("goal")))
    rule = parse(COBBLERS)
    unregister("shoe")
    assert lookup("shoe") is None
    with in_brackets(), pytest.raises(RuleError, match=r"\[There is no attribute “shoe”\.\]"):
        customers(rule=rule, now=NOW)
