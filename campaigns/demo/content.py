"""What the demo shop has made of its records: segments, personas, the year's campaigns and one that is ready to go.

Everything is found again by its name, so a load that was cut short goes on where it stopped.
"""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.demo import past, programme
from campaigns.demo.journey import Journey
from campaigns.demo.personas import PERSONAS
from campaigns.models import Campaign, Variant
from config.demo_users import DEMO_USERS
from personas.domain import create_persona
from personas.models import Persona
from segments.domain import create_segment
from segments.models import Segment
from segments.refresh import refresh_all


def create(*, journey: Journey, now: datetime) -> None:
    """Create what is not there yet, and refresh every segment."""
    by = User.objects.filter(username=DEMO_USERS[1].username).first()
    programme.create(now=now)
    with transaction.atomic():
        for name, description, rule in SEGMENTS:
            if not Segment.objects.filter(name=name).exists():
                create_segment(name=name, description=description, rule=_rule(rule), by=by)
        for fields, rule in PERSONAS:
            if not Persona.objects.filter(name=fields["name"]).exists():
                create_persona(persona=Persona(**fields), rule=_rule(rule), by=by)
        past.create_campaigns(journey=journey, by=by)
        _create_ready_campaign(by)
    refresh_all(now=now)


def _rule(node: dict[str, Any]) -> dict[str, Any]:
    return {"v": 1, "rule": node}


def _is(attribute: str, operator: str, value: Any, **filters: str) -> dict[str, Any]:
    condition: dict[str, Any] = {"attribute": attribute, "operator": operator, "value": value}
    return {**condition, "filters": filters} if filters else condition


COFFEE = "Coffee drinkers"

SEGMENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "Regulars",
        "They come again and again: the heart of the shop.",
        _is("lifecycle", "=", "regular"),
    ),
    (
        "Slipping away",
        "Used to come often, and have not been seen for a month.",
        {"and": [_is("receipts", ">=", 12), _is("days_since_purchase", ">=", 30)]},
    ),
    (
        "Big baskets this quarter",
        "Spent most in the last 90 days.",
        _is("spend", ">=", 1000, last="90 days"),
    ),
    (
        "Families with children",
        "Households where children live, as far as we know.",
        _is("children", ">=", 1),
    ),
    (
        COFFEE,
        "Bought coffee in the last 60 days and may be written to by e-mail.",
        {
            "and": [
                _is("bought", "is", True, category="Grocery > Coffee", last="60 days"),
                _is("consent_email", "is", True),
            ]
        },
    ),
    (
        "Not bought yet",
        "Asked about the shop or signed up, and have not bought.",
        _is("lifecycle", "in", ["prospect", "registered"]),
    ),
)

READY = "Coffee week"


def _create_ready_campaign(by: User | None) -> None:
    """An e-mail in two languages that wants only to be launched."""
    if Campaign.objects.filter(name=READY).exists():
        return
    campaign = Campaign.objects.create(name=READY, attribution_days=14, created_by=by)
    campaign.segments.add(Segment.objects.get(name=COFFEE))
    Variant.objects.create(
        campaign=campaign,
        sender_name="Riverton Market",
        subject='{{ customer.first_name | default: "Hello" }}, this week the coffee is on us',
        preheader="Buy any bag, and the second one is half the price until Sunday.",
        heading='Good morning, {{ customer.first_name | default: "neighbour" }}',
        body="All this week: buy a bag of coffee, any coffee, and the second one is half the price. "
        "Just show your card at the till.\n\n"
        'Last time you took {{ last_purchase.product | default: "something good" }} home. '
        "We have kept some for you.\n\n"
        "You have {{ customer.points }} points on your card.",
        button_label="See the coffees",
        button_url="https://shop.example.com/coffee",
    )
    Variant.objects.create(
        campaign=campaign,
        language="ru",
        sender_name="Riverton Market",
        subject='{{ customer.first_name | default: "Здравствуйте" }}, неделя кофе началась',
        preheader="Вторая пачка любого кофе — за полцены до воскресенья.",
        heading='Доброе утро, {{ customer.first_name | default: "сосед" }}!',
        body="Всю неделю: купите пачку любого кофе, и вторая обойдётся в половину цены. Просто покажите карту на кассе."
        "\n\nНа вашей карте {{ customer.points }} баллов.",
        button_label="Посмотреть кофе",
        button_url="https://shop.example.com/coffee",
    )
