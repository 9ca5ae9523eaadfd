"""Complete Journey's own campaigns: letters with coupons, carried out elsewhere, nobody held out at random."""

from collections.abc import Iterator
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db import connection

from campaigns.demo.journey import ZONE, DemoRefused, Journey
from campaigns.models import Campaign, Coupon, Delivery, Redemption, Variant
from crm.models import Channel, Customer

_REDEMPTIONS = """
    INSERT INTO campaigns_redemption (coupon_id, customer_id, redeemed_on)
    SELECT coupon.id, customer.id, given.redeemed_on
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::date[]) AS given (campaign_id, code, number, redeemed_on)
      JOIN campaigns_coupon AS coupon ON coupon.campaign_id = given.campaign_id AND coupon.code = given.code
      JOIN crm_customer AS customer ON customer.number = given.number
     ORDER BY given.redeemed_on, customer.id
"""

_TEXT = (
    "Here are your coupons. Each is good for the product that it shows; hand it over at the till before the last day "
    "of the campaign."
)


def create_campaigns(*, journey: Journey, by: User | None) -> None:
    """Create the campaigns that reached any of these households, with their letters, coupons and redemptions."""
    if Campaign.objects.filter(is_imported=True).exists():
        return
    mailed = journey.table("campaigns")
    described = journey.table("campaign_descriptions").sort_values("start_date")
    reached = set(mailed.campaign_id)
    campaigns: dict[int, Campaign] = {}
    for row in described.itertuples():
        if row.campaign_id in reached:
            campaigns[row.campaign_id] = _campaign(journey, row, by)
    _letters(campaigns, mailed)
    redeemed = journey.table("coupon_redemptions")
    _coupons(journey, campaigns, redeemed)
    stored = Delivery.objects.filter(campaign__is_imported=True).count(), Redemption.objects.count()
    if stored != (len(mailed), len(redeemed)):
        raise DemoRefused(f"Letters and redemptions are {stored}, but the source has {len(mailed)}, {len(redeemed)}.")


def _campaign(journey: Journey, row: Any, by: User | None) -> Campaign:
    zone = ZoneInfo(ZONE)
    first_on, last_on = ((day + journey.shift).date() for day in (row.start_date, row.end_date))
    launched_at = datetime.combine(first_on, time(), zone)
    campaign = Campaign.objects.create(
        name=f"Campaign {row.campaign_id} ({row.campaign_type})",
        channel=Channel.POST,
        status=Campaign.Status.FINISHED,
        is_imported=True,
        attribution_days=(last_on - first_on).days + 1,
        launched_at=launched_at,
        finished_at=launched_at,
        created_by=by,
        launched_by=by,
    )
    # The list shows campaigns by when they were made: these were made before they went out.
    Campaign.objects.filter(pk=campaign.pk).update(created_at=launched_at)
    Variant.objects.create(campaign=campaign, subject=f"Your coupons: campaign {row.campaign_id}", body=_TEXT)
    return campaign


def _letters(campaigns: dict[int, Campaign], mailed: Any) -> None:
    found = Customer.objects.filter(household__isnull=False).values_list("number", "pk", "household")
    customers = {number: (customer_id, household_id) for number, customer_id, household_id in found}
    variants = dict(Variant.objects.filter(campaign__is_imported=True).values_list("campaign", "pk"))
    Delivery.objects.bulk_create(
        _deliveries(campaigns, mailed, customers, variants),
        batch_size=2_000,
    )


def _deliveries(
    campaigns: dict[int, Campaign], mailed: Any, customers: dict[str, tuple[int, int]], variants: dict[int, int]
) -> Iterator[Delivery]:
    for campaign_id, number in zip(mailed.campaign_id, mailed.household_id, strict=True):
        campaign, found = campaigns[campaign_id], customers.get(str(number))
        if found is None or campaign.launched_at is None:
            continue
        customer_id, household_id = found
        yield Delivery(
            campaign=campaign,
            unit=f"{Delivery.UNIT_HOUSEHOLD}{household_id}",  # the letters went to households
            customer_id=customer_id,
            channel=Channel.POST,
            variant_id=variants[campaign.pk],
            status=Delivery.Status.ACCEPTED,
            assigned_at=campaign.launched_at,
            sent_at=campaign.launched_at,
        )


def _coupons(journey: Journey, campaigns: dict[int, Campaign], redeemed: Any) -> None:
    given = journey.table("coupons").groupby(["campaign_id", "coupon_upc"]).product_id.nunique()
    products = {key: count for key, count in given.items() if key[0] in campaigns}
    keys = dict.fromkeys([*products, *zip(redeemed.campaign_id, redeemed.coupon_upc, strict=True)])
    Coupon.objects.bulk_create(
        (
            Coupon(campaign=campaigns[number], code=str(code), description=_good_for(products.get((number, code), 0)))
            for number, code in keys
        ),
        batch_size=2_000,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _REDEMPTIONS,
            [
                [campaigns[number].pk for number in redeemed.campaign_id],
                [str(code) for code in redeemed.coupon_upc],
                [str(number) for number in redeemed.household_id],
                [(day + journey.shift).date() for day in redeemed.redemption_date],
            ],
        )


def _good_for(products: int) -> str:
    return f"Good for {products} product{'' if products == 1 else 's'}" if products else ""
