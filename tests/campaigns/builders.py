"""Customers, segments and campaigns for the tests of sending, set up in a line or two."""

from datetime import datetime

from campaigns.models import Campaign, Delivery, Variant
from crm.addresses import email_key
from crm.models import Customer, CustomerProfile
from segments.models import Membership, Segment


def people(count: int, *, consent: bool = True, start: int = 1, domain: str = "example.org") -> list[Customer]:
    """Customers with an address each; all of them allow e-mail, or none does."""
    customers = Customer.objects.bulk_create(
        Customer(
            number=f"C{number}",
            first_name=f"Anna{number}",
            email=f"Anna{number}@{domain}",
            email_key=email_key(f"anna{number}@{domain}"),
        )
        for number in range(start, start + count)
    )
    CustomerProfile.objects.bulk_create(
        CustomerProfile(customer=customer, consent_email=consent) for customer in customers
    )
    return customers


def segment_of(customers: list[Customer], *, now: datetime, name: str = "Regular guests") -> Segment:
    """A segment picked by hand."""
    segment = Segment.objects.create(
        name=name, kind=Segment.Kind.PICKED, members_count=len(customers), refreshed_at=now, refreshed_version=1
    )
    Membership.objects.bulk_create(
        Membership(segment=segment, customer=customer, entered_at=now, rule_version=1) for customer in customers
    )
    return segment


def campaign_for(*segments: Segment, **values: object) -> Campaign:
    """A draft with a message that greets by name and has a button."""
    campaign = Campaign.objects.create(**{"name": "Bricks are back", **values})
    campaign.segments.set(segments)
    Variant.objects.create(
        campaign=campaign,
        subject='Bricks for {{ customer.first_name | default: "you" }}',
        heading="Bricks are back",
        body="On our shelves again.\n\nCome and see.",
        button_label="See them",
        button_url="https://shop.example.com/bricks?from=mail",
    )
    return campaign


def fates(campaign: Campaign) -> dict[str, int]:
    """How many deliveries are in which status, with the reason where there is one."""
    counted: dict[str, int] = {}
    for status, reason in Delivery.objects.filter(campaign=campaign).values_list("status", "reason"):
        key = f"{status}: {reason}" if reason else status
        counted[key] = counted.get(key, 0) + 1
    return dict(sorted(counted.items()))
