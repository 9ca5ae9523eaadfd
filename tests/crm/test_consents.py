from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from crm import addresses, consents
from crm.models import ChangeMark, Consent, Customer, CustomerProfile, Suppression
from tests.crm import make

pytestmark = pytest.mark.django_db


def say(customer: Customer, granted: bool, *, days: int = 0, channel: str = "email") -> Consent:
    return consents.record_consent(
        customer=customer,
        channel=channel,
        granted=granted,
        source="till",
        wording="May we write to you?",
        stated_at=make.NOW + timedelta(days=days),
        now=make.NOW + timedelta(days=3),
    )


def flags(customer: Customer) -> tuple[bool, bool, bool, bool]:
    profile = CustomerProfile.objects.get(customer=customer)
    return (profile.consent_email, profile.consent_sms, profile.consent_phone, profile.consent_post)


def test_a_yes_is_one_channels_and_leaves_a_mark() -> None:
    customer = make.customer()
    ChangeMark.objects.all().delete()

    say(customer, True)

    assert flags(customer) == (True, False, False, False)
    assert list(ChangeMark.objects.values_list("customer", flat=True)) == [customer.pk]


def test_the_newest_statement_counts_also_when_an_older_one_arrives_later() -> None:
    customer = make.customer()

    say(customer, False, days=2)
    say(customer, True, days=1)

    assert flags(customer) == (False, False, False, False)
    newest = consents.current(customer=customer, channel="email")
    assert newest and newest.granted is False


def test_of_two_statements_of_one_moment_the_later_recorded_counts() -> None:
    customer = make.customer()

    say(customer, True)
    say(customer, False)

    assert flags(customer)[0] is False
    assert Consent.objects.filter(customer=customer).count() == 2


def test_a_statement_dated_ahead_is_refused_beyond_a_clocks_error() -> None:
    customer = make.customer()

    say(customer, True, days=3)
    with pytest.raises(ValidationError, match="lies in the future"):
        say(customer, True, days=4)

    assert Consent.objects.filter(customer=customer).count() == 1


def test_suppressing_twice_is_once_and_holds_for_whoever_bears_the_address() -> None:
    key = addresses.email_key("Family@Example.com")

    consents.suppress(channel="email", address_key=key, reason="unsubscribed")
    consents.suppress(channel="email", address_key=key, reason="unsubscribed")
    consents.suppress(channel="email", address_key=key, reason="bounced")

    assert Suppression.objects.count() == 2
    assert consents.suppressed(channel="email", address_keys=["family@example.com", "other@example.com", ""]) == {
        "family@example.com": {"unsubscribed", "bounced"}
    }
    assert consents.suppressed(
        channel="email", address_keys=["family@example.com"], reasons=consents.FORBIDS_SERVICE
    ) == {"family@example.com": {"bounced"}}
    assert consents.suppressed(channel="sms", address_keys=["family@example.com"]) == {}


def test_the_suppression_list_is_not_readable() -> None:
    consents.suppress(channel="email", address_key="anna@example.com", reason="unsubscribed")

    assert b"anna" not in bytes(Suppression.objects.get().address_hash)
